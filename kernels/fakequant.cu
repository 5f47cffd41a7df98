// Mixes of fake-quantized tensors: kernels.h says what each op does, mix.h how values are mixed.
#include "mix.h"

// A block does a part of an image.
template <class T, int V> VK_DEVICE void mix_input_fwd(const vk_mix_input_fwd_args &a, int units) {
	__shared__ mix_candidates mix;
	mix_prepare(mix, a.m, 1, 0, 0);
	__syncthreads();
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	if (t.pixel >= t.pixels) return;
	const T *x = act_image<T>(a.x, part.image);
	T *y = act_image<T>(a.y, part.image);
	for (int k = t.vector * V; k < a.x.c; k += t.vectors * V)
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next())
			store_vec(y + place(a.y, at.p, at.q, k), mix_forward(mix, a.m.bits, load_vec<V>(x + place(a.x, at.p, at.q, k))));
}

// Where no sums are wanted the host adds candidate by candidate, those with z == 0 left out.
template <int V> VK_DEVICE void mix_backward_alone(const mix_candidates &s, int bits, const vec<V> &x, const vec<V> &dy, vec<V> &g) {
	float unused = 0;
	for (int b = 0; b < bits; b++) {
		const mix_candidate c = read_candidate(s, b);
		vec<V> factor = vec_of<V>(0);
		if (c.z == 0) continue;
		mix_gradient<false>(c, 1, x, dy, factor, unused, unused);
		add_product(g, dy, factor);
	}
}

template <class T, int V> VK_DEVICE void mix_input_bwd(const vk_mix_input_bwd_args &a, int units) {
	__shared__ mix_candidates mix;
	__shared__ float buffer[MIX_WARPS * 2 * VK_MAX_BITS];
	mix_prepare(mix, a.m, 1, 0, 0);
	__syncthreads();
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	const bool sum = a.partial && a.m.bits;
	mix_sums sums = no_sums();
	for (int k = t.vector * V; t.pixel < t.pixels && k < a.x.c; k += t.vectors * V)
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next()) {
			const vec<V> x = load_vec<V>(act_image<T>(a.x, part.image) + place(a.x, at.p, at.q, k));
			const vec<V> dy = load_vec<V>(act_image<T>(a.dy, part.image) + place(a.dy, at.p, at.q, k));
			T *dx = a.dx.p ? act_image<T>(a.dx, part.image) + place(a.dx, at.p, at.q, k) : nullptr;
			vec<V> g = vec_of<V>(-0.0f);
			if (dx && a.accumulate) g = load_vec<V>(dx);
			if (sum || a.m.bits == 0)
				mix_backward<true>(mix, a.m.bits, x, dy, g, sums);
			else
				mix_backward_alone(mix, a.m.bits, x, dy, g);
			if (dx) store_vec(dx, g);
		}
	if (sum) mix_write_sums(mix, a.m.bits, sums, buffer, a.partial + (int64_t)blockIdx.x * 2 * a.m.bits);
}

// A block does a filter.
template <int V> VK_DEVICE void mix_weight_fwd(const vk_mix_weight_fwd_args &a) {
	__shared__ mix_candidates mix;
	const int k = blockIdx.x;
	mix_prepare(mix, a.m, a.step_per_tensor ? 1 : a.k, a.step_per_tensor ? 0 : k, 0);
	__syncthreads();
	const int64_t next = a.shared ? 0 : (int64_t)a.k * a.len; // to the same filter of the next candidate
	for (int i = threadIdx.x * V; i < a.len; i += PIXEL_BLOCK * V) {
		const float *w = a.w + (int64_t)k * a.len + i;
		vec<V> y = a.m.bits ? vec_of<V>(0) : load_vec<V>(w);
		for (int b = 0; b < a.m.bits; b++, w += next) {
			const mix_candidate c = read_candidate(mix, b);
			if (c.z != 0) mix_add(c, load_vec<V>(w), y);
		}
		store_vec(a.y + (int64_t)k * a.len + i, y);
	}
}

// Candidates with filters of their own: each gets its own gradient.
template <int V> VK_DEVICE void mix_backward_each(const vk_mix_weight_bwd_args &a, const mix_candidates &mix, float scale, int64_t at, const vec<V> &dy,
                                                  mix_sums &sums) {
#pragma unroll
	for (int b = 0; b < VK_MAX_BITS; b++) {
		if (b < a.m.bits) {
			const mix_candidate c = read_candidate(mix, b);
			const int64_t own = at + (int64_t)b * a.k * a.len;
			vec<V> factor = vec_of<V>(0);
			mix_gradient<true>(c, scale, load_vec<V>(a.w + own), dy, factor, sums.dz[b], sums.ds[b]);
			if (c.z != 0) {
				vec<V> dw = load_vec<V>(a.dw + own);
				add_product(dw, dy, factor);
				store_vec(a.dw + own, dw);
			}
		}
	}
}

template <int V> VK_DEVICE void mix_weight_bwd(const vk_mix_weight_bwd_args &a) {
	__shared__ mix_candidates mix;
	__shared__ float buffer[MIX_WARPS * 2 * VK_MAX_BITS];
	const int k = blockIdx.x;
	mix_prepare(mix, a.m, a.step_per_tensor ? 1 : a.k, a.step_per_tensor ? 0 : k, 0);
	__syncthreads();
	const float scale = *a.grad_scale;
	mix_sums sums = no_sums();
	for (int i = threadIdx.x * V; i < a.len; i += PIXEL_BLOCK * V) {
		const int64_t at = (int64_t)k * a.len + i;
		vec<V> dy = load_vec<V>(a.dy + at);
		if (!a.shared && a.m.bits) {
			mix_backward_each(a, mix, scale, at, dy, sums);
			continue;
		}
		vec<V> dw = load_vec<V>(a.dw + at);
		if (a.m.bits == 0) {
			vec<V> factor = vec_of<V>(scale);
			add_product(dw, dy, factor);
		} else {
			mix_backward<true>(mix, a.m.bits, load_vec<V>(a.w + at), dy, dw, sums, scale);
		}
		store_vec(a.dw + at, dw);
	}
	if (a.partial && a.m.bits) mix_write_sums(mix, a.m.bits, sums, buffer, a.partial + (int64_t)k * 2 * a.m.bits);
}

#define MIX_KERNEL(name, args, call)                                                                                                    \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ args a, int units) { call; }
MIX_KERNEL(mix_input_fwd_f32, vk_mix_input_fwd_args, (mix_input_fwd<float, 4>(a, units)))
MIX_KERNEL(mix_input_fwd_f32_scalar, vk_mix_input_fwd_args, (mix_input_fwd<float, 1>(a, units)))
MIX_KERNEL(mix_input_fwd_bf16, vk_mix_input_fwd_args, (mix_input_fwd<bf16, 8>(a, units)))
MIX_KERNEL(mix_input_fwd_bf16_scalar, vk_mix_input_fwd_args, (mix_input_fwd<bf16, 1>(a, units)))
MIX_KERNEL(mix_input_bwd_f32, vk_mix_input_bwd_args, (mix_input_bwd<float, 4>(a, units)))
MIX_KERNEL(mix_input_bwd_f32_scalar, vk_mix_input_bwd_args, (mix_input_bwd<float, 1>(a, units)))
MIX_KERNEL(mix_input_bwd_bf16, vk_mix_input_bwd_args, (mix_input_bwd<bf16, 8>(a, units)))
MIX_KERNEL(mix_input_bwd_bf16_scalar, vk_mix_input_bwd_args, (mix_input_bwd<bf16, 1>(a, units)))
MIX_KERNEL(mix_weight_fwd, vk_mix_weight_fwd_args, mix_weight_fwd<4>(a))
MIX_KERNEL(mix_weight_fwd_scalar, vk_mix_weight_fwd_args, mix_weight_fwd<1>(a))
MIX_KERNEL(mix_weight_bwd, vk_mix_weight_bwd_args, mix_weight_bwd<4>(a))
MIX_KERNEL(mix_weight_bwd_scalar, vk_mix_weight_bwd_args, mix_weight_bwd<1>(a))

// A warp a column of partial: rows lane, lane + 32, ... in double, then the lanes.
extern "C" __global__ void __launch_bounds__(2 * VK_MAX_BITS * 32) mix_reduce(const __grid_constant__ vk_mix_reduce_args a, int units) {
	const int column = threadIdx.x / 32, lane = threadIdx.x % 32, b = column % a.bits;
	if (column >= 2 * a.bits) return;
	const bool steps = column >= a.bits;
	float g = 0;
#pragma unroll
	for (int i = 0; i < VK_MAX_BITS; i++)
		if (i == b) g = a.g[i];
	const double factor = (double)*a.grad_scale * g;
	double sum = 0;
	for (int row = lane; row < a.rows; row += 32) {
		const float p = a.partial[(int64_t)row * 2 * a.bits + column];
		if (steps && a.per_row)
			a.dstep[(int64_t)b * a.rows + row] += (float)(factor * p);
		else
			sum += p;
	}
	sum = warp_sum(sum);
	if (lane > 0 || (steps && a.per_row)) return;
	if (steps)
		a.dstep[b] += (float)(factor * sum);
	else
		a.dz[b] += (float)sum;
}
