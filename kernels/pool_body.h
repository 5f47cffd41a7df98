// Global average pooling for one instruction set; lanes are channels, pixels are added row by row.

V_INLINE v16 VK(load_some)(const float *p, int n) { return n == 16 ? v_load(p) : v_load_n(p, n); }

V_INLINE void VK(store_some)(float *p, v16 v, int n) {
	if (n == 16)
		v_store(p, v);
	else
		v_store_n(p, v, n);
}

static void VK(vk_avgpool_fwd_fn)(const void *args, int begin, int end) {
	const vk_pool_args *a = args;
	const v16 count = v_set1((float)a->x.h * (float)a->x.w);
	for (int i = begin; i < end; i++) {
		for (int k = 0; k < a->x.c; k += 16) {
			const int n = a->x.c - k < 16 ? a->x.c - k : 16;
			v16 sum = v_zero();
			for (int p = 0; p < a->x.h; p++) {
				const float *x = vk_act_image(&a->x, i) + p * vk_act_row(&a->x) + k;
				for (int q = 0; q < a->x.w; q++) sum = v_add(sum, VK(load_some)(x + (int64_t)q * a->x.c, n));
			}
			VK(store_some)(vk_act_image(&a->y, i) + k, v_div(sum, count), n);
		}
	}
}

static void VK(vk_avgpool_bwd_fn)(const void *args, int begin, int end) {
	const vk_pool_args *a = args;
	const v16 count = v_set1((float)a->x.h * (float)a->x.w);
	for (int i = begin; i < end; i++) {
		for (int k = 0; k < a->x.c; k += 16) {
			const int n = a->x.c - k < 16 ? a->x.c - k : 16;
			const v16 dy = v_div(VK(load_some)(vk_act_image(&a->y, i) + k, n), count);
			for (int p = 0; p < a->x.h; p++) {
				float *dx = vk_act_image(&a->x, i) + p * vk_act_row(&a->x) + k;
				for (int q = 0; q < a->x.w; q++, dx += a->x.c)
					VK(store_some)(dx, a->accumulate ? v_add(VK(load_some)(dx, n), dy) : dy, n);
			}
		}
	}
}
