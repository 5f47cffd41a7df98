#include "conv.h"
#define VK_BODY "conv_body.h"
#include "each_isa.h"

const vk_fn vk_conv_fwd[VK_ISAS] = VK_TABLE(vk_conv_fwd_fn);
const vk_fn vk_conv_dgrad[VK_ISAS] = VK_TABLE(vk_conv_dgrad_fn);
const vk_fn vk_conv_wgrad[VK_ISAS] = VK_TABLE(vk_conv_wgrad_fn);
const vk_fn vk_bias_grad[VK_ISAS] = VK_TABLE(vk_bias_grad_fn);

// Where filter k begins in the forward packing, and the distance from one input channel to the next.
static ptrdiff_t packed_at(const vk_conv_geom *g, int k, ptrdiff_t *row) {
	if (conv_depthwise(g)) {
		*row = conv_up16(g->k);
		return k;
	}
	int kg = g->k / g->groups;
	*row = conv_up16(kg);
	return k / kg * conv_group_size(g, g->c, g->k) + k % kg;
}

static void conv_wgrad_reduce(const void *args, int begin, int end) {
	const vk_conv_wgrad_reduce_args *a = args;
	const vk_conv_geom *g = &a->g;
	ptrdiff_t len = (ptrdiff_t)g->r * g->s * (g->c / g->groups), row;
	ptrdiff_t size = conv_depthwise(g) ? len * conv_up16(g->k) : conv_group_size(g, g->c, g->k) * g->groups;
	for (int k = begin, n; k < end; k += n) { // n filters, one beside the other in the packing
		const float *from = a->partial + packed_at(g, k, &row);
		int kg = conv_depthwise(g) ? g->k : g->k / g->groups, left = kg - k % kg;
		n = end - k < 16 ? end - k : 16;
		if (n > left) n = left;
		for (ptrdiff_t l = 0; l < len; l++) {
			float sum[16];
			for (int i = 0; i < n; i++) sum[i] = from[l * row + i];
			for (int t = 1; t < a->chunks; t++)
				for (int i = 0; i < n; i++) sum[i] += from[t * size + l * row + i];
			for (int i = 0; i < n; i++) a->dw[(k + i) * len + l] = sum[i];
		}
	}
}
const vk_fn vk_conv_wgrad_reduce = conv_wgrad_reduce;

static void conv_pack(const void *args, int begin, int end) {
	const vk_conv_pack_args *a = args;
	const vk_conv_geom *g = &a->g;
	int cg = g->c / g->groups, kg = g->k / g->groups, taps = g->r * g->s;
	ptrdiff_t row, len = (ptrdiff_t)taps * cg;
	for (int k = begin; k < end; k++) {
		const float *w = a->w + k * len;
		float *f = a->forward + packed_at(g, k, &row);
		for (ptrdiff_t l = 0; l < len; l++) f[l * row] = w[l];
		if (!a->backward) continue;
		if (conv_depthwise(g)) {
			for (int t = 0; t < taps; t++) a->backward[t * row + k] = w[t];
			continue;
		}
		float *b = a->backward + k / kg * conv_group_size(g, g->k, g->c) + k % kg * (ptrdiff_t)conv_up16(cg);
		for (int t = 0; t < taps; t++) memcpy(b + t * (ptrdiff_t)kg * conv_up16(cg), w + t * cg, (size_t)cg * sizeof *w);
	}
}
const vk_fn vk_conv_pack = conv_pack;
