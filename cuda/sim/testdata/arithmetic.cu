// A kernel for each line of arithmetic.h, and the shuffles and votes: d[i] = op(a[i], b[i], c[i]).
#include <stdint.h>

#define H_t uint16_t
#define R_t uint32_t
#define L_t uint64_t
#define F_t float
#define D_t double
#define H_out "=h"
#define R_out "=r"
#define L_out "=l"
#define F_out "=f"
#define D_out "=d"
#define H_in "h"
#define R_in "r"
#define L_in "l"
#define F_in "f"
#define D_in "d"

#define OP(name, D, A, B, C, text, meaning)                                                                                        \
  extern "C" __global__ void op_##name(D##_t *d, const A##_t *a, const B##_t *b, const C##_t *c, int n) {                         \
    int i = blockIdx.x * blockDim.x + threadIdx.x;                                                                                 \
    if (i >= n) return;                                                                                                            \
    D##_t r;                                                                                                                       \
    asm volatile(text : D##_out(r) : A##_in(a[i]), B##_in(b[i]), C##_in(c[i]));                                                    \
    d[i] = r;                                                                                                                      \
  }
#include "arithmetic.h"

// d: [mode][32], one warp. The value is 100 + lane.
extern "C" __global__ void shuffles(int *d) {
  int l = threadIdx.x, v = 100 + l, k = 0;
  d[32 * k++ + l] = __shfl_up_sync(~0u, v, 3);
  d[32 * k++ + l] = __shfl_down_sync(~0u, v, 5);
  d[32 * k++ + l] = __shfl_xor_sync(~0u, v, 9);
  d[32 * k++ + l] = __shfl_sync(~0u, v, 7);
  d[32 * k++ + l] = __shfl_up_sync(~0u, v, 1, 8);
  d[32 * k++ + l] = __shfl_down_sync(~0u, v, 2, 16);
  d[32 * k++ + l] = __shfl_xor_sync(~0u, v, 12, 8);
  d[32 * k++ + l] = __shfl_sync(~0u, v, l * 3, 4);
  d[32 * k++ + l] = __ballot_sync(~0u, l % 3 == 0);
  d[32 * k++ + l] = __any_sync(~0u, l == 40) * 2 + __all_sync(~0u, l < 32);
  d[32 * k++ + l] = __reduce_add_sync(~0u, l);
  d[32 * k++ + l] = __reduce_max_sync(0xFFFFu << (l & 16), l);
}

// d: 8 counters, s: shared ones. Integer atomics of a block of 96 threads.
extern "C" __global__ void atomics(int *d) {
  __shared__ int s[4];
  int t = threadIdx.x;
  if (t < 4) s[t] = t == 1 ? 1000 : 0;
  if (t < 8) d[t] = t == 1 ? 1000 : 0;
  __syncthreads();
  atomicAdd(&s[0], t);
  atomicMin(&s[1], t + 3);
  atomicMax(&s[2], 2 * t);
  atomicOr(&s[3], 1 << (t & 31));
  atomicAdd(&d[0], t);
  atomicMin(&d[1], t + 3);
  atomicMax(&d[2], 2 * t);
  atomicOr(&d[3], 1 << (t & 31));
  __syncthreads();
  if (t < 4) d[4 + t] = s[t];
}

// Elementwise work for the clock: about 20 instructions a value.
extern "C" __global__ void clock_float(float *d, const float *a, const float *b, const float *, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    float x = a[i], y = b[i];
    for (int k = 0; k < 16; k++) {
      x = __fadd_rn(__fmul_rn(x, 0.5f), y);
      y = fminf(fmaxf(rintf(x), -100.0f), 100.0f);
      x = __fsub_rn(x, y * 0.25f);
    }
    d[i] = x;
  }
}
// Shared memory for the clock: each round stores, meets and loads.
extern "C" __global__ void clock_shared(float *d, const float *a, const float *, const float *, int n) {
  __shared__ float s[256];
  int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  float x = i < n ? a[i] : 0.0f;
  for (int k = 1; k < 64; k++) {
    s[t] = x;
    __syncthreads();
    x = __fadd_rn(x, s[(t + k) & 255]);
    __syncthreads();
  }
  if (i < n) d[i] = x;
}
