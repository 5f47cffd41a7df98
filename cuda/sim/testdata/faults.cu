// One deliberate mistake a kernel (fault_*), and their correct neighbours (good_*), for sim_test. p holds 128 floats, all written;
// q holds 128 floats, none written; n is 0, which the compiler does not know. All kernels run one block of 64 threads.
#include <stdint.h>

#define KERNEL(name) extern "C" __global__ void __launch_bounds__(64) name(float *p, float *q, int n)
#define T threadIdx.x

__device__ __forceinline__ uint32_t address(const void *s) { return static_cast<uint32_t>(__cvta_generic_to_shared(s)); }
__device__ __forceinline__ void copy16(void *s, const void *g) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address(s)), "l"(g) : "memory"); }
__device__ __forceinline__ void copy4(void *s, const void *g, int size) { asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address(s)), "l"(g), "r"(size) : "memory"); }
__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
__device__ __forceinline__ uint32_t matrix(const void *s) {
  uint32_t r;
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r) : "r"(address(s)) : "memory");
  return r;
}

// Global memory.
KERNEL(good_plain) { q[T] = p[T] + 1.0f; }
KERNEL(fault_global_write_bounds) { q[T + (T == 63) * 65] = 1.0f; }
KERNEL(fault_global_read_bounds) { q[T] = p[static_cast<int>(T) - 1 + n]; }
KERNEL(fault_global_misaligned) { *reinterpret_cast<float4 *>(q + 1) = make_float4(0, 0, 0, 0); }
KERNEL(fault_global_unwritten) { p[T] = q[T]; }
KERNEL(fault_global_half_written) {
  q[2 * T] = 1.0f;
  float2 v = reinterpret_cast<float2 *>(q + n)[T];
  p[T] = v.x + v.y;
}
KERNEL(fault_global_one_lane) {
  if (T < 40) q[T] = 1.0f;
  if (T < 41) p[T] = q[T + n];
}
KERNEL(fault_trap) { if (p[T] != 0.0f || n == 0) __trap(); }

KERNEL(fault_endless) {
  for (int k = n; k >= 0; k ^= 1) asm volatile("" : "+r"(k));
  p[T] = 1.0f;
}

// Shared memory, single accesses.
KERNEL(fault_shared_bounds) {
  __shared__ float s[64];
  s[T + 1 + n] = 1.0f;
  __syncthreads();
  p[T] = s[T];
}
KERNEL(fault_shared_misaligned) {
  __shared__ __align__(16) float s[68];
  *reinterpret_cast<float2 *>(s + 1 + n) = make_float2(1, 2);
  __syncthreads();
  p[T] = s[1];
}
KERNEL(fault_shared_unwritten) {
  __shared__ float s[64];
  if (T < 32) s[T] = 1.0f;
  __syncthreads();
  p[T] = s[T];
}

// Races between warps.
KERNEL(good_block_exchange) {
  __shared__ float s[64];
  s[T] = p[T];
  __syncthreads();
  float v = s[T ^ 32];
  __syncthreads();
  s[T] = v + 1;
  __syncthreads();
  p[T] = s[63 - T];
}
KERNEL(fault_race_read_after_write) {
  __shared__ float s[64];
  s[T] = p[T];
  p[T] = s[T ^ 32];
}
KERNEL(fault_race_write_after_read) {
  __shared__ float s[64];
  s[T] = p[T];
  __syncthreads();
  float v = s[T ^ 32];
  s[T] = v + 1;
  __syncthreads();
  p[T] = s[T];
}
KERNEL(fault_race_write_after_write) {
  __shared__ float s[64];
  s[T] = p[T];
  s[T ^ 32] = p[T] + 1;
  __syncthreads();
  p[T] = s[T];
}
KERNEL(fault_race_second_reader) {  // the writer's own warp reads last, another warp read before
  __shared__ float s[64];
  s[T] = p[T];
  __syncthreads();
  float v = T == 1 ? s[40] : 0.0f;
  if (T == 40) { v += s[40]; s[40] = v + 1; }
  p[T] = v;
}

// Races inside a warp.
KERNEL(good_warp_exchange) {
  __shared__ float s[64];
  s[T] = p[T];
  __syncwarp();
  float v = s[T ^ 1];
  __syncwarp();
  s[T] = v;
  p[T] = s[T];
}
KERNEL(good_warp_halves) {  // each half of a warp keeps to itself
  __shared__ float s[64];
  s[T] = p[T];
  __syncwarp(0xFFFFu << (T & 16));
  p[T] = s[T ^ 1];
}
KERNEL(fault_race_in_warp) {
  __shared__ float s[64];
  s[T] = p[T];
  p[T] = s[T ^ 1];
}
KERNEL(fault_race_in_warp_write_after_read) {
  __shared__ float s[64];
  s[T] = p[T];
  __syncwarp();
  float v = s[T ^ 1];
  s[T] = v;
  p[T] = v;
}
KERNEL(fault_race_between_halves) {
  __shared__ float s[64];
  s[T] = p[T];
  __syncwarp(0xFFFFu << (T & 16));
  p[T] = s[T ^ 16];
}
KERNEL(fault_race_one_instruction) {
  __shared__ float s[64];
  s[T / 2] = p[T];
  __syncthreads();
  p[T] = s[T / 2];
}
KERNEL(good_bytes) {  // neighbours in a word are different places
  __shared__ uint8_t s[64];
  s[T] = static_cast<uint8_t>(T);
  uint8_t own = s[T];
  __syncthreads();
  p[T] = static_cast<float>(*reinterpret_cast<uint32_t *>(s + (T & 60)) + own);
}
KERNEL(fault_race_bytes) {
  __shared__ uint8_t s[64];
  s[T] = static_cast<uint8_t>(T);
  p[T] = static_cast<float>(s[T ^ 1]);
}
KERNEL(fault_race_byte_in_word) {
  __shared__ __align__(4) uint8_t s[64];
  s[T] = static_cast<uint8_t>(T);
  p[T] = static_cast<float>(*reinterpret_cast<uint32_t *>(s + (T & 60)));
}
KERNEL(good_atomics) {
  __shared__ int s[1];
  if (T == 0) s[0] = 0;
  __syncthreads();
  atomicAdd(&s[0], static_cast<int>(T));
  __syncthreads();
  p[T] = static_cast<float>(s[0]);
}
KERNEL(fault_race_atomic_and_read) {
  __shared__ int s[1];
  if (T == 0) s[0] = 0;
  __syncthreads();
  atomicAdd(&s[0], static_cast<int>(T));
  p[T] = static_cast<float>(*const_cast<volatile int *>(&s[0]));
}

// Barriers and collectives.
KERNEL(good_early_exit) {
  if (T >= 32) return;
  __syncthreads();
  p[T] = 1.0f;
}
KERNEL(fault_barrier_two_places) {
  if (T < 32 + n) { __syncthreads(); p[T] = 1.0f; __syncthreads(); }
  else { p[T] = 2.0f; __syncthreads(); q[T] = 3.0f; __syncthreads(); }
}
KERNEL(fault_barrier_in_divergent_warp) {
  if (T & 1) { __syncthreads(); p[T] = 1.0f; }
  else { p[T] = 2.0f; __syncthreads(); q[T] = 3.0f; }
}
KERNEL(good_divided_warp) {
  float v = p[T];
  for (unsigned k = 0; k < T % 5; k++) v += 1.0f;
  if (T & 1) v += 2.0f;
  v += __shfl_xor_sync(~0u, v, 1);
  p[T] = v;
}
KERNEL(good_half_shuffle) {
  if (T % 32 < 16) p[T] += __shfl_xor_sync(0xFFFFu, p[T], 1);
}
KERNEL(fault_shuffle_lanes_missing) {
  float v = p[T];
  if (T & 1) v = __shfl_xor_sync(~0u, v, 1);
  __syncthreads();
  p[T] = v;
}
KERNEL(fault_shuffle_lanes_ended) {
  float v = p[T];
  if (T & 1) v = __shfl_xor_sync(~0u, v, 1);
  p[T] = v;
}
KERNEL(fault_shuffle_inactive_lane) {
  if (T % 32 < 16) p[T] += __shfl_xor_sync(0xFFFFu, p[T], 16);
}
KERNEL(fault_member_mask) {
  if (T % 32 < 16) p[T] += __shfl_xor_sync(0xFFu, p[T], 1);
}
KERNEL(fault_syncwarp_lanes_missing) {
  if (T & 1) __syncwarp();
  else { p[T] = 1.0f; __syncthreads(); }
}
KERNEL(fault_ldmatrix_lanes_missing) {
  __shared__ __align__(16) float s[64];
  s[T] = p[T];
  __syncthreads();
  if (T % 32 == 31) return;
  p[T] = static_cast<float>(matrix(s + T % 8 * 4));
}
KERNEL(fault_mma_lanes_missing) {
  if (T % 32 == 31) return;
  int d[4] = {0, 0, 0, 0};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%4},{%4},{%0,%1,%2,%3};" : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(T));
  p[T] = static_cast<float>(d[0]);
}
KERNEL(good_ldmatrix) {
  __shared__ __align__(16) float s[64];
  s[T] = p[T];
  __syncwarp();
  p[T] = static_cast<float>(matrix(s + (T & 32) + T % 8 * 4));
}
KERNEL(fault_ldmatrix_race) {
  __shared__ __align__(16) float s[64];
  s[T] = p[T];
  p[T] = static_cast<float>(matrix(s + (T & 32) + T % 8 * 4));
}

// cp.async.
KERNEL(good_async) {
  __shared__ __align__(16) float s[256];
  copy16(s + 4 * T, p + (T & 31) * 4);
  commit();
  wait<0>();
  float own = s[4 * T + 1];
  __syncthreads();
  q[T] = own + s[252 - 4 * T];
}
KERNEL(good_async_zero_fill) {  // a copy of nothing does not look at its source
  __shared__ __align__(16) float s[64];
  copy4(s + T, T < 32 ? p + T : p + 4096, T < 32 ? 4 : 0);
  commit();
  wait<0>();
  q[T] = s[T];
}
KERNEL(good_async_two_stages) {
  __shared__ __align__(16) float s[128];
  copy4(s + T, p + T, 4);
  commit();
  copy4(s + 64 + T, p + 64 + T, 4);
  commit();
  wait<1>();
  float v = s[T];
  wait<0>();
  q[T] = v + s[64 + T];
}
KERNEL(good_async_in_warp) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  commit();
  wait<0>();
  __syncwarp();
  q[T] = s[T ^ 1];
}
KERNEL(fault_async_no_wait) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  commit();
  __syncthreads();
  q[T] = s[T];
}
KERNEL(fault_async_wait_too_few) {
  __shared__ __align__(16) float s[128];
  copy4(s + T, p + T, 4);
  commit();
  copy4(s + 64 + T, p + 64 + T, 4);
  commit();
  wait<1>();
  q[T] = s[T] + s[64 + T];
}
KERNEL(fault_async_not_committed) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  wait<0>();
  q[T] = s[T];
}
KERNEL(fault_async_no_barrier) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  commit();
  wait<0>();
  q[T] = s[T ^ 32];
}
KERNEL(fault_async_no_warp_sync) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  commit();
  wait<0>();
  q[T] = s[T ^ 1];
}
KERNEL(fault_async_over_readers) {
  __shared__ __align__(16) float s[64];
  s[T] = p[T];
  __syncthreads();
  float v = s[T ^ 32];
  copy4(s + T, p + T, 4);
  commit();
  wait<0>();
  __syncthreads();
  q[T] = v + s[T];
}
KERNEL(fault_async_store_over_pending) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, p + T, 4);
  commit();
  s[T] = 1.0f;
  wait<0>();
  q[T] = s[T];
}
KERNEL(fault_async_source_bounds) {
  __shared__ __align__(16) float s[256];
  copy16(s + 4 * T, p + 4 * T);
  commit();
  wait<0>();
  q[T] = s[4 * T];
}
KERNEL(fault_async_source_unwritten) {
  __shared__ __align__(16) float s[64];
  copy4(s + T, q + T, 4);
  commit();
  wait<0>();
  p[T] = s[T];
}
KERNEL(fault_async_misaligned) {
  __shared__ __align__(16) float s[260];
  copy16(s + 1 + n, p);
  commit();
  wait<0>();
  q[T] = s[1];
}
KERNEL(fault_async_shared_bounds) {
  __shared__ __align__(16) float s[64];
  copy4(s + T + 1 + n, p + T, 4);
  commit();
  wait<0>();
  __syncthreads();
  q[T] = s[T];
}

// A module constant, and every synchronisation needed: deleting any of them must be noticed (mutation test).
__constant__ float kScale[4] = {1.0f, 2.0f, 4.0f, 8.0f};
KERNEL(good_constant) { q[T] = p[T] * kScale[T & 3]; }
KERNEL(good_pipeline) {
  __shared__ __align__(16) float s[2][64], sum[2];
  copy4(&s[0][T], p + T, 4);
  commit();
  float v = 0.0f;
  for (int k = 0; k < 4; k++) {
    if (k < 3) copy4(&s[(k + 1) & 1][T], p + T + 16 * k, 4);
    commit();
    wait<1>();
    __syncthreads();
    v += s[k & 1][63 - T];
    if (k < 2) __syncthreads();  // after that nothing is copied any more
  }
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  if (T % 32 == 0) sum[T / 32] = v;
  __syncthreads();
  q[T] = sum[0] + sum[1];
}

// Counters: n + 1 is the stride in words.
extern "C" __global__ void __launch_bounds__(32) count_strided(float *p, float *q, int n) {
  __shared__ float s[1024];
  s[T * n] = p[T * n];
  __syncthreads();
  q[T * n] = s[T * n];
}
// Switches become jump tables.
extern "C" __global__ void __launch_bounds__(64) good_switch(float *p, float *q, int n) {
  int v = static_cast<int>(T % 8), r = n;
  switch (v) {
    case 0: r = static_cast<int>(T) * 3; break;
    case 1: r += static_cast<int>(p[T]) + 7; break;
    case 2: r = 5 - v * static_cast<int>(p[T + 1]); break;
    case 3: r = static_cast<int>(T) ^ 21; break;
    case 4: r -= 9 * static_cast<int>(p[T + 2]); break;
    case 5: r = __popc(T * 77); break;
    default: r = -1;
  }
  q[T] = static_cast<float>(r);
}
