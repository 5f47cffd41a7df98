// Gates over pairs of weight and input bits: a thread a row of pairs.
#include "pairs.h"

extern "C" __global__ void __launch_bounds__(32) pair_marginals(const __grid_constant__ vk_pair_args a, int) {
	const int row = blockIdx.x * blockDim.x + threadIdx.x;
	if (row < a.rows) vk_pair_marginals_row(&a, row);
}

extern "C" __global__ void __launch_bounds__(32) pair_marginals_grad(const __grid_constant__ vk_pair_args a, int) {
	const int row = blockIdx.x * blockDim.x + threadIdx.x;
	if (row < a.rows) vk_pair_marginals_grad_row(&a, row);
}
