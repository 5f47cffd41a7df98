// Depth to space: a thread a value of what is written, grid.y the image.
#include "pixels.h"

struct value_place {
	int p, q, k;
};

VK_DEVICE value_place value_at(const vk_act &t, int at) {
	const int row = t.w * t.c, p = at / row, rest = at - p * row, q = rest / t.c;
	return {p, q, rest - q * t.c};
}

template <class T> VK_DEVICE void shuffle_fwd(const vk_shuffle_args &a) {
	const value_place y = value_at(a.y, blockIdx.x * blockDim.x + threadIdx.x);
	if (y.p >= a.y.h) return;
	const int b = a.block, p = y.p / b, q = y.q / b, of_block = (y.p - p * b) * b + y.q - q * b;
	const int k = a.dcr ? of_block * a.y.c + y.k : y.k * b * b + of_block;
	store(act_image<T>(a.y, blockIdx.y) + place(a.y, y.p, y.q, y.k), load(act_image<T>(a.x, blockIdx.y) + place(a.x, p, q, k)));
}

template <class T> VK_DEVICE void shuffle_bwd(const vk_shuffle_args &a) {
	const value_place x = value_at(a.x, blockIdx.x * blockDim.x + threadIdx.x);
	if (x.p >= a.x.h) return;
	const int b = a.block, of_block = a.dcr ? x.k / a.y.c : x.k % (b * b), k = a.dcr ? x.k % a.y.c : x.k / (b * b);
	const int p = x.p * b + of_block / b, q = x.q * b + of_block % b;
	T *dx = act_image<T>(a.x, blockIdx.y) + place(a.x, x.p, x.q, x.k);
	const float d = load(act_image<T>(a.y, blockIdx.y) + place(a.y, p, q, k));
	store(dx, a.accumulate ? load(dx) + d : d);
}

#define SHUFFLE_KERNEL(name, ...) \
	extern "C" __global__ void __launch_bounds__(256) name(const __grid_constant__ vk_shuffle_args a, int) { __VA_ARGS__(a); }
SHUFFLE_KERNEL(shuffle_fwd_f32, shuffle_fwd<float>)
SHUFFLE_KERNEL(shuffle_fwd_bf16, shuffle_fwd<bf16>)
SHUFFLE_KERNEL(shuffle_bwd_f32, shuffle_bwd<float>)
SHUFFLE_KERNEL(shuffle_bwd_bf16, shuffle_bwd<bf16>)
