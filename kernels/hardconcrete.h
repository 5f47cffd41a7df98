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

// ---- output channels
enum { VK_CHANNEL_LANES = 32 }; // a layer's channels are shared out over so many lanes, so that host and GPU add up alike
#define VK_CHANNEL_NOISE 0xC4u  // keeps the draws apart from those of the rows

// Draws every 32nd channel of a layer, and returns the sum of their P(z > 0).
VK_ELEMENTARY double vk_channel_gates_lane(const vk_channel_gates_args *a, int layer, int lane) {
	const int sample = *a->mode == VK_CONCRETE_SAMPLE;
	double open = 0;
	for (int k = a->first[layer] + lane; k < a->first[layer + 1]; k += VK_CHANNEL_LANES) {
		const float phi = a->phi[k];
		float z, slope = 0;
		if (sample) {
			const uint32_t counter[4] = {a->noise[2], a->noise[3], (uint32_t)k, VK_CHANNEL_NOISE};
			uint32_t words[4];
			vk_philox4x32(counter, a->noise, words);
			z = vk_hard_concrete_draw(phi, words[0], &slope);
		} else {
			z = vk_sigmoid(-phi - VK_CONCRETE_SHIFT) < VK_CONCRETE_CLOSED ? 1.0f : 0.0f;
		}
		a->z[k] = z;
		a->slope[k] = slope;
		open += vk_sigmoid(phi + VK_CONCRETE_SHIFT);
	}
	return open;
}

// open: the sum of the lanes.
VK_ELEMENTARY void vk_channel_gates_cost(const vk_channel_gates_args *a, int layer, double open) {
	const float mean = (float)(open / (a->first[layer + 1] - a->first[layer]));
	const int at = a->row[layer] * VK_MAX_BITS;
	VK_UNROLL
	for (int i = 0; i < VK_MAX_BITS; i++) a->shared[at + i] = mean * a->cost[at + i];
}

// The penalty of the layer's row is the mean of P_k = P(z_k > 0) times R, the sum over l of cost_l * P(gates 0..l are open).
VK_ELEMENTARY void vk_channel_gates_grad_lane(const vk_channel_gates_grad_args *a, int layer, int lane) {
	const int at = a->row[layer] * VK_MAX_BITS, n = a->bits[a->row[layer]], first = a->first[layer], end = a->first[layer + 1];
	float reach = 0, penalty = 0;
	VK_UNROLL
	for (int i = VK_MAX_BITS - 1; i >= 0; i--)
		if (i < n) {
			reach += a->pi[at + i];
			penalty = fmaf(a->cost[at + i], reach, penalty);
		}
	const float weight = *a->mu * penalty / (float)(end - first);
	for (int k = first + lane; k < end; k += VK_CHANNEL_LANES) {
		const float x = a->phi[k] + VK_CONCRETE_SHIFT;
		a->dphi[k] = fmaf(weight, vk_sigmoid(x) * vk_sigmoid(-x), a->slope[k] * a->dz[k]);
	}
}
#endif
