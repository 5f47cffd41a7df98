// Filters in units of their quantizers' steps, for an optimizer's step: see kernels.h.
#include "fakequant.h"
#include "kernels.h"

static void to_code_units(const void *args, int begin, int end) {
	const vk_code_units_args *a = args;
	for (int k = begin; k < end; k++)
		for (int b = 0; b < a->bits; b++) {
			const int64_t at = (int64_t)b * a->k + k;
			const float *dw = a->dw + at * a->len, step = a->step[at];
			float *w = a->w + at * a->len;
			double sum = 0;
			for (int i = 0; i < a->len; i++) {
				sum += (double)w[i] * dw[i];
				w[i] /= step;
			}
			a->dstep[at] += (float)(a->g[b] * sum / step);
		}
}

static void from_code_units(const void *args, int begin, int end) {
	const vk_code_units_args *a = args;
	for (int k = begin; k < end; k++)
		for (int b = 0; b < a->bits; b++) {
			const int64_t at = (int64_t)b * a->k + k;
			const float step = a->step[at];
			const vk_quant q = vk_quant_of(step, a->qmin[b], a->qmax[b]);
			float *w = a->w + at * a->len;
			for (int i = 0; i < a->len; i++) w[i] = vk_quant_clamp(w[i] * step, q);
		}
}

const vk_fn vk_to_code_units = to_code_units, vk_from_code_units = from_code_units;
