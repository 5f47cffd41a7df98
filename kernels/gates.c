// Gates: softmax and Gumbel-softmax samples, expected cost, prior, coefficients of conditional norms.
// Serial and small: a few hundred gates of at most VK_MAX_BITS candidates. Sums run in column order in
// float32; values summed over gates or layers are summed in double, in order, by explicit fma.
#include "gates.h"

static void gate_sample(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_gate_sample_args *a = args;
	for (int g = 0; g < a->gates; g++) vk_gate_sample_row(a, g);
}

static void gate_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_gate_grad_args *a = args;
	for (int g = 0; g < a->gates; g++) vk_gate_grad_row(a, g);
}

static void cost(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_cost_args *a = args;
	const float weight = a->dpi ? *a->weight : 0;
	double total = 0;
	for (int l = 0; l < a->layers; l++) {
		const int gw = a->weight_gate[l], gx = a->input_gate[l];
		for (int i = 0; i < vk_cost_bits(a, gw); i++) {
			const float row = vk_cost_row(a, l, i);
			total = fma(vk_cost_pi(a, gw, i), row, total);
			if (!a->dpi || gw < 0) continue;
			float *d = a->dpi + gw * VK_MAX_BITS + i;
			*d = fmaf(weight, row, *d);
		}
		for (int j = 0; a->dpi && gx >= 0 && j < a->bits[gx]; j++) {
			float *d = a->dpi + gx * VK_MAX_BITS + j;
			*d = fmaf(weight, vk_cost_column(a, l, j), *d);
		}
	}
	*a->cost = (float)total;
}

static void cost_factor(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_cost_factor_args *a = args;
	*a->factor = vk_cost_factor_of(a);
}

static void cost_factor_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_cost_factor_args *a = args;
	*a->weight = vk_cost_factor_slope(a);
}

static void prior(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_prior_args *a = args;
	const float weight = *a->weight;
	double negative_entropy = 0, value = 0;
	for (int g = 0; g < a->gates; g++) {
		float ratio[VK_MAX_BITS];
		vk_prior_row(a, g, weight, ratio);
		for (int i = 0; i < a->bits[g]; i++) {
			const float p = a->pi[g * VK_MAX_BITS + i];
			negative_entropy = fma(p, a->logp[g * VK_MAX_BITS + i], negative_entropy);
			value = fma(p, ratio[i], value);
		}
	}
	*a->entropy = (float)(0 - negative_entropy);
	*a->value = a->prior == VK_PRIOR_NONE ? 0.0f : (float)value;
}

static void norm_coef_fwd(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_norm_coef_args *a = args;
	float *v = a->v;
	if (a->kind == VK_NORM_PAIR) {
		for (int i = 0; i < a->weight_bits; i++)
			for (int j = 0; j < a->input_bits; j++) *v++ = (a->zw ? a->zw[i] : 1) * (a->zx ? a->zx[j] : 1);
		return;
	}
	*v++ = 1;
	if (a->kind == VK_NORM_GATE) {
		for (int i = 0; a->zw && i < a->weight_bits; i++) *v++ = a->zw[i];
		for (int j = 0; a->zx && j < a->input_bits; j++) *v++ = a->zx[j];
	} else if (a->kind == VK_NORM_ETA) {
		const float u = *a->u;
		v[0] = u, v[1] = u * u, v[2] = u * u * u;
	}
}

static void norm_coef_bwd(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_norm_coef_args *a = args;
	const float *dv = a->dv;
	if (a->kind == VK_NORM_PAIR) {
		for (int i = 0; i < a->weight_bits; i++)
			for (int j = 0; j < a->input_bits; j++, dv++) {
				if (a->dzw) a->dzw[i] = fmaf(*dv, a->zx ? a->zx[j] : 1, a->dzw[i]);
				if (a->dzx) a->dzx[j] = fmaf(*dv, a->zw ? a->zw[i] : 1, a->dzx[j]);
			}
	} else if (a->kind == VK_NORM_GATE) {
		dv++;
		for (int i = 0; a->dzw && i < a->weight_bits; i++) a->dzw[i] += *dv++;
		for (int j = 0; a->dzx && j < a->input_bits; j++) a->dzx[j] += *dv++;
	}
}

const vk_fn vk_gate_sample = gate_sample, vk_gate_grad = gate_grad, vk_cost = cost, vk_prior = prior,
            vk_norm_coef_fwd = norm_coef_fwd, vk_norm_coef_bwd = norm_coef_bwd;
const vk_fn vk_cost_factor = cost_factor, vk_cost_factor_grad = cost_factor_grad;
