// Kernel similarity, for one instruction set: see kernels.h.
// ||a - b||^2 over n <= VK_SIMILARITY_BLOCK values: 16 lanes in float32.
static float VK(distance2)(const float *a, const float *b, int n) {
	v16 sum = v_zero();
	int i = 0;
	for (; i + 16 <= n; i += 16) {
		const v16 d = v_sub(v_load(a + i), v_load(b + i));
		sum = v_mul_add(d, d, sum);
	}
	if (i < n) {
		const v16 d = v_sub(v_load_n(a + i, n - i), v_load_n(b + i, n - i));
		sum = v_mul_add(d, d, sum);
	}
	return v_sum(sum);
}

// dw += sum over j != self, in order, of c[j] * (w_self - w_j), for 16 places or, n < 16, fewer.
static inline void VK(pull)(const float *const *w, int self, int bits, const float *c, int64_t at, int n, float *dw) {
	const v16 x = n < 16 ? v_load_n(w[self] + at, n) : v_load(w[self] + at);
	v16 sum = n < 16 ? v_load_n(dw + at, n) : v_load(dw + at);
	for (int j = 0; j < bits; j++) {
		if (j == self) continue;
		const v16 d = v_sub(x, n < 16 ? v_load_n(w[j] + at, n) : v_load(w[j] + at));
		sum = v_mul_add(v_set1(c[j]), d, sum);
	}
	if (n < 16) v_store_n(dw + at, sum, n);
	else v_store(dw + at, sum);
}

static void VK(vk_similarity_fn)(const void *args, int begin, int end) {
	(void)begin, (void)end;
	const vk_similarity_args *a = args;
	const float *w[VK_MAX_BITS];
	double norm2[VK_MAX_BITS][VK_MAX_BITS] = {{0}}, value = 0;
	float c[VK_MAX_BITS][VK_MAX_BITS] = {{0}};
	for (int i = 0; i < a->bits; i++) w[i] = a->w + i * a->len;
	for (int64_t at = 0; at < a->len; at += VK_SIMILARITY_BLOCK) {
		const int n = a->len - at < VK_SIMILARITY_BLOCK ? (int)(a->len - at) : VK_SIMILARITY_BLOCK;
		for (int i = 0; i < a->bits; i++)
			for (int j = i + 1; j < a->bits; j++) norm2[i][j] += VK(distance2)(w[i] + at, w[j] + at, n);
	}
	for (int i = 0; i < a->bits; i++)
		for (int j = i + 1; j < a->bits; j++) {
			const double d = sqrt(norm2[i][j] + 1e-12);
			value += d;
			c[i][j] = c[j][i] = (float)(*a->weight / d);
		}
	*a->value = (float)value;
	for (int64_t at = 0; at < a->len; at += 16)
		for (int i = 0; i < a->bits; i++) {
			const int n = a->len - at < 16 ? (int)(a->len - at) : 16;
			VK(pull)(w, i, a->bits, c[i], at, n, a->dw + i * a->len);
		}
}
