// Norm, shortcut, relu and input mixes in one pass: kernels.h, vk_unit_args. A block does a part of an image.
#include "mix.h"

VK_DEVICE void prepare_mixes(mix_candidates (&s)[VK_UNIT_MIXES], const vk_unit_args &a) {
#pragma unroll
	for (int m = 0; m < VK_UNIT_MIXES; m++)
		if (a.mix[m].xq.p) mix_prepare(s[m], a.mix[m].m, 1, 0, 32 * m);
	__syncthreads();
}

// scale and shift of V channels.
template <int V> struct affine {
	vec<V> scale, shift;
};

template <int V> VK_DEVICE affine<V> affine_of(const vk_unit_args &a, int k) {
	if (!a.scale) return {vec_of<V>(1), vec_of<V>(0)};
	return {load_vec<V>(a.scale + k), load_vec<V>(a.shift + k)};
}

// The shortcut's value that belongs to channel k of pixel (p, q), or null. Its channels are apart by multiples of V.
template <class T> VK_DEVICE T *shortcut_at(const vk_shortcut &s, int image, int p, int q, int k) {
	k -= s.offset;
	if (!s.t.p || k < 0 || k >= s.t.c) return nullptr;
	return act_image<T>(s.t, image) + place(s.t, p * s.stride, q * s.stride, k);
}

// act(scale*y + shift + shortcut), rounded to storage.
template <class T, int V> VK_DEVICE vec<V> activation(const vk_unit_args &a, const affine<V> &f, const vec<V> &y, int image, int p, int q, int k) {
	vec<V> v;
#pragma unroll
	for (int j = 0; j < V; j++) v.v[j] = fmaf(f.scale.v[j], y.v[j], f.shift.v[j]);
	if (const T *t = shortcut_at<T>(a.shortcut, image, p, q, k)) {
		const vec<V> more = load_vec<V>(t);
#pragma unroll
		for (int j = 0; j < V; j++) v.v[j] += more.v[j];
	}
	if (a.relu) {
#pragma unroll
		for (int j = 0; j < V; j++) v.v[j] = 0 > v.v[j] ? 0 : v.v[j]; // NaN stays NaN
	}
	if (a.cap > 0) {
#pragma unroll
		for (int j = 0; j < V; j++) v.v[j] = a.cap < v.v[j] ? a.cap : v.v[j];
	}
	return rounded<T>(v);
}

template <class T, int V> VK_DEVICE void unit_fwd(const vk_unit_args &a, int units) {
	__shared__ mix_candidates mixes[VK_UNIT_MIXES];
	prepare_mixes(mixes, a);
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.y.c; k += t.vectors * V) {
		const affine<V> f = affine_of<V>(a, k);
		for (pixel_walk x(t, part, a.y.w); x.more(); x.next()) {
			const vec<V> y = load_vec<V>(act_image<T>(a.y, part.image) + place(a.y, x.p, x.q, k));
			const vec<V> v = activation<T>(a, f, y, part.image, x.p, x.q, k);
			if (a.a.p) store_vec(act_image<T>(a.a, part.image) + place(a.a, x.p, x.q, k), v);
#pragma unroll
			for (int m = 0; m < VK_UNIT_MIXES; m++) {
				const vk_act &xq = a.mix[m].xq;
				if (xq.p) store_vec(act_image<T>(xq, part.image) + place(xq, x.p, x.q, k), mix_forward(mixes[m], a.mix[m].m.bits, v));
			}
		}
	}
}

// The gradient d in front of the relu, the last mix's part first; adds to the sums of the first MIXES mixes.
template <class T, int V, bool SUMS, int MIXES>
VK_DEVICE vec<V> gradient(const vk_unit_args &a, const mix_candidates *mixes, const affine<V> &f, const vec<V> &y, int image, int p, int q, int k,
                          mix_sums (&sums)[MIXES]) {
	const vec<V> v = activation<T>(a, f, y, image, p, q, k);
	vec<V> g = vec_of<V>(-0.0f);
	if (a.da.p) g = load_vec<V>(act_image<T>(a.da, image) + place(a.da, p, q, k));
#pragma unroll
	for (int m = MIXES - 1; m >= 0; m--) {
		const vk_act &dxq = a.mix[m].xq;
		if (dxq.p) mix_backward<SUMS>(mixes[m], a.mix[m].m.bits, v, load_vec<V>(act_image<T>(dxq, image) + place(dxq, p, q, k)), g, sums[m]);
	}
	if (a.relu) {
#pragma unroll
		for (int j = 0; j < V; j++) g.v[j] = v.v[j] > 0 ? g.v[j] : 0;
	}
	if (a.cap > 0) {
#pragma unroll
		for (int j = 0; j < V; j++) g.v[j] = v.v[j] < a.cap ? g.v[j] : 0;
	}
	return g;
}

template <class T, int V> VK_DEVICE void give_shortcut(const vk_unit_args &a, vec<V> d, int image, int p, int q, int k) {
	T *t = shortcut_at<T>(a.dshortcut, image, p, q, k);
	if (!t) return;
	if (a.shortcut_accumulate) {
		const vec<V> before = load_vec<V>(t);
#pragma unroll
		for (int j = 0; j < V; j++) d.v[j] = before.v[j] + d.v[j];
	}
	store_vec(t, d);
}

// Zeroes what of dshortcut this part's d does not reach: rows p*stride to the next part's first.
template <class T, int V> VK_DEVICE void clear_shortcut(const vk_unit_args &a, const image_part &part) {
	const vk_shortcut &s = a.dshortcut;
	if (!s.t.p || a.shortcut_accumulate || (s.stride == 1 && s.offset >= 0 && s.t.c + s.offset <= a.y.c)) return;
	const int first = part.row * s.stride, last = part.row + part.rows;
	const image_part rows = {part.image, first, (last == a.y.h ? s.t.h : last * s.stride) - first};
	const thread_place t = threads_on<V>(s.t.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < s.t.c; k += t.vectors * V) {
		const bool channel = k + s.offset >= 0 && k + s.offset < a.y.c;
		for (pixel_walk x(t, rows, s.t.w); x.more(); x.next()) {
			const int p = x.p / s.stride, q = x.q / s.stride;
			if (channel && p * s.stride == x.p && q * s.stride == x.q && p < a.y.h && q < a.y.w) continue;
			store_vec(act_image<T>(s.t, part.image) + place(s.t, x.p, x.q, k), vec_of<V>(0));
		}
	}
}

// Writes the norm's row of this block for V channels from k on.
template <int V> VK_DEVICE void write_norm_sums(const vk_unit_args &a, float (&s)[2 * V], const thread_place &t, int k, float *buffer) {
	sum_pixels(s, t, buffer);
	if (t.pixel > 0 || k >= a.y.c) return;
	float *row = a.partial + (int64_t)blockIdx.x * 2 * a.y.c + k;
#pragma unroll
	for (int j = 0; j < V; j++) {
		row[j] = s[j];
		row[a.y.c + j] = s[V + j] * a.inv[k + j];
	}
}

template <class T, int V, int MIXES> VK_DEVICE void unit_bwd_reduce(const vk_unit_args &a, int units) {
	__shared__ mix_candidates mixes[VK_UNIT_MIXES];
	__shared__ float buffer[2 * V * PIXEL_BLOCK];
	__shared__ float mix_buffer[MIXES][MIX_WARPS * 2 * VK_MAX_BITS];
	prepare_mixes(mixes, a);
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	clear_shortcut<T, V>(a, part);
	mix_sums sums[MIXES];
#pragma unroll
	for (int m = 0; m < MIXES; m++) sums[m] = no_sums();
	for (int base = 0; base < a.y.c; base += t.vectors * V) {
		const int k = base + t.vector * V;
		float s[2 * V];
#pragma unroll
		for (int j = 0; j < 2 * V; j++) s[j] = 0;
		if (t.pixel < t.pixels && k < a.y.c) {
			const affine<V> f = affine_of<V>(a, k);
			const vec<V> mean = a.partial ? load_vec<V>(a.mean + k) : vec_of<V>(0);
			for (pixel_walk x(t, part, a.y.w); x.more(); x.next()) {
				const vec<V> y = load_vec<V>(act_image<T>(a.y, part.image) + place(a.y, x.p, x.q, k));
				const vec<V> d = gradient<T, V, true>(a, mixes, f, y, part.image, x.p, x.q, k, sums);
				give_shortcut<T>(a, d, part.image, x.p, x.q, k);
#pragma unroll
				for (int j = 0; j < V; j++) {
					s[j] += d.v[j];
					s[V + j] = fmaf(d.v[j], y.v[j] - mean.v[j], s[V + j]);
				}
			}
		}
		if (a.partial) write_norm_sums<V>(a, s, t, k, buffer);
	}
#pragma unroll
	for (int m = 0; m < MIXES; m++)
		if (a.mix[m].xq.p && a.mix[m].partial && a.mix[m].m.bits)
			mix_write_sums(mixes[m], a.mix[m].m.bits, sums[m], mix_buffer[m], a.mix[m].partial + (int64_t)blockIdx.x * 2 * a.mix[m].m.bits);
}

// A*d + B*y + C, or without a norm d.
template <int V> VK_DEVICE vec<V> norm_gradient(const vk_unit_args &a, const vec<V> (&coef)[3], const vec<V> &d, const vec<V> &y, const vec<V> &before) {
	vec<V> dy;
#pragma unroll
	for (int j = 0; j < V; j++)
		dy.v[j] = a.coef ? fmaf(coef[0].v[j], d.v[j], fmaf(coef[1].v[j], y.v[j], coef[2].v[j])) : before.v[j] + d.v[j];
	return dy;
}

template <class T, int V> VK_DEVICE void unit_bwd_apply(const vk_unit_args &a, int units) {
	__shared__ mix_candidates mixes[VK_UNIT_MIXES];
	prepare_mixes(mixes, a);
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	if (t.pixel >= t.pixels) return;
	mix_sums none[VK_UNIT_MIXES];
	for (int k = t.vector * V; k < a.y.c; k += t.vectors * V) {
		const affine<V> f = affine_of<V>(a, k);
		vec<V> coef[3];
#pragma unroll
		for (int i = 0; i < 3; i++) coef[i] = a.coef ? load_vec<V>(a.coef + i * a.y.c + k) : vec_of<V>(0);
		for (pixel_walk x(t, part, a.y.w); x.more(); x.next()) {
			const vec<V> y = load_vec<V>(act_image<T>(a.y, part.image) + place(a.y, x.p, x.q, k));
			const vec<V> d = gradient<T, V, false>(a, mixes, f, y, part.image, x.p, x.q, k, none);
			T *dy = act_image<T>(a.dy, part.image) + place(a.dy, x.p, x.q, k);
			store_vec(dy, norm_gradient<V>(a, coef, d, y, a.accumulate ? load_vec<V>(dy) : vec_of<V>(0)));
		}
	}
}

#define UNIT_KERNEL(blocks, name, ...)                                      \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, blocks)       \
	name(const __grid_constant__ vk_unit_args a, int units) {               \
		__VA_ARGS__(a, units);                                              \
	}
UNIT_KERNEL(2, unit_fwd_f32, unit_fwd<float, 4>)
UNIT_KERNEL(2, unit_fwd_f32_scalar, unit_fwd<float, 1>)
UNIT_KERNEL(2, unit_fwd_bf16, unit_fwd<bf16, 8>)
UNIT_KERNEL(2, unit_fwd_bf16_scalar, unit_fwd<bf16, 1>)
UNIT_KERNEL(2, unit_bwd_reduce_f32, unit_bwd_reduce<float, 4, 1>)
UNIT_KERNEL(2, unit_bwd_reduce_f32_scalar, unit_bwd_reduce<float, 1, 1>)
UNIT_KERNEL(1, unit_bwd_reduce_bf16, unit_bwd_reduce<bf16, 8, 1>) // sm_120 needs more than half of the registers
UNIT_KERNEL(2, unit_bwd_reduce_bf16_scalar, unit_bwd_reduce<bf16, 1, 1>)
UNIT_KERNEL(2, unit_bwd_reduce2_f32, unit_bwd_reduce<float, 4, 2>)
UNIT_KERNEL(2, unit_bwd_reduce2_f32_scalar, unit_bwd_reduce<float, 1, 2>)
UNIT_KERNEL(2, unit_bwd_reduce2_bf16, unit_bwd_reduce<bf16, 4, 2>) // 8 would need too many registers
UNIT_KERNEL(2, unit_bwd_reduce2_bf16_scalar, unit_bwd_reduce<bf16, 1, 2>)
UNIT_KERNEL(2, unit_bwd_apply_f32, unit_bwd_apply<float, 4>)
UNIT_KERNEL(2, unit_bwd_apply_f32_scalar, unit_bwd_apply<float, 1>)
UNIT_KERNEL(2, unit_bwd_apply_bf16, unit_bwd_apply<bf16, 8>)
UNIT_KERNEL(2, unit_bwd_apply_bf16_scalar, unit_bwd_apply<bf16, 1>)
