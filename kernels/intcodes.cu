// Codes of inputs and of filters for a child's integer arithmetic: kernels.h says what each op does.
#include "mix.h"

// The child's option at a gate that mix_prepare read: its first candidate with z != 0; -1 where there is none.
VK_DEVICE int child_option(const mix_candidates &s, int bits) {
	for (int b = 0; b < bits; b++)
		if (s.c[b].z != 0) return b;
	return -1;
}

// NaN has code 0: so converts __float2int_rn.
VK_DEVICE int code_of(float x, const vk_quant &q) { return __float2int_rn(vk_quant_code(x, q)); }

template <int V> VK_DEVICE void store_codes(uint8_t *p, const vec<V> &x, const vk_quant &q) {
	if constexpr (V == 1) {
		*p = (uint8_t)code_of(x.v[0], q);
	} else {
		uint32_t word = 0;
#pragma unroll
		for (int j = 0; j < 4; j++) word |= (uint32_t)(code_of(x.v[j], q) & 255) << (8 * j);
		*reinterpret_cast<uint32_t *>(p) = word;
	}
}

VK_DEVICE vk_quant no_quant() { return {1, 1, 0, 0}; } // every code is 0

// A block does a run of rows of pixels, each contiguous in both tensors.
template <int V> VK_DEVICE void input_codes(const vk_input_codes_args &a, int units) {
	__shared__ mix_candidates mix;
	mix_prepare(mix, a.m, 1, 0, 0);
	__syncthreads();
	const int option = child_option(mix, a.m.bits);
	const vk_quant q = option < 0 ? no_quant() : read_candidate(mix, option).q;
	const int all = units * a.x.h, rows = (all + gridDim.x - 1) / gridDim.x, first = blockIdx.x * rows;
	const int width = a.x.w * a.x.c / V, count = min(rows, all - first) * width;
	const vk_codes &c = a.codes;
	const int pitch = (c.w + 2 * c.border) * c.c;
	for (int i = threadIdx.x; i < count; i += PIXEL_BLOCK) {
		const int row = first + i / width, at = i % width * V, image = row / a.x.h, p = row - image * a.x.h;
		const float *x = act_image<float>(a.x, image) + p * act_row(a.x) + at;
		uint8_t *codes = c.p + ((int64_t)image * (c.h + 2 * c.border) + p + c.border) * pitch + c.border * c.c + at;
		store_codes<V>(codes, load_vec<V>(x), q);
	}
}

// A block does a filter; packed is [k][r*s][c/groups rounded up to 16].
template <int V> VK_DEVICE void weight_codes(const vk_weight_codes_args &a) {
	__shared__ mix_candidates weights, inputs;
	const int k = blockIdx.x, length = a.g.c / a.g.groups, padded = (length + 15) / 16 * 16, taps = a.g.r * a.g.s;
	mix_prepare(weights, a.weights, a.step_per_tensor ? 1 : a.g.k, a.step_per_tensor ? 0 : k, 0);
	mix_prepare(inputs, a.inputs, 1, 0, VK_MAX_BITS);
	__syncthreads();
	const int option = child_option(weights, a.weights.bits), input = child_option(inputs, a.inputs.bits);
	const bool none = option < 0 || input < 0;
	const vk_quant q = none ? no_quant() : read_candidate(weights, option).q;
	if (threadIdx.x == 0) a.scale[k] = none ? 0 : q.step * inputs.c[input].q.step;
	const int candidate = a.shared || none ? 0 : option;
	const float *w = a.w + ((int64_t)candidate * a.g.k + k) * taps * length;
	uint8_t *packed = reinterpret_cast<uint8_t *>(a.packed) + (int64_t)k * taps * padded;
	for (int i = threadIdx.x * V; i < taps * length; i += PIXEL_BLOCK * V) {
		const int tap = i / length;
		store_codes<V>(packed + tap * padded + (i - tap * length), load_vec<V>(w + i), q);
	}
}

#define CODES_KERNEL(name, args, call)                                                                                                  \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK) name(const __grid_constant__ args a, int units) { call; }
CODES_KERNEL(input_codes_f32, vk_input_codes_args, input_codes<4>(a, units))
CODES_KERNEL(input_codes_f32_scalar, vk_input_codes_args, input_codes<1>(a, units))
CODES_KERNEL(weight_codes, vk_weight_codes_args, weight_codes<4>(a))
CODES_KERNEL(weight_codes_scalar, vk_weight_codes_args, weight_codes<1>(a))
