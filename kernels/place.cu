// A tensor as a box of a larger one: concatenation and padding.
#include "pixels.h"

// Goes over the places of the box or, where what is outside becomes 0, over all of y.
template <class T, int V> VK_DEVICE void place_fwd(const vk_place_args &a, int units) {
	const vk_act &walked = a.clear ? a.y : a.x;
	const int top = a.clear ? 0 : a.top, left = a.clear ? 0 : a.left, channel = a.clear ? 0 : a.channel; // of the first in y
	const image_part part = part_of(walked, units);
	const thread_place t = threads_on<V>(walked.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < walked.c; k += t.vectors * V) {
		for (pixel_walk at(t, part, walked.w); at.more(); at.next()) {
			const int p = at.p + top - a.top, q = at.q + left - a.left, c = k + channel - a.channel; // in x
			const bool inside = p >= 0 && p < a.x.h && q >= 0 && q < a.x.w && c >= 0 && c < a.x.c;
			const vec<V> v = inside ? load_vec<V>(act_image<T>(a.x, part.image) + place(a.x, p, q, c)) : vec_of<V>(0);
			store_vec(act_image<T>(a.y, part.image) + place(a.y, at.p + top, at.q + left, k + channel), v);
		}
	}
}

template <class T, int V> VK_DEVICE void place_bwd(const vk_place_args &a, int units) {
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.x.c; k += t.vectors * V) {
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next()) {
			T *dx = act_image<T>(a.x, part.image) + place(a.x, at.p, at.q, k);
			const vec<V> d = load_vec<V>(act_image<T>(a.y, part.image) + place(a.y, at.p + a.top, at.q + a.left, k + a.channel));
			store_vec(dx, accumulated(dx, d, a.accumulate));
		}
	}
}

#define PLACE_KERNEL(name, ...)                                                                                              \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ vk_place_args a, int units) {  \
		__VA_ARGS__(a, units);                                                                                              \
	}
PLACE_KERNEL(place_fwd_f32, place_fwd<float, 4>)
PLACE_KERNEL(place_fwd_f32_scalar, place_fwd<float, 1>)
PLACE_KERNEL(place_fwd_bf16, place_fwd<bf16, 8>)
PLACE_KERNEL(place_fwd_bf16_scalar, place_fwd<bf16, 1>)
PLACE_KERNEL(place_bwd_f32, place_bwd<float, 4>)
PLACE_KERNEL(place_bwd_f32_scalar, place_bwd<float, 1>)
PLACE_KERNEL(place_bwd_bf16, place_bwd<bf16, 8>)
PLACE_KERNEL(place_bwd_bf16_scalar, place_bwd<bf16, 1>)
