// Batch norm for one instruction set. Lanes are channels; sums over the pixels of a row run in four
// chains, so that additions overlap: pixel q in chain q mod 4, the last w mod 4 pixels in chain 0. The
// portable form has no copy of its loops for full vectors: it would be big and hardly faster.

V_INLINE v16 VK(load_lanes)(const float *p, int n) { return n == 16 ? v_load(p) : v_load_n(p, n); }

V_INLINE void VK(store_lanes)(float *p, v16 v, int n) {
	if (n == 16)
		v_store(p, v);
	else
		v_store_n(p, v, n);
}

// Sums y - mean, or where square its square, over the pixels of an image; n channels.
V_INLINE v16 VK(pixel_sum)(const float *y, const pixel_rows *g, v16 mean, const int square, const int n) {
	v16 s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
	for (int row = 0; row < g->rows; row++) {
		const float *p = y + row * g->row;
		int q = 0;
		for (; q + 4 <= g->len; q += 4) {
#pragma GCC unroll 4
			for (int j = 0; j < 4; j++) {
				const v16 d = v_sub(VK(load_lanes)(p + (int64_t)(q + j) * g->c, n), mean);
				s[j] = square ? v_mul_add(d, d, s[j]) : v_add(s[j], d);
			}
		}
		for (; q < g->len; q++) {
			const v16 d = v_sub(VK(load_lanes)(p + (int64_t)q * g->c, n), mean);
			s[0] = square ? v_mul_add(d, d, s[0]) : v_add(s[0], d);
		}
	}
	return v_add(v_add(s[0], s[1]), v_add(s[2], s[3]));
}

V_INLINE void VK(norm_stats_block)(const float *y, const pixel_rows *g, float *partial, const int n) {
	const v16 count = v_set1((float)g->rows * (float)g->len);
	const v16 mean = v_div(VK(pixel_sum)(y, g, v_zero(), 0, n), count);
	VK(store_lanes)(partial, mean, n);
	VK(store_lanes)(partial + g->c, VK(pixel_sum)(y, g, mean, 1, n), n);
}

static void VK(vk_norm_stats_fn)(const void *args, int begin, int end) {
	const vk_norm_stats_args *a = args;
	const pixel_rows g = pixel_rows_of(&a->y);
	for (int i = begin; i < end; i++) {
		const float *y = vk_act_image(&a->y, i);
		float *partial = a->partial + (int64_t)i * 2 * g.c;
		int k = 0;
		for (; VK_ISA && k + 16 <= g.c; k += 16) VK(norm_stats_block)(y + k, &g, partial + k, 16);
		for (; k < g.c; k += 16) VK(norm_stats_block)(y + k, &g, partial + k, lanes_from(k, g.c));
	}
}

// The n lanes of a shortcut whose first lane is channel k of `channels`; lanes outside are 0.
V_INLINE v16 VK(load_shortcut)(const float *t, int k, int channels, int n) {
	if (k >= 0 && k + n <= channels) return VK(load_lanes)(t + k, n);
	float lanes[16] = {0};
	for (int j = 0; j < n; j++)
		if (k + j >= 0 && k + j < channels) lanes[j] = t[k + j];
	return v_load(lanes);
}

V_INLINE void VK(store_shortcut)(float *t, v16 v, int k, int channels, int n, int add) {
	if (k >= 0 && k + n <= channels) {
		VK(store_lanes)(t + k, add ? v_add(VK(load_lanes)(t + k, n), v) : v, n);
		return;
	}
	float lanes[16];
	v_store(lanes, v);
	for (int j = 0; j < n; j++)
		if (k + j >= 0 && k + j < channels) t[k + j] = add ? t[k + j] + lanes[j] : lanes[j];
}

// One row of n channels from channel k on; t: the shortcut's row, null where it has none of the channels.
V_INLINE void VK(norm_apply_row)(const vk_norm_apply_args *a, const float *y, float *out, const float *t, int k, const int n) {
	const v16 scale = a->scale ? VK(load_lanes)(a->scale + k, n) : v_set1(1);
	const v16 shift = a->scale ? VK(load_lanes)(a->shift + k, n) : v_zero();
	const vk_shortcut *s = &a->shortcut;
	const int64_t c = a->y.c, step = (int64_t)s->stride * s->t.c;
	for (int q = 0; q < a->y.w; q++) {
		v16 v = v_mul_add(scale, VK(load_lanes)(y + q * c + k, n), shift);
		if (t) v = v_add(v, VK(load_shortcut)(t + q * step, k - s->offset, s->t.c, n));
		if (a->relu) v = v_max(v_zero(), v); // max and min return their second operand where that is NaN
		if (a->cap > 0) v = v_min(v_set1(a->cap), v);
		VK(store_lanes)(out + q * c + k, v, n);
	}
}

static void VK(vk_norm_apply_fn)(const void *args, int begin, int end) {
	const vk_norm_apply_args *a = args;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < a->y.h; p++) {
			const float *y = vk_act_image(&a->y, i) + p * vk_act_row(&a->y);
			float *out = vk_act_image(&a->a, i) + p * vk_act_row(&a->a);
			int k = 0;
			for (; VK_ISA && k + 16 <= a->y.c; k += 16) VK(norm_apply_row)(a, y, out, shortcut_row(&a->shortcut, i, p, k, 16), k, 16);
			for (; k < a->y.c; k += 16) {
				const int n = lanes_from(k, a->y.c);
				VK(norm_apply_row)(a, y, out, shortcut_row(&a->shortcut, i, p, k, n), k, n);
			}
		}
	}
}

// Masks n lanes of the gradient at the pixel, gives them to the shortcut and adds them to the two sums.
V_INLINE void VK(bwd_pixel)(const vk_norm_bwd_reduce_args *r, float *da, const float *a, const float *y, float *t, int k,
                            const int n, v16 mean, v16 *sum, v16 *sum_dev) {
	v16 d = VK(load_lanes)(da, n);
	if (r->relu) {
		const v16 out = VK(load_lanes)(a, n);
		d = v_keep(v_gt(out, v_zero()), d);
		if (r->cap > 0) d = v_keep(v_gt(v_set1(r->cap), out), d);
		VK(store_lanes)(da, d, n);
	}
	if (t) VK(store_shortcut)(t, d, k - r->dshortcut.offset, r->dshortcut.t.c, n, r->shortcut_accumulate);
	if (!y) return;
	*sum = v_add(*sum, d);
	*sum_dev = v_mul_add(d, v_sub(VK(load_lanes)(y, n), mean), *sum_dev);
}

// The n channels of image i from channel k on.
V_INLINE void VK(bwd_block)(const vk_norm_bwd_reduce_args *r, int i, int k, const int n) {
	const v16 mean = r->partial ? VK(load_lanes)(r->mean + k, n) : v_zero();
	v16 s[4] = {v_zero(), v_zero(), v_zero(), v_zero()}, dev[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
	const int64_t c = r->da.c, step = (int64_t)r->dshortcut.stride * r->dshortcut.t.c;
	for (int p = 0; p < r->da.h; p++) {
		float *da = vk_act_image(&r->da, i) + p * vk_act_row(&r->da) + k;
		const float *a = r->relu ? vk_act_image(&r->a, i) + p * vk_act_row(&r->a) + k : 0;
		const float *y = r->partial ? vk_act_image(&r->y, i) + p * vk_act_row(&r->y) + k : 0;
		float *t = shortcut_row(&r->dshortcut, i, p, k, n);
		int q = 0;
#define VK_PIXEL(j) \
	VK(bwd_pixel)(r, da + (q + j) * c, a ? a + (q + j) * c : 0, y ? y + (q + j) * c : 0, t ? t + (q + j) * step : 0, k, n, mean, s + j, dev + j)
		for (; q + 4 <= r->da.w; q += 4) {
			VK_PIXEL(0);
			VK_PIXEL(1);
			VK_PIXEL(2);
			VK_PIXEL(3);
		}
		for (; q < r->da.w; q++) VK_PIXEL(0);
#undef VK_PIXEL
	}
	if (!r->partial) return;
	float *partial = r->partial + (int64_t)i * 2 * c + k;
	VK(store_lanes)(partial, v_add(v_add(s[0], s[1]), v_add(s[2], s[3])), n);
	const v16 sum_dev = v_add(v_add(dev[0], dev[1]), v_add(dev[2], dev[3]));
	VK(store_lanes)(partial + c, v_mul(sum_dev, VK(load_lanes)(r->inv + k, n)), n);
}

static void VK(vk_norm_bwd_reduce_fn)(const void *args, int begin, int end) {
	const vk_norm_bwd_reduce_args *r = args;
	for (int i = begin; i < end; i++) {
		if (r->dshortcut.t.p && !r->shortcut_accumulate) shortcut_clear(&r->dshortcut, &r->da, i);
		int k = 0;
		for (; VK_ISA && k + 16 <= r->da.c; k += 16) VK(bwd_block)(r, i, k, 16);
		for (; k < r->da.c; k += 16) VK(bwd_block)(r, i, k, lanes_from(k, r->da.c));
	}
}

V_INLINE void VK(bwd_apply_row)(const vk_norm_bwd_apply_args *a, const float *d, const float *y, float *dy, int k, const int n) {
	const int64_t c = a->d.c;
	const v16 fd = VK(load_lanes)(a->coef + k, n), fy = VK(load_lanes)(a->coef + c + k, n), f1 = VK(load_lanes)(a->coef + 2 * c + k, n);
	for (int64_t at = k; at < a->d.w * c; at += c) {
		const v16 rest = v_mul_add(fy, VK(load_lanes)(y + at, n), f1);
		VK(store_lanes)(dy + at, v_mul_add(fd, VK(load_lanes)(d + at, n), rest), n);
	}
}

static void VK(vk_norm_bwd_apply_fn)(const void *args, int begin, int end) {
	const vk_norm_bwd_apply_args *a = args;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < a->d.h; p++) {
			const float *d = vk_act_image(&a->d, i) + p * vk_act_row(&a->d);
			const float *y = vk_act_image(&a->y, i) + p * vk_act_row(&a->y);
			float *dy = vk_act_image(&a->dy, i) + p * vk_act_row(&a->dy);
			int k = 0;
			for (; VK_ISA && k + 16 <= a->d.c; k += 16) VK(bwd_apply_row)(a, d, y, dy, k, 16);
			for (; k < a->d.c; k += 16) VK(bwd_apply_row)(a, d, y, dy, k, lanes_from(k, a->d.c));
		}
	}
}
