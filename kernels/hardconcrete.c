// Hard-concrete gates in a nest. Serial and small, as gates.c; the penalty is summed over the rows in double, in order.
#include "hardconcrete.h"

static void hard_concrete(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_hard_concrete_args *a = args;
	for (int g = 0; g < a->gates; g++) vk_hard_concrete_row(a, g);
}

static void hard_concrete_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_hard_concrete_grad_args *a = args;
	double total = 0;
	for (int g = 0; g < a->gates; g++) total += vk_hard_concrete_grad_row(a, g, *a->mu);
	*a->penalty = (float)total;
}

const vk_fn vk_hard_concrete = hard_concrete, vk_hard_concrete_grad = hard_concrete_grad;
