// One warp: each mma shape on fragments that the host lays out, and ldmatrix. Registers are [register][lane].
#include <stdint.h>

#define LOAD(type, name, from, count)   \
  type name[count];                     \
  for (int k = 0; k < count; k++) name[k] = from[32 * k + threadIdx.x]

#define MMA4(kernel, shape, T, constraint)                                                                                          \
  extern "C" __global__ void kernel(T *d, const uint32_t *pa, const uint32_t *pb, const T *pc) {                                    \
    LOAD(uint32_t, a, pa, 4);                                                                                                       \
    LOAD(uint32_t, b, pb, 2);                                                                                                       \
    LOAD(T, c, pc, 4);                                                                                                              \
    asm volatile("mma.sync.aligned." shape " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                                 \
                 : "+" constraint(c[0]), "+" constraint(c[1]), "+" constraint(c[2]), "+" constraint(c[3])                           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                                               \
    for (int k = 0; k < 4; k++) d[32 * k + threadIdx.x] = c[k];                                                                     \
  }
#define MMA2(kernel, shape, T, constraint)                                                                                          \
  extern "C" __global__ void kernel(T *d, const uint32_t *pa, const uint32_t *pb, const T *pc) {                                    \
    LOAD(uint32_t, a, pa, 2);                                                                                                       \
    LOAD(uint32_t, b, pb, 1);                                                                                                       \
    LOAD(T, c, pc, 4);                                                                                                              \
    asm volatile("mma.sync.aligned." shape " {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"                                          \
                 : "+" constraint(c[0]), "+" constraint(c[1]), "+" constraint(c[2]), "+" constraint(c[3])                           \
                 : "r"(a[0]), "r"(a[1]), "r"(b[0]));                                                                                \
    for (int k = 0; k < 4; k++) d[32 * k + threadIdx.x] = c[k];                                                                     \
  }
MMA4(mma_bf16_k16, "m16n8k16.row.col.f32.bf16.bf16.f32", float, "f")
MMA4(mma_tf32_k8, "m16n8k8.row.col.f32.tf32.tf32.f32", float, "f")
MMA2(mma_tf32_k4, "m16n8k4.row.col.f32.tf32.tf32.f32", float, "f")
MMA4(mma_s8s8_k32, "m16n8k32.row.col.s32.s8.s8.s32", int, "r")
MMA4(mma_u8s8_k32, "m16n8k32.row.col.s32.u8.s8.s32", int, "r")
MMA4(mma_s8u8_k32, "m16n8k32.row.col.s32.s8.u8.s32", int, "r")
MMA4(mma_u8u8_k32, "m16n8k32.row.col.s32.u8.u8.s32", int, "r")
MMA2(mma_s8s8_k16, "m16n8k16.row.col.s32.s8.s8.s32", int, "r")
MMA2(mma_u8s8_k16, "m16n8k16.row.col.s32.u8.s8.s32", int, "r")

// src: 32 rows of 8 halves, at a pitch of `pitch` bytes in shared memory. d: x4, x4.trans (4 registers each), x2, x1.
extern "C" __global__ void matrices(uint32_t *d, const uint4 *src, int pitch) {
  extern __shared__ __align__(128) uint8_t s[];
  int l = threadIdx.x;
  *reinterpret_cast<uint4 *>(s + l * pitch) = src[l];
  __syncwarp();
  uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(s + l * pitch)), r[4];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
  for (int k = 0; k < 4; k++) d[32 * k + l] = r[k];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
  for (int k = 0; k < 4; k++) d[32 * (4 + k) + l] = r[k];
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(at) : "memory");
  d[32 * 8 + l] = r[0];
  d[32 * 9 + l] = r[1];
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(at) : "memory");
  d[32 * 10 + l] = r[0];
}
