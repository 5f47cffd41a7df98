// Crop, flip and normalisation: a thread a value, neighbours beside each other in memory; grid.y is the image.
#include "augment.h"
#include "device.h"

template <class T> static __device__ __forceinline__ void augment(const vk_augment_args &a) {
	const int h = a.x.h, w = a.x.w, c = a.x.c, image = blockIdx.y;
	const int at = blockIdx.x * blockDim.x + threadIdx.x;
	if (at >= h * w * c) return;
	const int pixel = at / c, k = at - pixel * c, p = pixel / w, q = pixel - p * w;
	const int64_t from = vk_source_pixel(a.draw + 3 * (int64_t)image, h, w, p, q);
	const uint8_t value = from >= 0 ? a.pixels[((int64_t)image * h * w + from) * c + k] : 0;
	store(act_image<T>(a.x, image) + p * act_row(a.x) + q * c + k, vk_normalized(value, a.mean[k], a.std[k]));
}

extern "C" __global__ void __launch_bounds__(256) augment_f32(const __grid_constant__ vk_augment_args a, int) { augment<float>(a); }
extern "C" __global__ void __launch_bounds__(256) augment_bf16(const __grid_constant__ vk_augment_args a, int) { augment<bf16>(a); }
