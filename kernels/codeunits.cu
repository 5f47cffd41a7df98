// Filters in units of their quantizers' steps: a block does filter blockIdx.x of candidate blockIdx.y.
#include "device.h"
#include "fakequant.h"

enum { CODE_BLOCK = 256 };

extern "C" __global__ void __launch_bounds__(CODE_BLOCK) to_code_units(const __grid_constant__ vk_code_units_args a, int) {
	__shared__ double scratch[CODE_BLOCK / 32];
	const int64_t at = (int64_t)blockIdx.y * a.k + blockIdx.x;
	const float step = a.step[at];
	const float *dw = a.dw + at * a.len;
	float *w = a.w + at * a.len;
	double sum = 0;
	for (int i = threadIdx.x; i < a.len; i += CODE_BLOCK) {
		sum += (double)w[i] * dw[i];
		w[i] /= step;
	}
	sum = block_sum(sum, scratch);
	if (threadIdx.x == 0) a.dstep[at] += (float)(a.g[blockIdx.y] * sum / step);
}

extern "C" __global__ void __launch_bounds__(CODE_BLOCK) from_code_units(const __grid_constant__ vk_code_units_args a, int) {
	const int64_t at = (int64_t)blockIdx.y * a.k + blockIdx.x;
	const float step = a.step[at];
	const vk_quant q = vk_quant_of(step, a.qmin[blockIdx.y], a.qmax[blockIdx.y]);
	float *w = a.w + at * a.len;
	for (int i = threadIdx.x; i < a.len; i += CODE_BLOCK) w[i] = vk_quant_clamp(w[i] * step, q);
}
