// Hard-concrete gates in a nest: a thread a row; one thread adds the rows' penalties in the host's order.
#include "hardconcrete.h"

extern "C" __global__ void __launch_bounds__(32) hard_concrete(const __grid_constant__ vk_hard_concrete_args a, int) {
	const int gate = blockIdx.x * blockDim.x + threadIdx.x;
	if (gate < a.gates) vk_hard_concrete_row(&a, gate);
}

enum { GRAD_ROWS = 64 }; // a thread each

extern "C" __global__ void __launch_bounds__(GRAD_ROWS) hard_concrete_grad(const __grid_constant__ vk_hard_concrete_grad_args a, int) {
	__shared__ float penalty[GRAD_ROWS];
	const float mu = *a.mu;
	double total = 0;
	for (int first = 0; first < a.gates; first += GRAD_ROWS) {
		const int rows = min(a.gates - first, (int)GRAD_ROWS), gate = first + threadIdx.x;
		if (gate < a.gates) penalty[threadIdx.x] = vk_hard_concrete_grad_row(&a, gate, mu);
		__syncthreads();
		for (int g = 0; threadIdx.x == 0 && g < rows; g++) total += penalty[g];
		__syncthreads();
	}
	if (threadIdx.x == 0) *a.penalty = (float)total;
}

// A block a layer; one thread adds the lanes in the host's order.
extern "C" __global__ void __launch_bounds__(VK_CHANNEL_LANES) channel_gates(const __grid_constant__ vk_channel_gates_args a, int) {
	__shared__ double open[VK_CHANNEL_LANES];
	open[threadIdx.x] = vk_channel_gates_lane(&a, blockIdx.x, threadIdx.x);
	__syncthreads();
	if (threadIdx.x > 0) return;
	double sum = 0;
	for (int lane = 0; lane < VK_CHANNEL_LANES; lane++) sum += open[lane];
	vk_channel_gates_cost(&a, blockIdx.x, sum);
}

extern "C" __global__ void __launch_bounds__(VK_CHANNEL_LANES) channel_gates_grad(const __grid_constant__ vk_channel_gates_grad_args a, int) {
	vk_channel_gates_grad_lane(&a, blockIdx.x, threadIdx.x);
}
