// What the CUDA kernels say to the machine: asynchronous copies, tensor-core products, sums over threads, and
// activations in either storage. Inline PTX stands here only. For .cu files alone.
#ifndef VK_DEVICE_H
#define VK_DEVICE_H
#ifdef __CUDACC__
#include "kernels.h"

#define VK_DEVICE static __device__ __forceinline__

// The block's dynamic shared memory as T *name.
#define VK_DYNAMIC_SHARED(T, name)                        \
	extern __shared__ __align__(128) char vk_dynamic_shared[]; \
	T *const name = reinterpret_cast<T *>(vk_dynamic_shared)

// ---- activations in memory: float or bf16, the upper half of a float rounded to nearest even
struct bf16 {
	uint16_t bits;
};

VK_DEVICE float load(const float *p) { return *p; }
VK_DEVICE float load(const bf16 *p) { return __uint_as_float((uint32_t)p->bits << 16); }
VK_DEVICE uint16_t to_bf16(float f) {
	uint16_t h;
	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
	return h;
}
// Two in a word: lo in the lower half, which is the lower address.
VK_DEVICE uint32_t to_bf16x2(float lo, float hi) {
	uint32_t w;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(hi), "f"(lo));
	return w;
}
VK_DEVICE float lo_bf16(uint32_t w) { return __uint_as_float(w << 16); }
VK_DEVICE float hi_bf16(uint32_t w) { return __uint_as_float(w & 0xffff0000u); }
VK_DEVICE void store(float *p, float f) { *p = f; }
VK_DEVICE void store(bf16 *p, float f) { p->bits = to_bf16(f); }

// Lanes<T>::count values fill 16 bytes; load16 and store16 move them, aligned to 16, in one access.
template <class T> struct Lanes;
template <> struct Lanes<float> { static constexpr int count = 4; };
template <> struct Lanes<bf16> { static constexpr int count = 8; };

VK_DEVICE void load16(float v[4], const float *p) {
	const float4 w = *reinterpret_cast<const float4 *>(p);
	v[0] = w.x, v[1] = w.y, v[2] = w.z, v[3] = w.w;
}
VK_DEVICE void load16(float v[8], const bf16 *p) {
	const uint4 w = *reinterpret_cast<const uint4 *>(p);
	v[0] = lo_bf16(w.x), v[1] = hi_bf16(w.x), v[2] = lo_bf16(w.y), v[3] = hi_bf16(w.y);
	v[4] = lo_bf16(w.z), v[5] = hi_bf16(w.z), v[6] = lo_bf16(w.w), v[7] = hi_bf16(w.w);
}
VK_DEVICE void store16(float *p, const float v[4]) {
	*reinterpret_cast<float4 *>(p) = make_float4(v[0], v[1], v[2], v[3]);
}
VK_DEVICE void store16(bf16 *p, const float v[8]) {
	*reinterpret_cast<uint4 *>(p) = make_uint4(to_bf16x2(v[0], v[1]), to_bf16x2(v[2], v[3]), to_bf16x2(v[4], v[5]), to_bf16x2(v[6], v[7]));
}
// Two neighbours, aligned to both.
VK_DEVICE void store2(float *p, float a, float b) { *reinterpret_cast<float2 *>(p) = make_float2(a, b); }
VK_DEVICE void store2(bf16 *p, float a, float b) { *reinterpret_cast<uint32_t *>(p) = to_bf16x2(a, b); }

// Values from one row of pixels to the next, the first value inside the border of image i, and the values of an
// image with its border: what act.h says, for either storage.
VK_DEVICE int act_row(const vk_act &a) { return (a.w + 2 * a.border) * a.c; }
VK_DEVICE int act_size(const vk_act &a) { return act_row(a) * (a.h + 2 * a.border); }
template <class T> VK_DEVICE T *act_image(const vk_act &a, int i) {
	return reinterpret_cast<T *>(a.p) + (int64_t)act_size(a) * i + act_row(a) * a.border + a.border * a.c;
}

// ---- sums over threads, in an order that depends on nothing
// Of the 32 lanes of a warp, all of which call; every lane gets the sum.
template <class T> VK_DEVICE T warp_sum(T v) {
	for (int lane = 16; lane > 0; lane /= 2) v += __shfl_xor_sync(0xffffffffu, v, lane);
	return v;
}

// Of all threads of a block of whole warps; every thread gets the sum. scratch is shared, a value a warp, for this sum
// alone.
template <class T> VK_DEVICE T block_sum(T v, T *scratch) {
	v = warp_sum(v);
	if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
	__syncthreads();
	T sum = scratch[0];
	for (unsigned warp = 1; warp < blockDim.x / 32; warp++) sum += scratch[warp];
	return sum;
}

// ---- asynchronous copies from global to shared memory
VK_DEVICE uint32_t shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

// Copies `bytes` (4, 8 or 16, to which both are aligned), or writes as many zeros and reads nothing where !valid.
template <int bytes> VK_DEVICE void cp_async(void *to, const void *from, bool valid) {
	if (bytes == 16) // past the first-level cache
		asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0) : "memory");
	else
		asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(bytes), "r"(valid ? bytes : 0) : "memory");
}
// Ends a group of copies.
VK_DEVICE void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until all but the `behind` newest groups of this thread have arrived.
template <int behind> VK_DEVICE void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(behind) : "memory"); }

// ---- fragments of tensor-core products (PTX ISA, "Warp Level Matrix Multiply-Accumulate")
// Matrix i of 8 rows of 16 bytes, whose row j is at lane 8*i + j's address, goes to r[i]; lane l gets the 4 bytes
// number l%4 of row l/4. With trans the matrix of 2-byte elements is transposed first.
VK_DEVICE void ldmatrix(uint32_t (&r)[4], const void *row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
VK_DEVICE void ldmatrix(uint32_t (&r)[2], const void *row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}
VK_DEVICE void ldmatrix_trans(uint32_t (&r)[4], const void *row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
VK_DEVICE void ldmatrix_trans(uint32_t (&r)[2], const void *row) {
	asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}

// d [16][8] += a [16][k] * b [k][8], b given as [8][k]; f32 accumulation. In all of them lane l holds of d, with
// g = l/4 and t = l%4: d[0], d[1] = (g, 2t), (g, 2t+1); d[2], d[3] the same of row g+8.
// k = 16. a: words (g, t), (g+8, t), (g, t+4), (g+8, t+4), a word being two neighbours in k; b: (g, t), (g, t+4).
VK_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// k = 8, words of one tf32 each, places as above. The tensor core ignores the lower 13 bits: round with to_tf32.
VK_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
	asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// k = 32, words of four codes each, places as above; a is s8 or u8 (mma_u8), b is s8, d is int32.
VK_DEVICE void mma_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
	asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
VK_DEVICE void mma_u8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
	asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		: "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// f rounded to the 10 bits of fraction that mma_tf32 reads, ties away from 0.
VK_DEVICE uint32_t to_tf32(float f) {
	uint32_t w;
	asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(w) : "f"(f));
	return w;
}

// Four floats of shared memory, aligned to 16 bytes, read each time anew: a compiler would keep them in registers
// throughout a loop, which is dear where there are many.
VK_DEVICE float4 reload4(const void *shared) {
	float4 v;
	asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "r"(shared_address(shared)) : "memory");
	return v;
}
#endif
#endif
