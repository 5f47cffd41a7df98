// Softmax cross-entropy, and sums over rows.
#include "act.h"
#include "loss.h"

static void softmax_cross_entropy(const void *args, int begin, int end) {
	const vk_loss_args *a = args;
	const int c = a->logits.c;
	const float scale = a->scale ? *a->scale : 1;
	for (int i = begin; i < end; i++) {
		const float *x = vk_act_image(&a->logits, i);
		const int label = a->labels[i];
		int best = 0;
		for (int j = 1; j < c; j++)
			if (x[j] > x[best]) best = j;
		float sum = 0;
		for (int j = 0; j < c; j++) sum += vk_expf(x[j] - x[best]);
		a->partial[2 * (int64_t)i] = vk_cross_entropy(x, c, label, x[best], sum);
		a->partial[2 * (int64_t)i + 1] = best == label;
		if (!a->dlogits.p) continue;
		float *dx = vk_act_image(&a->dlogits, i);
		for (int j = 0; j < c; j++) dx[j] = vk_cross_entropy_grad(x[j], x[best], sum, j == label, scale, a->n);
	}
}
const vk_fn vk_softmax_cross_entropy = softmax_cross_entropy;

enum { SUM_COLUMNS = 8 }; // columns summed side by side

static void sum_rows(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_sum_rows_args *a = args;
	const double scale = a->scale ? *a->scale : 1;
	for (int j = 0; j < a->cols; j += SUM_COLUMNS) {
		const int n = a->cols - j < SUM_COLUMNS ? a->cols - j : SUM_COLUMNS;
		double sum[SUM_COLUMNS] = {0};
		for (int row = 0; row < a->rows; row++)
			for (int l = 0; l < n; l++) sum[l] += a->in[(int64_t)row * a->cols + j + l];
		for (int l = 0; l < n; l++) {
			const float s = (float)(scale * sum[l]);
			a->out[j + l] = a->accumulate ? a->out[j + l] + s : s;
		}
	}
}
const vk_fn vk_sum_rows = sum_rows;
