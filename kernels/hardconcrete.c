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

static void channel_gates(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_channel_gates_args *a = args;
	for (int layer = 0; layer < a->layers; layer++) {
		double open = 0;
		for (int lane = 0; lane < VK_CHANNEL_LANES; lane++) open += vk_channel_gates_lane(a, layer, lane);
		vk_channel_gates_cost(a, layer, open);
	}
}

static void channel_gates_grad(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_channel_gates_grad_args *a = args;
	for (int layer = 0; layer < a->layers; layer++)
		for (int lane = 0; lane < VK_CHANNEL_LANES; lane++) vk_channel_gates_grad_lane(a, layer, lane);
}

const vk_fn vk_hard_concrete = hard_concrete, vk_hard_concrete_grad = hard_concrete_grad;
const vk_fn vk_channel_gates = channel_gates, vk_channel_gates_grad = channel_gates_grad;
