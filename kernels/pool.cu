// Global average pooling: pixels are added in the host's order.
#include "pixels.h"

// A thread a channel of an image.
template <class T> VK_DEVICE void avgpool_fwd(const vk_pool_args &a, int units) {
	const int c = a.x.c, i = blockIdx.x * PIXEL_BLOCK + threadIdx.x, image = i / c, k = i - image * c;
	if (image >= units) return;
	const T *x = act_image<T>(a.x, image) + k;
	float sum = 0;
	for (int p = 0; p < a.x.h; p++)
		for (int q = 0; q < a.x.w; q++) sum += load(x + place(a.x, p, q, 0));
	store(act_image<T>(a.y, image) + k, sum / ((float)a.x.h * (float)a.x.w));
}

template <class T, int V> VK_DEVICE void avgpool_bwd(const vk_pool_args &a, int units) {
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	if (t.pixel >= t.pixels) return;
	const float count = (float)a.x.h * (float)a.x.w;
	T *dx = act_image<T>(a.x, part.image);
	for (int k = t.vector * V; k < a.x.c; k += t.vectors * V) {
		vec<V> dy;
#pragma unroll
		for (int j = 0; j < V; j++) dy.v[j] = load(act_image<T>(a.y, part.image) + k + j) / count;
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next()) {
			T *to = dx + place(a.x, at.p, at.q, k);
			vec<V> d = dy;
			if (a.accumulate) {
				const vec<V> before = load_vec<V>(to);
#pragma unroll
				for (int j = 0; j < V; j++) d.v[j] = before.v[j] + d.v[j];
			}
			store_vec(to, d);
		}
	}
}

#define POOL_KERNEL(name, ...)                                                                                                   \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ vk_pool_args a, int units) {          \
		__VA_ARGS__(a, units);                                                                                                   \
	}
POOL_KERNEL(avgpool_fwd_f32, avgpool_fwd<float>)
POOL_KERNEL(avgpool_fwd_bf16, avgpool_fwd<bf16>)
POOL_KERNEL(avgpool_bwd_f32, avgpool_bwd<float, 4>)
POOL_KERNEL(avgpool_bwd_f32_scalar, avgpool_bwd<float, 1>)
POOL_KERNEL(avgpool_bwd_bf16, avgpool_bwd<bf16, 8>)
POOL_KERNEL(avgpool_bwd_bf16_scalar, avgpool_bwd<bf16, 1>)
