// bf16 activations from and to dense float32: a thread a value, grid.y the image.
#include "device.h"

// Where value `at` of an image lies inside its border; false beyond the last.
static __device__ __forceinline__ bool act_place(const vk_act &t, int at, int &place) {
	const int row = t.w * t.c, p = at / row;
	place = p * act_row(t) + at - p * row;
	return p < t.h;
}

extern "C" __global__ void __launch_bounds__(256) act_load(const __grid_constant__ vk_act_copy_args a, int) {
	const int at = blockIdx.x * blockDim.x + threadIdx.x, image = blockIdx.y;
	int place;
	if (!act_place(a.act, at, place)) return;
	store(act_image<bf16>(a.act, image) + place, a.dense[(int64_t)image * a.act.h * a.act.w * a.act.c + at]);
}

extern "C" __global__ void __launch_bounds__(256) act_store(const __grid_constant__ vk_act_copy_args a, int) {
	const int at = blockIdx.x * blockDim.x + threadIdx.x, image = blockIdx.y;
	int place;
	if (!act_place(a.act, at, place)) return;
	a.dense[(int64_t)image * a.act.h * a.act.w * a.act.c + at] = load(act_image<bf16>(a.act, image) + place);
}
