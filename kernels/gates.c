// Gates: softmax and Gumbel-softmax samples, expected cost, prior, coefficients of conditional norms.
// Serial and small: a few hundred gates of at most VK_MAX_BITS candidates. Sums run in column order in
// float32; values summed over gates or layers are summed in double, in order, by explicit fma.
#include "elementary.h"
#include "kernels.h"
#include "philox.h"

enum { ROW = VK_MAX_BITS };

// logp = log_softmax(x), p = exp(logp), over the first n columns.
static void log_softmax(const float *x, int n, float *logp, float *p) {
	float max = x[0], sum = 0;
	for (int i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
	for (int i = 0; i < n; i++) sum += vk_expf(x[i] - max);
	const float log_sum = vk_logf(sum);
	for (int i = 0; i < n; i++) {
		logp[i] = (x[i] - max) - log_sum;
		p[i] = vk_expf(logp[i]);
	}
}

static int argmax(const float *x, int n) {
	int best = 0;
	for (int i = 1; i < n; i++)
		if (x[i] > x[best]) best = i;
	return best;
}

// One draw of the Gumbel law from 24 of the 32 bits.
static float gumbel(uint32_t word) {
	float u = ((float)(word >> 8) + 0.5f) * 0x1p-24f;
	u = u < 1e-10f ? 1e-10f : u > 1 - 1e-7f ? 1 - 1e-7f : u;
	return -vk_logf(-vk_logf(u));
}

static void noisy_logits(const float *logp, int n, float temperature, const uint32_t *noise, int gate, float *out) {
	uint32_t words[ROW];
	for (int i = 0; i < n; i += 4)
		vk_philox4x32((uint32_t[4]){noise[2], noise[3], (uint32_t)gate, (uint32_t)i / 4}, noise, words + i);
	for (int i = 0; i < n; i++) out[i] = (logp[i] + gumbel(words[i])) / temperature;
}

static void gate_sample(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_gate_sample_args *a = args;
	const int mode = *a->mode;
	for (int g = 0; g < a->gates; g++) {
		const int n = a->bits[g];
		const float *logp = a->logp + g * ROW, *pi = a->pi + g * ROW;
		float *z = a->z + g * ROW, *soft = a->soft + g * ROW;
		log_softmax(a->logits + g * ROW, n, a->logp + g * ROW, a->pi + g * ROW);
		if (mode == VK_GATE_GUMBEL || mode == VK_GATE_HARD) {
			float x[ROW], unused[ROW];
			noisy_logits(logp, n, *a->temperature, a->noise, g, x);
			log_softmax(x, n, unused, soft);
			const int best = argmax(soft, n);
			for (int i = 0; i < n; i++) z[i] = mode == VK_GATE_GUMBEL ? soft[i] : i == best;
		} else if (mode == VK_GATE_SOFTMAX) {
			for (int i = 0; i < n; i++) z[i] = soft[i] = pi[i];
		} else {
			for (int i = 0; i < n; i++) soft[i] = z[i];
		}
	}
}

static float dot(const float *a, const float *b, int n) {
	float s = 0;
	for (int i = 0; i < n; i++) s = fmaf(a[i], b[i], s);
	return s;
}

// The Jacobian of s = softmax(x/T) is (diag(s) - s s^T)/T; adding a constant to x changes nothing, so
// it is the Jacobian with respect to the logits too. In softmax mode soft is pi and T is 1.
static void gate_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_gate_grad_args *a = args;
	const int mode = *a->mode;
	const float inverse = mode == VK_GATE_FIXED ? 0.0f : mode == VK_GATE_SOFTMAX ? 1.0f : 1.0f / *a->temperature;
	for (int g = 0; g < a->gates; g++) {
		const int n = a->bits[g];
		const float *pi = a->pi + g * ROW, *soft = a->soft + g * ROW;
		const float *dz = a->dz + g * ROW, *dpi = a->dpi + g * ROW;
		const float mean_pi = dot(pi, dpi, n), mean_z = mode == VK_GATE_FIXED ? 0 : dot(soft, dz, n);
		for (int i = 0; i < n; i++) {
			float d = pi[i] * (dpi[i] - mean_pi);
			if (mode != VK_GATE_FIXED) d = fmaf(soft[i] * (dz[i] - mean_z), inverse, d);
			a->dlogits[g * ROW + i] = d;
		}
	}
}

static void cost(const void *args, int begin, int end) {
	(void)begin, (void)end;
	static const float one[ROW] = {1};
	const vk_cost_args *a = args;
	const float weight = a->dpi ? *a->weight : 0;
	double total = 0;
	for (int l = 0; l < a->layers; l++) {
		const int gw = a->weight_gate[l], gx = a->input_gate[l];
		const int nw = gw < 0 ? 1 : a->bits[gw], nx = gx < 0 ? 1 : a->bits[gx];
		const float *pw = gw < 0 ? one : a->pi + gw * ROW, *px = gx < 0 ? one : a->pi + gx * ROW;
		float column[ROW] = {0}; // T' pi^w
		for (int i = 0; i < nw; i++) {
			const float *t = a->table + (l * ROW + i) * ROW;
			const float row = dot(t, px, nx); // (T pi^x)_i
			total = fma(pw[i], row, total);
			for (int j = 0; j < nx; j++) column[j] = fmaf(pw[i], t[j], column[j]);
			if (a->dpi && gw >= 0) a->dpi[gw * ROW + i] = fmaf(weight, row, a->dpi[gw * ROW + i]);
		}
		if (a->dpi && gx >= 0)
			for (int j = 0; j < nx; j++) a->dpi[gx * ROW + j] = fmaf(weight, column[j], a->dpi[gx * ROW + j]);
	}
	*a->cost = (float)total;
}

// In float64: ln of a cost of 1e9 operations to a large power (method.md section 4, trap 7).
static double log_share(const vk_cost_factor_args *a) { return 1 + (double)vk_logf(*a->cost) / a->log_max; }

static double power(double x, double y) { return (double)vk_expf((float)(y * (double)vk_logf((float)x))); }

static void cost_factor(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_cost_factor_args *a = args;
	*a->factor = (float)power(log_share(a), a->gamma);
}

static void cost_factor_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_cost_factor_args *a = args;
	const double mean = *a->loss / a->n;
	*a->weight = (float)(mean * a->gamma * power(log_share(a), a->gamma - 1) / (a->log_max * *a->cost));
}

// With pi free, d/dpi of sum pi ln pi is ln pi + 1, and of KL(pi || q) ln pi - ln q + 1. ln pi comes from
// logp, which stays finite where pi underflows to 0.
static void prior(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_prior_args *a = args;
	const float weight = *a->weight;
	double negative_entropy = 0, value = 0;
	for (int g = 0; g < a->gates; g++) {
		const int n = a->bits[g];
		float logq[ROW] = {0}, q[ROW];
		if (a->prior == VK_PRIOR_KL) log_softmax(a->tilt + g * ROW, n, logq, q);
		for (int i = 0; i < n; i++) {
			const float p = a->pi[g * ROW + i], logp = a->logp[g * ROW + i], ratio = logp - logq[i];
			negative_entropy = fma(p, logp, negative_entropy);
			value = fma(p, ratio, value);
			if (a->prior != VK_PRIOR_NONE) a->dpi[g * ROW + i] = fmaf(weight, ratio + 1.0f, a->dpi[g * ROW + i]);
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
