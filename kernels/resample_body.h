// Resampling for one instruction set; lanes are channels.

V_INLINE v16 VK(resample_pixel)(const vk_act *t, const float *x, const int32_t *rows, const float *row_weight, int row_taps, const int32_t *cols,
                                const float *col_weight, int col_taps, int n) {
	v16 sum = v_set1(-0.0f);
	for (int i = 0; i < row_taps && rows[i] >= 0; i++) {
		const float *row = x + rows[i] * vk_act_row(t);
		v16 line = v_set1(-0.0f);
		for (int j = 0; j < col_taps && cols[j] >= 0; j++) {
			const float *v = row + (int64_t)cols[j] * t->c;
			line = v_mul_add(v_set1(col_weight[j]), n == 16 ? v_load(v) : v_load_n(v, n), line);
		}
		sum = v_mul_add(v_set1(row_weight[i]), line, sum);
	}
	return sum;
}

V_INLINE void VK(resample_store)(float *y, v16 v, int accumulate, int n) {
	if (accumulate) v = v_add(n == 16 ? v_load(y) : v_load_n(y, n), v);
	if (n == 16)
		v_store(y, v);
	else
		v_store_n(y, v, n);
}

static void VK(vk_resample_fn)(const void *args, int begin, int end) {
	const vk_resample_args *a = args;
	const vk_taps *r = &a->rows, *s = &a->cols;
	const int c = a->y.c;
	for (int i = begin; i < end; i++) {
		const float *x = vk_act_image(&a->x, i);
		for (int p = 0; p < a->y.h; p++) {
			float *y = vk_act_image(&a->y, i) + p * vk_act_row(&a->y);
			const int64_t row = (int64_t)p * r->taps;
			for (int q = 0; q < a->y.w; q++, y += c) {
				const int64_t col = (int64_t)q * s->taps;
				for (int k = 0; k < c; k += 16) {
					const int n = c - k < 16 ? c - k : 16;
					const v16 v = VK(resample_pixel)(&a->x, x + k, r->at + row, r->weight + row, r->taps, s->at + col, s->weight + col, s->taps, n);
					VK(resample_store)(y + k, v, a->accumulate, n);
				}
			}
		}
	}
}
