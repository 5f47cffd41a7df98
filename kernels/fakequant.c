// LSQ fake quantization and mixes of candidate bit widths: forward, backward, step search.
#include "act.h"
#include "fakequant.h"
#include <string.h>

typedef struct {
	vk_quant q;
	float z;
} mix_candidate;

// One unit of work: `rows` rows of `len` values, for each of `bits` candidates.
typedef struct {
	int bits;
	mix_candidate c[VK_MAX_BITS];
	const float *x[VK_MAX_BITS]; // first row that the candidate quantizes
	float *dx[VK_MAX_BITS];      // null: not wanted
	const float *dy;
	float *y;
	int64_t x_row, dx_row, y_row, len; // floats
	int rows, add;             // add: y and dx += instead of =
	float scale;               // of dx
	int copy;                  // nothing is quantized: y = x
} mix_rows;

// Reads the candidates, whose step stands at step[b*stride + at].
static void mix_candidates(mix_rows *m, const vk_mix *mix, int stride, int at) {
	m->bits = mix->bits;
	for (int b = 0; b < mix->bits; b++) {
		m->c[b].q = vk_quant_of(mix->step[(int64_t)b * stride + at], mix->qmin[b], mix->qmax[b]);
		m->c[b].z = mix->z[b];
	}
}

static void mix_drop_zeros(mix_rows *m) {
	int n = 0;
	for (int b = 0; b < m->bits; b++) {
		if (m->c[b].z == 0) continue;
		m->c[n] = m->c[b];
		m->dx[n] = m->dx[b];
		m->x[n++] = m->x[b];
	}
	m->bits = n;
}

// Steps over the first n candidates; what comes after adds to them.
static void mix_skip(mix_rows *m, int n) {
	for (int b = n; b < VK_MAX_BITS; b++) {
		m->c[b - n] = m->c[b];
		m->x[b - n] = m->x[b];
		m->dx[b - n] = m->dx[b];
	}
	m->add = 1;
}

// The mix of no candidates: a copy, or 0 where every z is 0.
static void mix_none(const mix_rows *m) {
	for (int row = 0; row < m->rows; row++) {
		float *y = m->y + row * m->y_row;
		if (m->copy)
			memcpy(y, m->x[0] + row * m->x_row, sizeof(float) * (size_t)m->len);
		else
			memset(y, 0, sizeof(float) * (size_t)m->len);
	}
}

// Its backward: dx (+)= scale * dy, or 0.
static void mix_none_bwd(const mix_rows *m) {
	if (!m->dx[0]) return;
	const float scale = m->copy ? m->scale : 0;
	for (int row = 0; row < m->rows; row++) {
		const float *dy = m->dy + row * m->y_row;
		float *dx = m->dx[0] + row * m->dx_row;
		for (int64_t i = 0; i < m->len; i++) dx[i] = (m->add ? dx[i] : 0) + scale * dy[i];
	}
}

enum { STEP_CANDIDATES = 60 };

#define VK_BODY "fakequant_body.h"
#include "each_isa.h"

const vk_fn vk_mix_input_fwd[VK_ISAS] = VK_TABLE(vk_mix_input_fwd_fn);
const vk_fn vk_mix_input_bwd[VK_ISAS] = VK_TABLE(vk_mix_input_bwd_fn);
const vk_fn vk_mix_weight_fwd[VK_ISAS] = VK_TABLE(vk_mix_weight_fwd_fn);
const vk_fn vk_mix_weight_bwd[VK_ISAS] = VK_TABLE(vk_mix_weight_bwd_fn);

static void mix_reduce(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_mix_reduce_args *a = args;
	const double scale = *a->grad_scale;
	for (int b = 0; b < a->bits; b++) {
		double dz = 0, ds = 0;
		for (int row = 0; row < a->rows; row++) {
			const float *p = a->partial + (int64_t)row * 2 * a->bits + b;
			dz += p[0];
			if (a->per_row)
				a->dstep[(int64_t)b * a->rows + row] += (float)(scale * a->g[b] * p[a->bits]);
			else
				ds += p[a->bits];
		}
		a->dz[b] += (float)dz;
		if (!a->per_row) a->dstep[b] += (float)(scale * a->g[b] * ds);
	}
}
const vk_fn vk_mix_reduce = mix_reduce;

float vk_step_mse(const float *x, int64_t rows, int64_t len, int64_t stride, float qmin, float qmax) {
	float most = 0;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < len; i++) most = fmaxf(most, fabsf(x[r * stride + i]));
	most /= fmaxf(-qmin, qmax);
	static void (*const step_errors[VK_ISAS])(const float *, int64_t, const float *, float, float, double *) = VK_TABLE(add_step_errors);
	const int isa = vk_isa_supported(VK_AVX512) ? VK_AVX512 : vk_isa_supported(VK_AVX2) ? VK_AVX2 : VK_PORTABLE;
	float step[STEP_CANDIDATES];
	double error[STEP_CANDIDATES] = {0};
	for (int i = 0; i < STEP_CANDIDATES; i++) step[i] = fmaxf(most * (float)(i + 1) / STEP_CANDIDATES, 1e-8f);
	for (int64_t r = 0; r < rows; r++) step_errors[isa](x + r * stride, len, step, qmin, qmax, error);
	int best = 0;
	for (int i = 1; i < STEP_CANDIDATES; i++)
		if (error[i] < error[best]) best = i;
	return step[best];
}
