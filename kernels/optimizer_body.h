// SGD with momentum (no dampening, not Nesterov), for one instruction set: see kernels.h.
static inline void VK(sgd16)(const vk_optimizer_args *a, v16 lr, int64_t at, int n) {
	const v16 p = v_load_n(a->p + at, n), g = v_load_n(a->g + at, n), m = v_load_n(a->m + at, n);
	const v16 next = v_mul_add(v_set1(a->momentum), m, v_mul_add(v_set1(a->decay), p, g));
	v_store_n(a->m + at, next, n);
	v_store_n(a->p + at, v_neg_mul_add(lr, next, p), n);
	v_store_n(a->g + at, v_zero(), n);
}

static void VK(vk_sgd_fn)(const void *args, int begin, int end) {
	const vk_optimizer_args *a = args;
	const int64_t first = (int64_t)begin * VK_OPT_BLOCK, stop = (int64_t)end * VK_OPT_BLOCK;
	const int64_t last = stop < a->len ? stop : a->len;
	const v16 lr = v_set1(*a->lr);
	int64_t at = first;
	for (; at + 16 <= last; at += 16) VK(sgd16)(a, lr, at, 16);
	if (at < last) VK(sgd16)(a, lr, at, (int)(last - at));
}
