// Pooling over windows for one instruction set: plain loops over channels, which the compiler makes vectors of. They round step by step, so
// every set gives the same bits.

// What a window reads: the pixels, and the divisor of an average.
typedef struct {
	vk_span p, q;
	float count;
} VK(window_at);

static VK(window_at) VK(find_window)(const vk_window *w, const vk_act *x, int p, int q) {
	VK(window_at) at = {
		vk_window_span(p, w->stride, w->pad_top, w->r, x->h),
		vk_window_span(q, w->stride, w->pad_left, w->s, x->w),
		(float)w->r * (float)w->s,
	};
	if (!w->count_pad) at.count = (float)(at.p.to - at.p.from) * (float)(at.q.to - at.q.from);
	return at;
}

static void VK(window_max)(float *restrict y, const float *image, const vk_act *x, const VK(window_at) *at) {
	for (int p = at->p.from; p < at->p.to; p++) {
		for (int q = at->q.from; q < at->q.to; q++) {
			const float *restrict v = image + p * vk_act_row(x) + (int64_t)q * x->c;
			if (p == at->p.from && q == at->q.from)
				memcpy(y, v, sizeof(float) * (size_t)x->c);
			else
				for (int k = 0; k < x->c; k++) y[k] = vk_window_takes(v[k], y[k]) ? v[k] : y[k];
		}
	}
}

static void VK(window_mean)(float *restrict y, const float *image, const vk_act *x, const VK(window_at) *at) {
	memset(y, 0, sizeof(float) * (size_t)x->c);
	for (int p = at->p.from; p < at->p.to; p++) {
		for (int q = at->q.from; q < at->q.to; q++) {
			const float *restrict v = image + p * vk_act_row(x) + (int64_t)q * x->c;
			for (int k = 0; k < x->c; k++) y[k] += v[k];
		}
	}
	for (int k = 0; k < x->c; k++) y[k] /= at->count;
}

static void VK(vk_window_fwd_fn)(const void *args, int begin, int end) {
	const vk_window_fwd_args *a = args;
	for (int i = begin; i < end; i++) {
		const float *image = vk_act_image(&a->x, i);
		for (int p = 0; p < a->y.h; p++) {
			float *y = vk_act_image(&a->y, i) + p * vk_act_row(&a->y);
			for (int q = 0; q < a->y.w; q++, y += a->y.c) {
				const VK(window_at) at = VK(find_window)(&a->w, &a->x, p, q);
				if (a->w.is_max)
					VK(window_max)(y, image, &a->x, &at);
				else
					VK(window_mean)(y, image, &a->x, &at);
			}
		}
	}
}

// Adds n channels of dy to the maxima of a window of x.
V_INLINE void VK(give_maxima)(float *dx, const vk_act *to, const float *x, const vk_act *from, const float *dy, const VK(window_at) *at, int n) {
	float best[16];
	int32_t place[16];
	for (int j = 0; j < n; j++) {
		best[j] = -INFINITY;
		place[j] = (int32_t)(at->p.from * vk_act_row(to)) + at->q.from * to->c;
	}
	for (int p = at->p.from; p < at->p.to; p++) {
		for (int q = at->q.from; q < at->q.to; q++) {
			const float *v = x + p * vk_act_row(from) + (int64_t)q * from->c;
			const int32_t here = (int32_t)(p * vk_act_row(to)) + q * to->c;
			for (int j = 0; j < n; j++) {
				const int takes = vk_window_takes(v[j], best[j]);
				best[j] = takes ? v[j] : best[j];
				place[j] = takes ? here : place[j];
			}
		}
	}
	for (int j = 0; j < n; j++) dx[place[j] + j] += dy[j];
}

static void VK(give_mean)(float *dx, const vk_act *to, const float *restrict dy, const VK(window_at) *at) {
	for (int p = at->p.from; p < at->p.to; p++) {
		for (int q = at->q.from; q < at->q.to; q++) {
			float *restrict d = dx + p * vk_act_row(to) + (int64_t)q * to->c;
			for (int k = 0; k < to->c; k++) d[k] += dy[k] / at->count;
		}
	}
}

static void VK(vk_window_bwd_fn)(const void *args, int begin, int end) {
	const vk_window_bwd_args *a = args;
	const int c = a->dx.c;
	for (int i = begin; i < end; i++) {
		float *dx = vk_act_image(&a->dx, i);
		for (int p = 0; p < a->dx.h && !a->accumulate; p++)
			memset(dx + p * vk_act_row(&a->dx), 0, sizeof(float) * (size_t)a->dx.w * (size_t)c);
		for (int p = 0; p < a->dy.h; p++) {
			const float *dy = vk_act_image(&a->dy, i) + p * vk_act_row(&a->dy);
			for (int q = 0; q < a->dy.w; q++, dy += c) {
				const VK(window_at) at = VK(find_window)(&a->w, &a->dx, p, q);
				if (!a->w.is_max) {
					VK(give_mean)(dx, &a->dx, dy, &at);
					continue;
				}
				const float *x = vk_act_image(&a->x, i);
				int k = 0;
				for (; k + 16 <= c; k += 16) VK(give_maxima)(dx + k, &a->dx, x + k, &a->x, dy + k, &at, 16);
				if (k < c) VK(give_maxima)(dx + k, &a->dx, x + k, &a->x, dy + k, &at, c - k);
			}
		}
	}
}
