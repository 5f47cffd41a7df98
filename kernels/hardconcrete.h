// Hard-concrete gates in a nest (Louizos et al. 2018; van Baalen et al. 2020, "Bayesian Bits"): what one row takes part in, on
// the host and on a GPU. Gate l of a row lets level l of a residual quantizer through; it counts only where all gates
// below it are open, and gate 0 is always open.
#ifndef VK_HARDCONCRETE_H
#define VK_HARDCONCRETE_H
#include "gates.h"

// The law of z: a concrete variable of temperature beta, stretched to [gamma, zeta] and clamped to [0, 1].
#define VK_CONCRETE_BETA (2.0f / 3)
#define VK_CONCRETE_GAMMA -0.1f
#define VK_CONCRETE_ZETA 1.1f
#define VK_CONCRETE_SHIFT 1.5985968f // -beta ln(-gamma/zeta): P(z > 0) = sigmoid(phi + shift)
#define VK_CONCRETE_CLOSED 0.34f     // a gate is open in the child where P(z = 0) is below

VK_ELEMENTARY float vk_sigmoid(float x) { return 1.0f / (1.0f + vk_expf(-x)); }

VK_ELEMENTARY float vk_log_sigmoid(float x) { return (x < 0 ? x : 0.0f) - vk_logf(1.0f + vk_expf(-fabsf(x))); }

// One draw of z, and its derivative by phi: 0 where the clamp holds it.
VK_ELEMENTARY float vk_hard_concrete_draw(float phi, uint32_t word, float *slope) {
	const float u = vk_uniform(word);
	const float s = vk_sigmoid((vk_logf(u) - vk_logf(1.0f - u) + phi) / VK_CONCRETE_BETA);
	const float z = fmaf(s, VK_CONCRETE_ZETA - VK_CONCRETE_GAMMA, VK_CONCRETE_GAMMA);
	*slope = z > 0 && z < 1 ? (VK_CONCRETE_ZETA - VK_CONCRETE_GAMMA) / VK_CONCRETE_BETA * s * (1.0f - s) : 0.0f;
	return z < 0 ? 0.0f : z > 1 ? 1.0f : z;
}

// pi_l is the probability that gates 0..l are open and gate l+1 is not; ln pi stays finite where pi underflows to 0.
VK_ELEMENTARY void vk_hard_concrete_row(const vk_hard_concrete_args *a, int gate) {
	const int n = a->bits[gate], at = gate * VK_MAX_BITS, sample = *a->mode == VK_CONCRETE_SAMPLE;
	uint32_t words[VK_MAX_BITS] = {0};
	vk_gate_words(a->noise, gate, n, words);
	float log_open = 0; // ln P(gates 0..i are open)
	int open = 1;       // of the child: gates 0..i
	VK_EACH_COLUMN(i, n) {
		float z = 1, slope = 0;
		if (i > 0) {
			const float phi = a->phi[at + i];
			open = open && vk_sigmoid(-phi - VK_CONCRETE_SHIFT) < VK_CONCRETE_CLOSED;
			z = sample ? vk_hard_concrete_draw(phi, words[i], &slope) : (float)open;
			log_open += vk_log_sigmoid(phi + VK_CONCRETE_SHIFT);
		}
		const float logp = log_open + (i + 1 < n ? vk_log_sigmoid(-a->phi[at + i + 1] - VK_CONCRETE_SHIFT) : 0.0f);
		a->logp[at + i] = logp;
		a->pi[at + i] = vk_expf(logp);
		a->z[at + i] = z;
		a->slope[at + i] = slope;
	}
}

// Writes dphi of a row and returns its penalty R = b_0 + P_1 (b_1 + P_2 (b_2 + ...)) with P_l = P(z_l > 0). Of the bracket
// T_l behind P_l, dR/dP_l = P_1 ... P_{l-1} T_l.
VK_ELEMENTARY float vk_hard_concrete_grad_row(const vk_hard_concrete_grad_args *a, int gate, float mu) {
	const int n = a->bits[gate], at = gate * VK_MAX_BITS;
	float open[VK_MAX_BITS] = {0}, bracket[VK_MAX_BITS] = {0}, tail = 0;
	VK_EACH_COLUMN(i, n) open[i] = i > 0 ? vk_sigmoid(a->phi[at + i] + VK_CONCRETE_SHIFT) : 1.0f;
	VK_UNROLL
	for (int i = VK_MAX_BITS - 1; i >= 0; i--)
		if (i < n) {
			bracket[i] = a->cost[at + i] + tail;
			tail = open[i] * bracket[i];
		}
	float below = 1; // P_1 ... P_{i-1}
	VK_EACH_COLUMN(i, n) {
		float d = 0;
		if (i > 0) {
			const float closed = vk_sigmoid(-a->phi[at + i] - VK_CONCRETE_SHIFT);
			d = a->slope[at + i] * a->dz[at + i];
			d = fmaf(mu, below * bracket[i] * (open[i] * closed), d);
		}
		a->dphi[at + i] = d;
		below *= open[i];
	}
	return tail;
}
#endif
