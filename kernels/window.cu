// Maximum and average over windows, in the host's order.
#include "pixels.h"
#include "window.h"

// The pixels of a window, and the divisor of an average.
struct window_at {
	vk_span p, q;
	float count;
};

VK_DEVICE window_at find_window(const vk_window &w, const vk_act &x, int p, int q) {
	window_at at = {vk_window_span(p, w.stride, w.pad_top, w.r, x.h), vk_window_span(q, w.stride, w.pad_left, w.s, x.w), (float)w.r * (float)w.s};
	if (!w.count_pad) at.count = (float)(at.p.to - at.p.from) * (float)(at.q.to - at.q.from);
	return at;
}

template <class T, int V> VK_DEVICE vec<V> window_max(const T *x, const vk_act &t, const window_at &at) {
	vec<V> best = vec_of<V>(-INFINITY);
	for (int p = at.p.from; p < at.p.to; p++)
		for (int q = at.q.from; q < at.q.to; q++) {
			const vec<V> v = load_vec<V>(x + place(t, p, q, 0));
#pragma unroll
			for (int j = 0; j < V; j++) best.v[j] = vk_window_takes(v.v[j], best.v[j]) ? v.v[j] : best.v[j];
		}
	return best;
}

template <class T, int V> VK_DEVICE vec<V> window_mean(const T *x, const vk_act &t, const window_at &at) {
	vec<V> sum = vec_of<V>(0);
	for (int p = at.p.from; p < at.p.to; p++)
		for (int q = at.q.from; q < at.q.to; q++) {
			const vec<V> v = load_vec<V>(x + place(t, p, q, 0));
#pragma unroll
			for (int j = 0; j < V; j++) sum.v[j] += v.v[j];
		}
#pragma unroll
	for (int j = 0; j < V; j++) sum.v[j] /= at.count;
	return sum;
}

template <class T, int V> VK_DEVICE void window_fwd(const vk_window_fwd_args &a, int units) {
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.y.c; k += t.vectors * V) {
		const T *x = act_image<T>(a.x, part.image) + k;
		for (pixel_walk y(t, part, a.y.w); y.more(); y.next()) {
			const window_at at = find_window(a.w, a.x, y.p, y.q);
			store_vec(act_image<T>(a.y, part.image) + place(a.y, y.p, y.q, k), a.w.is_max ? window_max<T, V>(x, a.x, at) : window_mean<T, V>(x, a.x, at));
		}
	}
}

// Adds dy where pixel `own` of the window is its maximum.
template <class T, int V> VK_DEVICE void add_if_maximum(vec<V> &d, const vec<V> &dy, const T *x, const vk_act &t, const window_at &at, int own) {
	vec<V> best = vec_of<V>(-INFINITY);
	int place_of[V];
#pragma unroll
	for (int j = 0; j < V; j++) place_of[j] = place(t, at.p.from, at.q.from, 0);
	for (int p = at.p.from; p < at.p.to; p++)
		for (int q = at.q.from; q < at.q.to; q++) {
			const int here = place(t, p, q, 0);
			const vec<V> v = load_vec<V>(x + here);
#pragma unroll
			for (int j = 0; j < V; j++) {
				const bool takes = vk_window_takes(v.v[j], best.v[j]);
				best.v[j] = takes ? v.v[j] : best.v[j];
				place_of[j] = takes ? here : place_of[j];
			}
		}
#pragma unroll
	for (int j = 0; j < V; j++)
		if (place_of[j] == own) d.v[j] += dy.v[j];
}

template <class T, int V> VK_DEVICE void window_bwd(const vk_window_bwd_args &a, int units) {
	const image_part part = part_of(a.dx, units);
	const thread_place t = threads_on<V>(a.dx.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.dx.c; k += t.vectors * V) {
		const T *x = act_image<T>(a.x, part.image) + k;
		for (pixel_walk own(t, part, a.dx.w); own.more(); own.next()) {
			T *dx = act_image<T>(a.dx, part.image) + place(a.dx, own.p, own.q, k);
			vec<V> d = a.accumulate ? load_vec<V>(dx) : vec_of<V>(0);
			const vk_span rows = vk_windows_of(own.p, a.w.stride, a.w.pad_top, a.w.r, a.dy.h), cols = vk_windows_of(own.q, a.w.stride, a.w.pad_left, a.w.s, a.dy.w);
			for (int p = rows.from; p < rows.to; p++)
				for (int q = cols.from; q < cols.to; q++) {
					const vec<V> dy = load_vec<V>(act_image<T>(a.dy, part.image) + place(a.dy, p, q, k));
					const window_at at = find_window(a.w, a.dx, p, q);
					if (a.w.is_max) {
						add_if_maximum(d, dy, x, a.x, at, place(a.x, own.p, own.q, 0));
						continue;
					}
#pragma unroll
					for (int j = 0; j < V; j++) d.v[j] += dy.v[j] / at.count;
				}
			store_vec(dx, d);
		}
	}
}

#define WINDOW_KERNEL(name, args, ...)                                                                              \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ args a, int units) {  \
		__VA_ARGS__(a, units);                                                                                     \
	}
WINDOW_KERNEL(window_fwd_f32, vk_window_fwd_args, window_fwd<float, 4>)
WINDOW_KERNEL(window_fwd_f32_scalar, vk_window_fwd_args, window_fwd<float, 1>)
WINDOW_KERNEL(window_fwd_bf16, vk_window_fwd_args, window_fwd<bf16, 8>)
WINDOW_KERNEL(window_fwd_bf16_scalar, vk_window_fwd_args, window_fwd<bf16, 1>)
WINDOW_KERNEL(window_bwd_f32, vk_window_bwd_args, window_bwd<float, 4>)
WINDOW_KERNEL(window_bwd_f32_scalar, vk_window_bwd_args, window_bwd<float, 1>)
WINDOW_KERNEL(window_bwd_bf16, vk_window_bwd_args, window_bwd<bf16, 8>)
WINDOW_KERNEL(window_bwd_bf16_scalar, vk_window_bwd_args, window_bwd<bf16, 1>)
