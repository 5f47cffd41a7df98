// The optimizers, over flat groups of parameters. SGD (most of the parameters) is vectorised; Adam and
// LogAdam (thousands of values) are plain C, one chain of explicit fmaf a value.
#define VK_BODY "optimizer_body.h"
#include "each_isa.h"
#include "elementary.h"

// Moves the moments of value i to gradient g and returns mhat/(sqrt(vhat) + eps).
static float adam_direction(const vk_optimizer_args *a, int64_t i, float g) {
	const float rest1 = (float)(1 - a->beta1), rest2 = (float)(1 - a->beta2);
	a->m[i] = fmaf((float)a->beta1, a->m[i], rest1 * g);
	a->v[i] = fmaf((float)a->beta2, a->v[i], rest2 * g * g);
	return (a->m[i] / a->bias[0]) / (sqrtf(a->v[i] / a->bias[1]) + a->eps);
}

static int64_t last_value(const vk_optimizer_args *a, int end) {
	const int64_t stop = (int64_t)end * VK_OPT_BLOCK;
	return stop < a->len ? stop : a->len;
}

static void adam(const void *args, int begin, int end) {
	const vk_optimizer_args *a = args;
	const float lr = *a->lr;
	for (int64_t i = (int64_t)begin * VK_OPT_BLOCK; i < last_value(a, end); i++) {
		a->p[i] = fmaf(-lr, adam_direction(a, i, a->g[i]), a->p[i]);
		a->g[i] = 0;
	}
}

static void logadam(const void *args, int begin, int end) {
	const vk_optimizer_args *a = args;
	const float lr = *a->lr;
	for (int64_t i = (int64_t)begin * VK_OPT_BLOCK; i < last_value(a, end); i++) {
		const float p = a->p[i] * vk_expf(-lr * adam_direction(a, i, a->p[i] * a->g[i]));
		a->p[i] = p < 1e-6f ? 1e-6f : p; // NaN stays NaN
		a->g[i] = 0;
	}
}

const vk_fn vk_sgd[VK_ISAS] = VK_TABLE(vk_sgd_fn);
const vk_fn vk_adam = adam, vk_logadam = logadam;
