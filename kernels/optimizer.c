// The optimizers, over flat groups of parameters. SGD (most of the parameters) is vectorised; Adam and
// LogAdam (thousands of values) are plain C, one chain of explicit fmaf a value.
#define VK_BODY "optimizer_body.h"
#include "each_isa.h"
#include "optimizer.h"

static int64_t last_value(const vk_optimizer_args *a, int end) {
	const int64_t stop = (int64_t)end * VK_OPT_BLOCK;
	return stop < a->len ? stop : a->len;
}

static void adam(const void *args, int begin, int end) {
	const vk_optimizer_args *a = args;
	const float lr = *a->lr;
	for (int64_t i = (int64_t)begin * VK_OPT_BLOCK; i < last_value(a, end); i++) {
		a->p[i] = vk_adam_value(a, lr, a->p[i], a->g[i], a->m + i, a->v + i);
		a->g[i] = 0;
	}
}

static void logadam(const void *args, int begin, int end) {
	const vk_optimizer_args *a = args;
	const float lr = *a->lr;
	for (int64_t i = (int64_t)begin * VK_OPT_BLOCK; i < last_value(a, end); i++) {
		a->p[i] = vk_logadam_value(a, lr, a->p[i], a->g[i], a->m + i, a->v + i);
		a->g[i] = 0;
	}
}

const vk_fn vk_sgd[VK_ISAS] = VK_TABLE(vk_sgd_fn);
const vk_fn vk_adam = adam, vk_logadam = logadam;
