// Gates over pairs of weight and input bits: the marginals of a layer's pairs, and what goes back to the pairs. One row, on
// the host and on a GPU.
#ifndef VK_PAIRS_H
#define VK_PAIRS_H
#include "gates.h"

// z_i = sum of the pairs whose option is i, in order, for every candidate of a gate.
VK_ELEMENTARY void vk_pair_marginal(const vk_pair_args *a, int row, int gate, const int32_t *option) {
	const int n = a->pairs[row], at = row * VK_MAX_BITS;
	for (int i = 0; i < a->bits[gate]; i++) {
		float sum = 0;
		VK_EACH_COLUMN(p, n)
			if (option[at + p] == i) sum += a->pair_z[at + p];
		a->z[gate * VK_MAX_BITS + i] = sum;
	}
}

VK_ELEMENTARY void vk_pair_marginals_row(const vk_pair_args *a, int row) {
	if (a->weight_gate[row] >= 0) vk_pair_marginal(a, row, a->weight_gate[row], a->weight_option);
	if (a->input_gate[row] >= 0) vk_pair_marginal(a, row, a->input_gate[row], a->input_option);
}

VK_ELEMENTARY void vk_pair_marginals_grad_row(const vk_pair_args *a, int row) {
	const int n = a->pairs[row], at = row * VK_MAX_BITS, gw = a->weight_gate[row], gx = a->input_gate[row];
	VK_EACH_COLUMN(p, n) {
		const float w = gw < 0 ? 0.0f : a->dz[gw * VK_MAX_BITS + a->weight_option[at + p]];
		const float x = gx < 0 ? 0.0f : a->dz[gx * VK_MAX_BITS + a->input_option[at + p]];
		a->dpair_z[at + p] = w + x;
	}
}
#endif
