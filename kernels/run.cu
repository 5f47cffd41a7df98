// Zero: a thread four neighbouring floats.
#include "device.h"

extern "C" __global__ void __launch_bounds__(256) zero(const __grid_constant__ vk_zero_args a, int) {
	const int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
	if ((uint64_t)a.p % 16 == 0 && at + 4 <= a.len) {
		const float zeros[4] = {0};
		store16(a.p + at, zeros);
		return;
	}
	for (int64_t i = at; i < min(at + 4, a.len); i++) a.p[i] = 0;
}
