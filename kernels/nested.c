// Nested quantizers: forward, backward, reduction. nested.h has the formulas.
#include "nested.h"
#include "act.h"

// One unit of work: `rows` rows of `len` values.
typedef struct {
	vk_nest n;
	float gate;  // what t_1 is multiplied by besides the step: g, times the pruning gate
	float scale; // of dx
	const float *x, *dy;
	float *y, *dx;                // dx null: not wanted
	int64_t x_row, y_row, dx_row; // floats; dy has rows as y
	int64_t len;
	int rows, add; // add: dx += instead of =
} nested_rows;

// Sums over a unit: of dy * t_l, and of dy * (t_1 - in*v).
typedef struct {
	float t[VK_NESTED_LEVELS], param;
} nested_sums;

// Writes partial [widths+1] and, where wanted, adds to dprune.
static void nested_write(const nested_rows *r, const nested_sums *s, int widths, float prune, float *partial, float *dprune) {
	float gain = r->n.q.step * prune; // and the gates before z_l
	for (int l = 0; l < widths; l++) {
		partial[l] = l < r->n.levels ? gain * s->t[l] : 0;
		if (l < r->n.levels) gain *= r->n.z[l];
	}
	partial[widths] = r->n.unit * r->gate * s->param;
	if (dprune) *dprune += r->n.q.step * r->n.z[0] * s->t[0];
}

#define VK_BODY "nested_body.h"
#include "each_isa.h"

const vk_fn vk_nested_input_fwd[VK_ISAS] = VK_TABLE(vk_nested_input_fwd_fn);
const vk_fn vk_nested_input_bwd[VK_ISAS] = VK_TABLE(vk_nested_input_bwd_fn);
const vk_fn vk_nested_weight_fwd[VK_ISAS] = VK_TABLE(vk_nested_weight_fwd_fn);
const vk_fn vk_nested_weight_bwd[VK_ISAS] = VK_TABLE(vk_nested_weight_bwd_fn);

static void nested_reduce(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_nested_reduce_args *a = args;
	const double factor = (double)*a->grad_scale * a->g;
	for (int l = 0; l <= a->widths; l++) {
		double sum = 0;
		for (int row = 0; row < a->rows; row++) {
			const float p = a->partial[(int64_t)row * (a->widths + 1) + l];
			if (l == a->widths && a->per_row)
				a->dparam[row] += (float)(factor * p);
			else
				sum += p;
		}
		if (l < a->widths)
			a->dz[l] += (float)sum;
		else if (!a->per_row)
			a->dparam[0] += (float)(factor * sum);
	}
}
const vk_fn vk_nested_reduce = nested_reduce;
