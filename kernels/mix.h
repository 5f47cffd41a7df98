// Mixes of fake-quantized values, device only: what fakequant.cu and unit.cu do to V values in registers. The
// arithmetic is that of fakequant_body.h, operation by operation.
#ifndef VK_MIX_H
#define VK_MIX_H
#include "fakequant.h"
#include "pixels.h"

enum { MIX_GROUP = 4 }; // candidates whose factors the host adds before it multiplies

struct alignas(16) mix_candidate {
	vk_quant q;
	float z, weight, unused[2]; // weight: z * step
};

// The candidates of a gate, in shared memory.
struct mix_candidates {
	mix_candidate c[VK_MAX_BITS];
};

VK_DEVICE mix_candidate read_candidate(const mix_candidates &s, int b) {
	const float4 q = reload4(&s.c[b].q), z = reload4(&s.c[b].z);
	return {{q.x, q.y, q.z, q.w}, z.x, z.y, {0, 0}};
}

// Candidate b's step stands at step[b*stride + at]. Threads first .. first+VK_MAX_BITS-1 do it; barrier after it.
VK_DEVICE void mix_prepare(mix_candidates &s, const vk_mix &m, int stride, int at, int first) {
	const int b = (int)threadIdx.x - first;
	if (b < 0 || b >= m.bits) return;
	float qmin = 0, qmax = 0;
#pragma unroll
	for (int i = 0; i < VK_MAX_BITS; i++)
		if (i == b) qmin = m.qmin[i], qmax = m.qmax[i];
	mix_candidate c = {vk_quant_of(m.step[(int64_t)b * stride + at], qmin, qmax), m.z[b], 0, {0, 0}};
	c.weight = c.z * c.q.step;
	s.c[b] = c;
}

// y + sum_b z_b Q_b(x) over candidate c alone.
template <int V> VK_DEVICE void mix_add(const mix_candidate &c, const vec<V> &x, vec<V> &y) {
#pragma unroll
	for (int j = 0; j < V; j++) y.v[j] = fmaf(c.weight, vk_quant_code(x.v[j], c.q), y.v[j]);
}

template <int V> VK_DEVICE vec<V> mix_forward(const mix_candidates &s, int bits, const vec<V> &x) {
	if (bits == 0) return x;
	vec<V> y = vec_of<V>(0);
	for (int b = 0; b < bits; b++) {
		const mix_candidate c = read_candidate(s, b);
		if (c.z != 0) mix_add(c, x, y);
	}
	return y;
}

// A thread's part of the gradients: sum dy * code and sum dy * (code - in * x/step).
struct mix_sums {
	float dz[VK_MAX_BITS], ds[VK_MAX_BITS];
};

VK_DEVICE mix_sums no_sums() {
	mix_sums s;
#pragma unroll
	for (int b = 0; b < VK_MAX_BITS; b++) s.dz[b] = s.ds[b] = 0;
	return s;
}

// Adds candidate c's part of V values; factor gains z*scale where x is inside the range.
template <bool SUMS, int V>
VK_DEVICE void mix_gradient(const mix_candidate &c, float scale, const vec<V> &x, const vec<V> &dy, vec<V> &factor,
                                             float &dz, float &ds) {
#pragma unroll
	for (int j = 0; j < V; j++) {
		const float clamped = vk_quant_clamp(x.v[j], c.q);
		const bool in = clamped == x.v[j];
		factor.v[j] += in ? c.z * scale : 0;
		if (SUMS) {
			const float v = vk_quant_divide(clamped, c.q), code = rintf(v);
			dz = fmaf(dy.v[j], code, dz);
			ds = fmaf(dy.v[j], code - (in ? v : 0), ds);
		}
	}
}

template <int V> VK_DEVICE void add_product(vec<V> &g, const vec<V> &dy, vec<V> &factor) {
#pragma unroll
	for (int j = 0; j < V; j++) {
		g.v[j] += dy.v[j] * factor.v[j];
		factor.v[j] = 0;
	}
}

// g += scale times the gradient of x under a mix whose gradient is dy; -0 is the g that nothing was added to.
template <bool SUMS, int V>
VK_DEVICE void mix_backward(const mix_candidates &s, int bits, const vec<V> &x, const vec<V> &dy, vec<V> &g, mix_sums &sums,
                             float scale = 1) {
	if (bits == 0) {
#pragma unroll
		for (int j = 0; j < V; j++) g.v[j] += dy.v[j];
		return;
	}
	vec<V> factor = vec_of<V>(0);
#pragma unroll
	for (int b = 0; b < VK_MAX_BITS; b++) {
		if (b == MIX_GROUP && b < bits) add_product(g, dy, factor);
		if (b < bits) mix_gradient<SUMS>(read_candidate(s, b), scale, x, dy, factor, sums.dz[b], sums.ds[b]);
	}
	add_product(g, dy, factor);
}

enum { MIX_WARPS = PIXEL_BLOCK / 32 };

// Adds the sums of a block's threads and writes partial [2B]: step * dz, z * ds. buffer: [MIX_WARPS][2 * VK_MAX_BITS],
// which no thread may still be reading.
VK_DEVICE void mix_write_sums(const mix_candidates &s, int bits, mix_sums &sums, float *buffer, float *partial) {
	const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
	for (int b = 0; b < VK_MAX_BITS; b++) {
		if (b >= bits) break;
#pragma unroll
		for (int off = 16; off > 0; off /= 2) {
			sums.dz[b] += __shfl_xor_sync(0xffffffffu, sums.dz[b], off);
			sums.ds[b] += __shfl_xor_sync(0xffffffffu, sums.ds[b], off);
		}
		if (lane == 0) {
			buffer[warp * 2 * VK_MAX_BITS + b] = sums.dz[b];
			buffer[warp * 2 * VK_MAX_BITS + VK_MAX_BITS + b] = sums.ds[b];
		}
	}
	__syncthreads();
	const int b = threadIdx.x % VK_MAX_BITS, steps = threadIdx.x / VK_MAX_BITS; // steps: 0 for dz, 1 for ds
	if (steps > 1 || b >= bits) return;
	float sum = 0;
	for (int w = 0; w < MIX_WARPS; w++) sum += buffer[w * 2 * VK_MAX_BITS + steps * VK_MAX_BITS + b];
	partial[steps * bits + b] = (steps ? s.c[b].z : s.c[b].q.step) * sum;
}
#endif
