// Activation functions and products for one instruction set. The compiler makes vectors of the plain loops; ivdep says that an output which is
// also an input is so value by value.

// A row of w pixels; kind is known when this is compiled.
V_INLINE void VK(activate_row)(const vk_activate_fwd_args *a, const float *x, float *y, const int kind) {
	const int c = a->x.c;
	if (kind != VK_ACT_PRELU) {
		const float alpha = a->alpha, beta = a->beta;
#pragma GCC ivdep
		for (int i = 0; i < a->x.w * c; i++) y[i] = vk_activation(kind, x[i], alpha, beta);
		return;
	}
	const float *slope = a->slope;
	for (int q = 0; q < a->x.w; q++, x += c, y += c)
#pragma GCC ivdep
		for (int k = 0; k < c; k++) y[k] = vk_activation(kind, x[k], slope[k], 0);
}

V_INLINE void VK(activate_image)(const vk_activate_fwd_args *a, int i, const int kind) {
	for (int p = 0; p < a->x.h; p++)
		VK(activate_row)(a, vk_act_image(&a->x, i) + p * vk_act_row(&a->x), vk_act_image(&a->y, i) + p * vk_act_row(&a->y), kind);
}

V_INLINE void VK(activate_bwd_row)(const vk_activate_bwd_args *a, const float *x, const float *dy, float *dx, float *sum, const int kind, const int add) {
	const int c = a->x.c;
	if (kind != VK_ACT_PRELU) {
		const float alpha = a->alpha, beta = a->beta;
#pragma GCC ivdep
		for (int i = 0; i < a->x.w * c; i++) {
			const float d = dy[i] * vk_activation_slope(kind, x[i], alpha, beta);
			dx[i] = add ? dx[i] + d : d;
		}
		return;
	}
	const float *slope = a->slope;
	for (int q = 0; q < a->x.w; q++, x += c, dy += c, dx += c) {
		if (sum)
#pragma GCC ivdep
			for (int k = 0; k < c; k++) sum[k] += x[k] > 0 ? 0.0f : dy[k] * x[k];
#pragma GCC ivdep
		for (int k = 0; k < c; k++) {
			const float d = dy[k] * vk_activation_slope(kind, x[k], slope[k], 0);
			dx[k] = add ? dx[k] + d : d;
		}
	}
}

V_INLINE void VK(activate_bwd_image)(const vk_activate_bwd_args *a, int i, const int kind) {
	float *sum = a->partial ? a->partial + (int64_t)i * a->x.c : 0;
	for (int k = 0; sum && k < a->x.c; k++) sum[k] = 0;
	for (int p = 0; p < a->x.h; p++) {
		const float *x = vk_act_image(&a->x, i) + p * vk_act_row(&a->x), *dy = vk_act_image(&a->dy, i) + p * vk_act_row(&a->dy);
		float *dx = vk_act_image(&a->dx, i) + p * vk_act_row(&a->dx);
		if (a->accumulate)
			VK(activate_bwd_row)(a, x, dy, dx, sum, kind, 1);
		else
			VK(activate_bwd_row)(a, x, dy, dx, sum, kind, 0);
	}
}

// Calls f(a, i, kind) with the kind as a constant.
#define VK_OF_KIND(f)                                                      \
	switch (a->kind) {                                                     \
	case VK_ACT_CLIP: f(a, i, VK_ACT_CLIP); break;                         \
	case VK_ACT_LEAKY: f(a, i, VK_ACT_LEAKY); break;                       \
	case VK_ACT_PRELU: f(a, i, VK_ACT_PRELU); break;                       \
	case VK_ACT_HARD_SIGMOID: f(a, i, VK_ACT_HARD_SIGMOID); break;         \
	case VK_ACT_HARD_SWISH: f(a, i, VK_ACT_HARD_SWISH); break;             \
	case VK_ACT_SIGMOID: f(a, i, VK_ACT_SIGMOID); break;                   \
	case VK_ACT_SILU: f(a, i, VK_ACT_SILU); break;                         \
	case VK_ACT_TANH: f(a, i, VK_ACT_TANH); break;                         \
	}

static void VK(vk_activate_fwd_fn)(const void *args, int begin, int end) {
	const vk_activate_fwd_args *a = args;
	for (int i = begin; i < end; i++) VK_OF_KIND(VK(activate_image))
}

static void VK(vk_activate_bwd_fn)(const void *args, int begin, int end) {
	const vk_activate_bwd_args *a = args;
	for (int i = begin; i < end; i++) VK_OF_KIND(VK(activate_bwd_image))
}
#undef VK_OF_KIND

// n products; b moves on with a.
V_INLINE void VK(multiply_values)(const float *a, const float *b, float *y, int n, int add) {
	if (add)
#pragma GCC ivdep
		for (int i = 0; i < n; i++) y[i] = y[i] + a[i] * b[i];
	else
#pragma GCC ivdep
		for (int i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void VK(vk_multiply_fn)(const void *args, int begin, int end) {
	const vk_multiply_args *m = args;
	const int c = m->a.c, w = m->a.w, one = m->b.h == 1 && m->b.w == 1;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < m->a.h; p++) {
			const float *a = vk_act_image(&m->a, i) + p * vk_act_row(&m->a), *b = vk_act_image(&m->b, i);
			float *y = vk_act_image(&m->y, i) + p * vk_act_row(&m->y);
			if (!one) VK(multiply_values)(a, b + p * vk_act_row(&m->b), y, w * c, m->accumulate);
			for (int q = 0; one && q < w; q++) VK(multiply_values)(a + (int64_t)q * c, b, y + (int64_t)q * c, c, m->accumulate);
		}
	}
}

V_INLINE v16 VK(load_values)(const float *p, int n) { return n == 16 ? v_load(p) : v_load_n(p, n); }

static void VK(vk_multiply_sum_fn)(const void *args, int begin, int end) {
	const vk_multiply_args *m = args;
	const int c = m->a.c;
	for (int i = begin; i < end; i++) {
		for (int k = 0; k < c; k += 16) {
			const int n = c - k < 16 ? c - k : 16;
			v16 sum = v_zero();
			for (int p = 0; p < m->a.h; p++) {
				const float *a = vk_act_image(&m->a, i) + p * vk_act_row(&m->a) + k, *b = vk_act_image(&m->b, i) + p * vk_act_row(&m->b) + k;
				for (int q = 0; q < m->a.w; q++, a += c, b += c) sum = v_add(sum, v_mul(VK(load_values)(a, n), VK(load_values)(b, n)));
			}
			float *y = vk_act_image(&m->y, i) + k;
			v_store_n(y, m->accumulate ? v_add(VK(load_values)(y, n), sum) : sum, n);
		}
	}
}
