// Batch norm with affine sets: statistics, fused apply, backward. kernels.h says what each op does.
#include "act.h"
#include <math.h>
#include <string.h>

// The pixels of an image: one row where there is no border between the rows.
typedef struct {
	int rows, len, c;
	int64_t row; // floats from row to row
} pixel_rows;

static pixel_rows pixel_rows_of(const vk_act *a) {
	pixel_rows g = {a->border ? a->h : 1, a->border ? a->w : a->h * a->w, a->c, vk_act_row(a)};
	return g;
}

static int lanes_from(int k, int c) { return c - k < 16 ? c - k : 16; }

// Row p*stride of image i of a shortcut; null where there is none of channels k..k+n-1.
static float *shortcut_row(const vk_shortcut *s, int i, int p, int k, int n) {
	if (!s->t.p || k - s->offset >= s->t.c || k - s->offset + n <= 0) return 0;
	return vk_act_image(&s->t, i) + (int64_t)p * s->stride * vk_act_row(&s->t);
}

// Zeroes image i of dshortcut where a gradient shaped as d does not reach all of it.
static void shortcut_clear(const vk_shortcut *s, const vk_act *d, int i) {
	if (s->stride == 1 && s->offset >= 0 && s->t.c + s->offset <= d->c) return;
	for (int p = 0; p < s->t.h; p++)
		memset(vk_act_image(&s->t, i) + p * vk_act_row(&s->t), 0, sizeof(float) * (size_t)s->t.w * (size_t)s->t.c);
}

#define VK_BODY "norm_body.h"
#include "each_isa.h"

const vk_fn vk_norm_stats[VK_ISAS] = VK_TABLE(vk_norm_stats_fn);
const vk_fn vk_norm_apply[VK_ISAS] = VK_TABLE(vk_norm_apply_fn);
const vk_fn vk_norm_bwd_reduce[VK_ISAS] = VK_TABLE(vk_norm_bwd_reduce_fn);
const vk_fn vk_norm_bwd_apply[VK_ISAS] = VK_TABLE(vk_norm_bwd_apply_fn);

enum { MAX_SETS = VK_MAX_BITS * VK_MAX_BITS };

// sum_t v_t set_t[k]
static double mix_sets(const float *v, const float *set, int sets, int c, int k) {
	double sum = 0;
	for (int t = 0; t < sets; t++) sum += (double)v[t] * set[(int64_t)t * c + k];
	return sum;
}

// Moves the running statistics of channel k towards those of the batch.
static void norm_running(const vk_norm_combine_args *a, int k, double mean, double unbiased) {
	for (int s = 0; s < a->stat_sets; s++) {
		const double m = *a->momentum * (a->stat_sets == 1 ? 1.0 : (double)a->v[s]);
		float *rm = a->running_mean + (int64_t)s * a->c + k, *rv = a->running_var + (int64_t)s * a->c + k;
		*rm = (float)(*rm + m * (mean - *rm));
		*rv = (float)(*rv + m * (unbiased - *rv));
	}
}

// All images have hw values, so Chan's formula is: mean = mean of the means, squares = sum of each
// image's squares and of hw (mean_i - mean)^2.
static void norm_combine(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_norm_combine_args *a = args;
	const double count = (double)a->n * a->hw;
	for (int k = 0; k < a->c; k++) {
		double mean = 0, squares = 0;
		for (int i = 0; i < a->n; i++) mean += a->partial[(int64_t)i * 2 * a->c + k];
		mean /= a->n;
		for (int i = 0; i < a->n; i++) {
			const float *p = a->partial + (int64_t)i * 2 * a->c + k;
			const double off = p[0] - mean;
			squares += p[a->c] + off * off * a->hw;
		}
		const double inv = 1 / sqrt(squares / count + a->eps);
		const double scale = mix_sets(a->v, a->gamma, a->sets, a->c, k) * inv;
		a->mean[k] = (float)mean;
		a->inv[k] = (float)inv;
		a->scale[k] = (float)scale;
		a->shift[k] = (float)(mix_sets(a->v, a->beta, a->sets, a->c, k) - mean * scale);
		if (a->running_mean) norm_running(a, k, mean, squares / (count > 1 ? count - 1 : 1));
	}
}
const vk_fn vk_norm_combine = norm_combine;

static void norm_eval(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_norm_eval_args *a = args;
	int set = 0;
	for (int s = 1; s < a->stat_sets; s++)
		if (a->v[s] > a->v[set]) set = s;
	for (int k = 0; k < a->c; k++) {
		const double mean = a->running_mean[(int64_t)set * a->c + k], var = a->running_var[(int64_t)set * a->c + k];
		const double scale = mix_sets(a->v, a->gamma, a->sets, a->c, k) / sqrt(var + a->eps);
		a->scale[k] = (float)scale;
		a->shift[k] = (float)(mix_sets(a->v, a->beta, a->sets, a->c, k) - mean * scale);
	}
}
const vk_fn vk_norm_eval = norm_eval;

// With xhat = (y-mean)*inv: dy = scale * (d - mean(d) - xhat * mean(d*xhat)), means over n*hw values.
static void norm_bwd_combine(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_norm_bwd_combine_args *a = args;
	const double count = (double)a->n * a->hw;
	double dv[MAX_SETS] = {0};
	for (int k = 0; k < a->c; k++) {
		double dbeta = 0, dgamma = 0;
		for (int i = 0; i < a->n; i++) {
			const float *p = a->partial + (int64_t)i * 2 * a->c + k;
			dbeta += p[0];
			dgamma += p[a->c];
		}
		const double slope = -a->scale[k] * (double)a->inv[k] * dgamma / count;
		a->coef[k] = a->scale[k];
		a->coef[a->c + k] = (float)slope;
		a->coef[2 * a->c + k] = (float)(-a->scale[k] * dbeta / count - slope * a->mean[k]);
		for (int t = 0; t < a->sets; t++) {
			const int64_t at = (int64_t)t * a->c + k;
			const double factor = (double)*a->grad_scale * a->v[t];
			a->dgamma[at] += (float)(factor * dgamma);
			a->dbeta[at] += (float)(factor * dbeta);
			dv[t] += dgamma * a->gamma[at] + dbeta * a->beta[at];
		}
	}
	for (int t = 0; a->dv && t < a->sets; t++) a->dv[t] = (float)dv[t];
}
const vk_fn vk_norm_bwd_combine = norm_bwd_combine;
