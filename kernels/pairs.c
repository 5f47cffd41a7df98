// Gates over pairs of weight and input bits. Serial and small, as gates.c.
#include "pairs.h"

static void pair_marginals(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_pair_args *a = args;
	for (int row = 0; row < a->rows; row++) vk_pair_marginals_row(a, row);
}

static void pair_marginals_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_pair_args *a = args;
	for (int row = 0; row < a->rows; row++) vk_pair_marginals_grad_row(a, row);
}

const vk_fn vk_pair_marginals = pair_marginals, vk_pair_marginals_grad = pair_marginals_grad;
