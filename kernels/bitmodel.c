// BitModel f_theta(u): a small tanh net. Serial; every sum is one chain of fmaf in index order.
#include "bitmodel.h"

enum { ROW = VK_MAX_BITS };

// y = tanh(bias + w x), w [out][in].
static void hidden_fwd(const float *w, const float *bias, const float *x, int in, int out, float *y) {
	for (int i = 0; i < out; i++) {
		float s = bias[i];
		for (int j = 0; j < in; j++) s = fmaf(w[i * in + j], x[j], s);
		y[i] = vk_tanhf(s);
	}
}

static void bitmodel_fwd(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_bitmodel_args *a = args;
	const float u = *a->u;
	for (int l = 0; l < a->depth; l++) {
		const int in = vk_bitmodel_inputs(a, l);
		const float *w = a->theta + vk_bitmodel_at(a, l);
		hidden_fwd(w, w + a->hidden * in, vk_bitmodel_input(a, l), in, a->hidden, a->h + l * a->hidden);
	}
	const int in = vk_bitmodel_inputs(a, a->depth);
	const float *w = a->theta + vk_bitmodel_at(a, a->depth), *bias = w + a->gates * ROW * in, *x = vk_bitmodel_input(a, a->depth);
	for (int g = 0; g < a->gates; g++)
		for (int i = g * ROW; i < g * ROW + a->bits[g]; i++) {
			float s = bias[i];
			for (int j = 0; j < in; j++) s = fmaf(w[i * in + j], x[j], s);
			a->logits[i] = vk_bitmodel_logit(u, a->kappa_rank[i], s);
			a->tilt[i] = vk_bitmodel_tilt(u, a->kappa_rank[i]);
		}
}

// One row of a linear layer backward: dw += scale*d*x, *db += scale*d, dx += d*w (dx may be null).
static void row_bwd(float d, float scale, const float *w, const float *x, int in, float *dw, float *db, float *dx) {
	const float scaled = scale * d;
	for (int j = 0; j < in; j++) dw[j] = fmaf(scaled, x[j], dw[j]);
	*db += scaled;
	for (int j = 0; dx && j < in; j++) dx[j] = fmaf(d, w[j], dx[j]);
}

static void bitmodel_bwd(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_bitmodel_args *a = args;
	const float scale = *a->grad_scale;
	float memory[2][VK_MAX_HIDDEN] = {{0}}, *dx = memory[0], *dy = memory[1];
	int at = vk_bitmodel_at(a, a->depth), in = vk_bitmodel_inputs(a, a->depth);
	const float *x = vk_bitmodel_input(a, a->depth);
	const int bias = at + a->gates * ROW * in;
	for (int g = 0; g < a->gates; g++)
		for (int i = g * ROW; i < g * ROW + a->bits[g]; i++)
			row_bwd(a->dlogits[i], scale, a->theta + at + i * in, x, in, a->dtheta + at + i * in, a->dtheta + bias + i, dx);
	for (int l = a->depth - 1; l >= 0; l--) {
		const float *h = a->h + l * a->hidden;
		float *swap = dy;
		dy = dx, dx = swap;
		at = vk_bitmodel_at(a, l), in = vk_bitmodel_inputs(a, l), x = vk_bitmodel_input(a, l);
		for (int j = 0; j < in; j++) dx[j] = 0;
		for (int i = 0; i < a->hidden; i++)
			row_bwd(vk_tanh_grad(dy[i], h[i]), scale, a->theta + at + i * in, x, in, a->dtheta + at + i * in,
			        a->dtheta + at + a->hidden * in + i, dx);
	}
}

const vk_fn vk_bitmodel_fwd = bitmodel_fwd, vk_bitmodel_bwd = bitmodel_bwd;
