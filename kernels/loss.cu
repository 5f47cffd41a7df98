// Softmax cross-entropy, a warp an image; sums over rows, a thread a column. Both add in the host's order.
#include "device.h"
#include "loss.h"

enum { WARP = 32, LOSS_WARPS = 4, COLUMNS = 128 };

struct peak {
	float value;
	int at;
};

// The larger, the first of equals.
static __device__ __forceinline__ peak larger(peak a, peak b) {
	return b.value > a.value || (b.value == a.value && b.at < a.at) ? b : a;
}

// The first of the largest of c logits, NaN left out but for a NaN in front, which stays.
static __device__ peak largest(const float *x, int c, int lane) {
	peak best = {-INFINITY, c};
	for (int j = lane; j < c; j += WARP)
		if (x[j] == x[j]) best = larger(best, {x[j], j});
#pragma unroll
	for (int other = WARP / 2; other > 0; other /= 2)
		best = larger(best, {__shfl_xor_sync(~0u, best.value, other), __shfl_xor_sync(~0u, best.at, other)});
	return x[0] == x[0] ? best : peak{x[0], 0};
}

// sum exp(x - top), in order.
static __device__ float sum_exp(const float *x, int c, float top, int lane) {
	float sum = 0;
	for (int from = 0; from < c; from += WARP) {
		const float e = from + lane < c ? vk_expf(x[from + lane] - top) : 0;
#pragma unroll
		for (int j = 0; j < WARP; j++) sum += __shfl_sync(~0u, e, j);
	}
	return sum;
}

extern "C" __global__ void __launch_bounds__(WARP * LOSS_WARPS) softmax_cross_entropy(const __grid_constant__ vk_loss_args a, int units) {
	const int lane = threadIdx.x % WARP, i = blockIdx.x * LOSS_WARPS + threadIdx.x / WARP, c = a.logits.c;
	if (i >= units) return;
	const float *x = act_image<float>(a.logits, i), scale = a.scale ? *a.scale : 1;
	const int label = a.labels[i];
	const peak top = largest(x, c, lane);
	const float sum = sum_exp(x, c, top.value, lane);
	if (lane == 0) {
		a.partial[2 * (int64_t)i] = vk_cross_entropy(x, c, label, top.value, sum);
		a.partial[2 * (int64_t)i + 1] = top.at == label;
	}
	if (!a.dlogits.p) return;
	float *dx = act_image<float>(a.dlogits, i);
	for (int j = lane; j < c; j += WARP) dx[j] = vk_cross_entropy_grad(x[j], top.value, sum, j == label, scale, a.n);
}

extern "C" __global__ void __launch_bounds__(COLUMNS) sum_rows(const __grid_constant__ vk_sum_rows_args a, int) {
	const int j = blockIdx.x * COLUMNS + threadIdx.x;
	if (j >= a.cols) return;
	const double scale = a.scale ? *a.scale : 1;
	double sum = 0;
#pragma unroll 8
	for (int row = 0; row < a.rows; row++) sum += a.in[(int64_t)row * a.cols + j];
	const float s = (float)(scale * sum);
	a.out[j] = a.accumulate ? a.out[j] + s : s;
}
