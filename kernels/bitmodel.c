// BitModel f_theta(u): a small tanh net. Serial; every sum is one chain of fmaf in index order.
#include "elementary.h"
#include "kernels.h"

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
	const int hidden = a->hidden;
	const float *theta = a->theta, *x = a->u, u = *a->u;
	int in = 1;
	for (int l = 0; l < a->depth; l++) {
		float *h = a->h + l * hidden;
		hidden_fwd(theta, theta + hidden * in, x, in, hidden, h);
		theta += hidden * (in + 1);
		x = h, in = hidden;
	}
	const float *bias = theta + a->gates * ROW * in;
	for (int g = 0; g < a->gates; g++)
		for (int i = g * ROW; i < g * ROW + a->bits[g]; i++) {
			float s = bias[i];
			for (int j = 0; j < in; j++) s = fmaf(theta[i * in + j], x[j], s);
			a->logits[i] = fmaf(-u, a->kappa_rank[i], s);
			a->tilt[i] = -u * a->kappa_rank[i];
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
	const int hidden = a->hidden, first = hidden * 2, middle = hidden * (hidden + 1);
	const float scale = *a->grad_scale;
	float memory[2][VK_MAX_HIDDEN] = {{0}}, *dx = memory[0], *dy = memory[1];
	// The last layer starts behind `depth` hidden ones.
	int at = a->depth == 0 ? 0 : first + (a->depth - 1) * middle, in = a->depth == 0 ? 1 : hidden;
	const float *x = a->depth == 0 ? a->u : a->h + (a->depth - 1) * hidden;
	const int bias = at + a->gates * ROW * in;
	for (int g = 0; g < a->gates; g++)
		for (int i = g * ROW; i < g * ROW + a->bits[g]; i++)
			row_bwd(a->dlogits[i], scale, a->theta + at + i * in, x, in, a->dtheta + at + i * in, a->dtheta + bias + i, dx);
	for (int l = a->depth - 1; l >= 0; l--) {
		const float *h = a->h + l * hidden;
		float *swap = dy;
		dy = dx, dx = swap;
		in = l == 0 ? 1 : hidden;
		x = l == 0 ? a->u : h - hidden;
		at = l == 0 ? 0 : first + (l - 1) * middle;
		for (int j = 0; j < in; j++) dx[j] = 0;
		for (int i = 0; i < hidden; i++) {
			const float d = dy[i] * fmaf(-h[i], h[i], 1.0f);
			row_bwd(d, scale, a->theta + at + i * in, x, in, a->dtheta + at + i * in, a->dtheta + at + hidden * in + i, dx);
		}
	}
}

const vk_fn vk_bitmodel_fwd = bitmodel_fwd, vk_bitmodel_bwd = bitmodel_bwd;
