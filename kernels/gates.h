// What one gate or layer takes part in, on the host and on a GPU: the formulas of gates.c and gates.cu. Loops over a
// row have a constant length, so that a GPU keeps local rows in registers; sums run in column order.
#ifndef VK_GATES_H
#define VK_GATES_H
#include "elementary.h"
#include "kernels.h"
#include "philox.h"

#ifdef __CUDACC__
#define VK_UNROLL _Pragma("unroll")
#else
#define VK_UNROLL
#endif
// for each of the first n columns of a row
#define VK_EACH_COLUMN(i, n) \
	VK_UNROLL                \
	for (int i = 0; i < VK_MAX_BITS; i++) \
		if (i < (n))

// logp = log_softmax(x), p = exp(logp), over the first n columns.
VK_ELEMENTARY void vk_log_softmax(const float *x, int n, float *logp, float *p) {
	float max = x[0], sum = 0;
	VK_EACH_COLUMN(i, n) max = x[i] > max ? x[i] : max;
	VK_EACH_COLUMN(i, n) sum += vk_expf(x[i] - max);
	const float log_sum = vk_logf(sum);
	VK_EACH_COLUMN(i, n) {
		logp[i] = (x[i] - max) - log_sum;
		p[i] = vk_expf(logp[i]);
	}
}

// The first of the largest.
VK_ELEMENTARY int vk_argmax(const float *x, int n) {
	int best = 0;
	float top = x[0];
	VK_EACH_COLUMN(i, n)
		if (x[i] > top) top = x[i], best = i;
	return best;
}

// U of vk_gate_sample_args, from 24 of a word's 32 bits.
VK_ELEMENTARY float vk_uniform(uint32_t word) {
	const float u = ((float)(word >> 8) + 0.5f) * 0x1p-24f;
	return u < 1e-10f ? 1e-10f : u > 1 - 1e-7f ? 1 - 1e-7f : u;
}

// One draw of the Gumbel law.
VK_ELEMENTARY float vk_gumbel(uint32_t word) { return -vk_logf(-vk_logf(vk_uniform(word))); }

// The random words of a gate's n candidates.
VK_ELEMENTARY void vk_gate_words(const uint32_t *noise, int gate, int n, uint32_t words[VK_MAX_BITS]) {
	VK_UNROLL
	for (int i = 0; i < VK_MAX_BITS; i += 4) {
		const uint32_t counter[4] = {noise[2], noise[3], (uint32_t)gate, (uint32_t)i / 4};
		if (i < n) vk_philox4x32(counter, noise, words + i);
	}
}

VK_ELEMENTARY void vk_noisy_logits(const float *logp, int n, float temperature, const uint32_t *noise, int gate, float *out) {
	uint32_t words[VK_MAX_BITS] = {0};
	vk_gate_words(noise, gate, n, words);
	VK_EACH_COLUMN(i, n) out[i] = (logp[i] + vk_gumbel(words[i])) / temperature;
}

VK_ELEMENTARY void vk_gate_sample_row(const vk_gate_sample_args *a, int gate) {
	const int n = a->bits[gate], at = gate * VK_MAX_BITS, mode = *a->mode;
	float logits[VK_MAX_BITS] = {0}, logp[VK_MAX_BITS] = {0}, pi[VK_MAX_BITS] = {0}, soft[VK_MAX_BITS] = {0};
	VK_EACH_COLUMN(i, n) logits[i] = a->logits[at + i];
	vk_log_softmax(logits, n, logp, pi);
	VK_EACH_COLUMN(i, n) {
		a->logp[at + i] = logp[i];
		a->pi[at + i] = pi[i];
	}
	if (mode == VK_GATE_GUMBEL || mode == VK_GATE_HARD) {
		float x[VK_MAX_BITS] = {0}, unused[VK_MAX_BITS];
		vk_noisy_logits(logp, n, *a->temperature, a->noise, gate, x);
		vk_log_softmax(x, n, unused, soft);
		const int best = vk_argmax(soft, n);
		VK_EACH_COLUMN(i, n) a->z[at + i] = mode == VK_GATE_GUMBEL ? soft[i] : (float)(i == best);
	} else {
		VK_EACH_COLUMN(i, n) {
			if (mode == VK_GATE_SOFTMAX) a->z[at + i] = pi[i];
			soft[i] = a->z[at + i];
		}
	}
	VK_EACH_COLUMN(i, n) a->soft[at + i] = soft[i];
}

VK_ELEMENTARY float vk_row_dot(const float *a, const float *b, int n) {
	float s = 0;
	VK_EACH_COLUMN(i, n) s = fmaf(a[i], b[i], s);
	return s;
}

// The Jacobian of s = softmax(x/T) is (diag(s) - s s^T)/T; adding a constant to x changes nothing, so
// it is the Jacobian with respect to the logits too. In softmax mode soft is pi and T is 1.
VK_ELEMENTARY void vk_gate_grad_row(const vk_gate_grad_args *a, int gate) {
	const int n = a->bits[gate], at = gate * VK_MAX_BITS, mode = *a->mode;
	const float inverse = mode == VK_GATE_FIXED ? 0.0f : mode == VK_GATE_SOFTMAX ? 1.0f : 1.0f / *a->temperature;
	const float *pi = a->pi + at, *soft = a->soft + at, *dz = a->dz + at, *dpi = a->dpi + at;
	const float mean_pi = vk_row_dot(pi, dpi, n), mean_z = mode == VK_GATE_FIXED ? 0 : vk_row_dot(soft, dz, n);
	VK_EACH_COLUMN(i, n) {
		float d = pi[i] * (dpi[i] - mean_pi);
		if (mode != VK_GATE_FIXED) d = fmaf(soft[i] * (dz[i] - mean_z), inverse, d);
		a->dlogits[at + i] = d;
	}
}

// ---- expected cost
VK_ELEMENTARY int vk_cost_bits(const vk_cost_args *a, int gate) { return gate < 0 ? 1 : a->bits[gate]; }

// The probability of candidate i; a pinned gate has its one option for sure.
VK_ELEMENTARY float vk_cost_pi(const vk_cost_args *a, int gate, int i) { return gate < 0 ? (float)(i == 0) : a->pi[gate * VK_MAX_BITS + i]; }

VK_ELEMENTARY const float *vk_cost_table(const vk_cost_args *a, int layer, int i) {
	return a->table + ((int64_t)layer * VK_MAX_BITS + i) * VK_MAX_BITS;
}

// (T pi^x)_i of a layer, the derivative by pi^w_i.
VK_ELEMENTARY float vk_cost_row(const vk_cost_args *a, int layer, int i) {
	const int gate = a->input_gate[layer], n = vk_cost_bits(a, gate);
	const float *t = vk_cost_table(a, layer, i);
	float s = 0;
	VK_EACH_COLUMN(j, n) s = fmaf(t[j], vk_cost_pi(a, gate, j), s);
	return s;
}

// (T' pi^w)_j of a layer, the derivative by pi^x_j.
VK_ELEMENTARY float vk_cost_column(const vk_cost_args *a, int layer, int j) {
	const int gate = a->weight_gate[layer], n = vk_cost_bits(a, gate);
	const float *t = vk_cost_table(a, layer, 0) + j;
	float s = 0;
	VK_EACH_COLUMN(i, n) s = fmaf(vk_cost_pi(a, gate, i), t[i * VK_MAX_BITS], s);
	return s;
}

// In float64: ln of a cost of 1e9 operations to a large power (method.md section 4, trap 7).
VK_ELEMENTARY double vk_log_share(const vk_cost_factor_args *a) { return 1 + (double)vk_logf(*a->cost) / a->log_max; }

VK_ELEMENTARY double vk_power(double x, double y) { return (double)vk_expf((float)(y * (double)vk_logf((float)x))); }

VK_ELEMENTARY float vk_cost_factor_of(const vk_cost_factor_args *a) { return (float)vk_power(vk_log_share(a), a->gamma); }

VK_ELEMENTARY float vk_cost_factor_slope(const vk_cost_factor_args *a) {
	const double mean = *a->loss / a->n;
	return (float)(mean * a->gamma * vk_power(vk_log_share(a), a->gamma - 1) / (a->log_max * *a->cost));
}

// ---- prior
// ln pi - ln q of a gate's candidates, with ln q = 0 where the prior is not KL; adds to dpi. With pi free, d/dpi of
// sum pi ln pi is ln pi + 1, and of KL(pi || q) ln pi - ln q + 1. ln pi comes from logp, which stays finite where pi
// underflows to 0.
VK_ELEMENTARY void vk_prior_row(const vk_prior_args *a, int gate, float weight, float *ratio) {
	const int n = a->bits[gate], at = gate * VK_MAX_BITS;
	float tilt[VK_MAX_BITS] = {0}, logq[VK_MAX_BITS] = {0}, q[VK_MAX_BITS];
	if (a->prior == VK_PRIOR_KL) {
		VK_EACH_COLUMN(i, n) tilt[i] = a->tilt[at + i];
		vk_log_softmax(tilt, n, logq, q);
	}
	VK_EACH_COLUMN(i, n) {
		ratio[i] = a->logp[at + i] - logq[i];
		if (a->prior != VK_PRIOR_NONE) a->dpi[at + i] = fmaf(weight, ratio[i] + 1.0f, a->dpi[at + i]);
	}
}
#endif
