// Another size by taps in rows and columns, in the host's order.
#include "pixels.h"

// sum += weight * v
template <int V> VK_DEVICE void add_weighted(vec<V> &sum, float weight, const vec<V> &v) {
#pragma unroll
	for (int j = 0; j < V; j++) sum.v[j] = fmaf(weight, v.v[j], sum.v[j]);
}

template <class T, int V> VK_DEVICE vec<V> resample_pixel(const vk_resample_args &a, const T *x, int p, int q) {
	const int64_t row = (int64_t)p * a.rows.taps, col = (int64_t)q * a.cols.taps;
	vec<V> sum = vec_of<V>(-0.0f);
	for (int i = 0; i < a.rows.taps && a.rows.at[row + i] >= 0; i++) {
		vec<V> line = vec_of<V>(-0.0f);
		for (int j = 0; j < a.cols.taps && a.cols.at[col + j] >= 0; j++)
			add_weighted(line, a.cols.weight[col + j], load_vec<V>(x + place(a.x, a.rows.at[row + i], a.cols.at[col + j], 0)));
		add_weighted(sum, a.rows.weight[row + i], line);
	}
	return sum;
}

template <class T, int V> VK_DEVICE void resample(const vk_resample_args &a, int units) {
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.y.c; k += t.vectors * V) {
		const T *x = act_image<T>(a.x, part.image) + k;
		for (pixel_walk at(t, part, a.y.w); at.more(); at.next()) {
			T *y = act_image<T>(a.y, part.image) + place(a.y, at.p, at.q, k);
			store_vec(y, accumulated(y, resample_pixel<T, V>(a, x, at.p, at.q), a.accumulate));
		}
	}
}

#define RESAMPLE_KERNEL(name, ...)                                                                                              \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ vk_resample_args a, int units) {  \
		__VA_ARGS__(a, units);                                                                                                 \
	}
RESAMPLE_KERNEL(resample_f32, resample<float, 4>)
RESAMPLE_KERNEL(resample_f32_scalar, resample<float, 1>)
RESAMPLE_KERNEL(resample_bf16, resample<bf16, 8>)
RESAMPLE_KERNEL(resample_bf16_scalar, resample<bf16, 1>)
