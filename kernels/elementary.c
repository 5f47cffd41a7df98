#include "elementary.h"
#include "kernels.h"
#include "philox.h"

static void elementary(const void *args, int begin, int end) {
	const vk_elementary_args *a = args;
	for (int i = begin; i < end; i++)
		a->y[i] = a->op == VK_EXP ? vk_expf(a->x[i]) : a->op == VK_LOG ? vk_logf(a->x[i]) : vk_tanhf(a->x[i]);
}

static void philox(const void *args, int begin, int end) {
	const vk_philox_args *a = args;
	for (int i = begin; i < end; i++) {
		const uint32_t counter[4] = {a->counter[0] + (uint32_t)i, a->counter[1], a->counter[2], a->counter[3]};
		vk_philox4x32(counter, a->key, a->out + 4 * (int64_t)i);
	}
}

const vk_fn vk_elementary = elementary, vk_philox = philox;
