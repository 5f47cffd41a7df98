// Gates: a thread a gate or a candidate; what is summed over gates or layers, one thread adds in the host's order.
#include "gates.h"

extern "C" __global__ void __launch_bounds__(32) gate_sample(const __grid_constant__ vk_gate_sample_args a, int) {
	const int gate = blockIdx.x * blockDim.x + threadIdx.x;
	if (gate < a.gates) vk_gate_sample_row(&a, gate);
}

extern "C" __global__ void __launch_bounds__(32) gate_grad(const __grid_constant__ vk_gate_grad_args a, int) {
	const int gate = blockIdx.x * blockDim.x + threadIdx.x;
	if (gate < a.gates) vk_gate_grad_row(&a, gate);
}

// Layers whose products are in shared memory at a time; a thread a layer and candidate.
enum { COST_LAYERS = 32, COST_BLOCK = COST_LAYERS * VK_MAX_BITS };

struct cost_products {
	float pi[COST_BLOCK], row[COST_BLOCK], column[COST_BLOCK];
};

// Adds candidate i's part of some layers to dpi, in the order of the layers.
static __device__ void add_cost_slopes(const vk_cost_args &a, const cost_products &s, int first, int layers, int i) {
	const float weight = *a.weight;
	for (int l = 0; l < layers; l++) {
		const int gw = a.weight_gate[first + l], gx = a.input_gate[first + l];
		if (gw >= 0 && i < a.bits[gw]) {
			float *d = a.dpi + gw * VK_MAX_BITS + i;
			*d = fmaf(weight, s.row[l * VK_MAX_BITS + i], *d);
		}
		if (gx >= 0 && i < a.bits[gx]) {
			float *d = a.dpi + gx * VK_MAX_BITS + i;
			*d = fmaf(weight, s.column[l * VK_MAX_BITS + i], *d);
		}
	}
}

extern "C" __global__ void __launch_bounds__(COST_BLOCK) cost(const __grid_constant__ vk_cost_args a, int) {
	__shared__ cost_products s;
	const int l = threadIdx.x / VK_MAX_BITS, i = threadIdx.x % VK_MAX_BITS;
	double total = 0;
	for (int first = 0; first < a.layers; first += COST_LAYERS) {
		const int layers = min(a.layers - first, (int)COST_LAYERS), layer = first + l;
		if (l < layers) {
			const int gw = a.weight_gate[layer];
			const bool used = i < vk_cost_bits(&a, gw);
			s.pi[threadIdx.x] = used ? vk_cost_pi(&a, gw, i) : 0;
			s.row[threadIdx.x] = used ? vk_cost_row(&a, layer, i) : 0;
			s.column[threadIdx.x] = i < vk_cost_bits(&a, a.input_gate[layer]) ? vk_cost_column(&a, layer, i) : 0;
		}
		__syncthreads();
		// Unused candidates add 0 to the total.
		if (threadIdx.x == COST_BLOCK - 1)
			for (int j = 0; j < layers * VK_MAX_BITS; j++) total = fma((double)s.pi[j], (double)s.row[j], total);
		if (a.dpi && threadIdx.x < VK_MAX_BITS) add_cost_slopes(a, s, first, layers, threadIdx.x);
		__syncthreads();
	}
	if (threadIdx.x == COST_BLOCK - 1) *a.cost = (float)total;
}

extern "C" __global__ void cost_factor(const __grid_constant__ vk_cost_factor_args a, int) { *a.factor = vk_cost_factor_of(&a); }

extern "C" __global__ void cost_factor_grad(const __grid_constant__ vk_cost_factor_args a, int) { *a.weight = vk_cost_factor_slope(&a); }

enum { PRIOR_GATES = 64 }; // a thread each

// sum of p times x over the used candidates of some gates, in order.
static __device__ double prior_sum(const vk_prior_args &a, int first, int gates, const float *p, const float *x, double sum) {
	for (int g = 0; g < gates; g++)
		for (int i = g * VK_MAX_BITS; i < g * VK_MAX_BITS + a.bits[first + g]; i++) sum = fma((double)p[i], (double)x[i], sum);
	return sum;
}

extern "C" __global__ void __launch_bounds__(PRIOR_GATES) prior(const __grid_constant__ vk_prior_args a, int) {
	__shared__ float p[PRIOR_GATES * VK_MAX_BITS], logp[PRIOR_GATES * VK_MAX_BITS], ratio[PRIOR_GATES * VK_MAX_BITS];
	const float weight = *a.weight;
	double sum = 0; // thread 0: of p ln p; thread 32: of p times ratio
	for (int first = 0; first < a.gates; first += PRIOR_GATES) {
		const int gates = min(a.gates - first, (int)PRIOR_GATES), gate = first + threadIdx.x;
		if (gate < a.gates) {
			float row[VK_MAX_BITS] = {0};
			vk_prior_row(&a, gate, weight, row);
			VK_EACH_COLUMN(i, a.bits[gate]) {
				const int to = threadIdx.x * VK_MAX_BITS + i, from = gate * VK_MAX_BITS + i;
				p[to] = a.pi[from], logp[to] = a.logp[from], ratio[to] = row[i];
			}
		}
		__syncthreads();
		if (threadIdx.x == 0) sum = prior_sum(a, first, gates, p, logp, sum);
		if (threadIdx.x == 32) sum = prior_sum(a, first, gates, p, ratio, sum);
		__syncthreads();
	}
	if (threadIdx.x == 0) *a.entropy = (float)(0 - sum);
	if (threadIdx.x == 32) *a.value = a.prior == VK_PRIOR_NONE ? 0.0f : (float)sum;
}
