// What every device must reproduce bit for bit, for tests: a thread a unit.
#include "elementary.h"
#include "kernels.h"
#include "philox.h"

extern "C" __global__ void elementary(const __grid_constant__ vk_elementary_args a, int units) {
	const int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < units) a.y[i] = a.op == VK_EXP ? vk_expf(a.x[i]) : a.op == VK_LOG ? vk_logf(a.x[i]) : vk_tanhf(a.x[i]);
}

extern "C" __global__ void philox(const __grid_constant__ vk_philox_args a, int units) {
	const int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i >= units) return;
	const uint32_t counter[4] = {a.counter[0] + (uint32_t)i, a.counter[1], a.counter[2], a.counter[3]};
	uint32_t words[4];
	vk_philox4x32(counter, a.key, words);
	reinterpret_cast<uint4 *>(a.out)[i] = make_uint4(words[0], words[1], words[2], words[3]);
}
