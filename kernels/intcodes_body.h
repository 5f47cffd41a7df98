// Codes of inputs and of filters for one instruction set.

// 16 codes as int32; those of NaN have low byte 0.
#if VK_ISA == 512
typedef __m512i VK(i16);
V_INLINE VK(i16) VK(to_int)(v16 a) { return _mm512_cvtps_epi32(a); }
V_INLINE void VK(put_bytes)(uint8_t *p, VK(i16) a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }
#elif VK_ISA == 2
typedef struct { __m256i lo, hi; } VK(i16);
V_INLINE VK(i16) VK(to_int)(v16 a) { return (VK(i16)){_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
V_INLINE void VK(put_bytes)(uint8_t *p, VK(i16) a) {
	const __m256i byte = _mm256_set1_epi32(255), lo = _mm256_and_si256(a.lo, byte), hi = _mm256_and_si256(a.hi, byte);
	const __m128i l = _mm_packus_epi32(_mm256_castsi256_si128(lo), _mm256_extracti128_si256(lo, 1));
	const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(hi), _mm256_extracti128_si256(hi, 1));
	_mm_storeu_si128((__m128i *)p, _mm_packus_epi16(l, h));
}
#else
typedef struct { int32_t i[16]; } VK(i16);
V_INLINE VK(i16) VK(to_int)(v16 a) {
	VK(i16) r;
	for (int i = 0; i < 16; i++) r.i[i] = a.f[i] == a.f[i] ? (int32_t)a.f[i] : 0;
	return r;
}
V_INLINE void VK(put_bytes)(uint8_t *p, VK(i16) a) {
	for (int i = 0; i < 16; i++) p[i] = (uint8_t)a.i[i];
}
#endif

// vk_quant_code, lane by lane; without fused operations by the division itself.
V_INLINE VK(i16) VK(codes16)(v16 x, vk_quant q) {
	const v16 step = v_set1(q.step);
	x = v_min(v_set1(q.hi), v_max(v_set1(q.lo), x)); // the second operand, x, where it is NaN
#if VK_ISA == 0
	return VK(to_int)(v_rint(v_div(x, step)));
#else
	const v16 inv = v_set1(q.inv), v = v_mul(x, inv);
	return VK(to_int)(v_rint(v_mul_add(v_neg_mul_add(v, step, x), inv, v)));
#endif
}

static void VK(codes_of_row)(const float *x, uint8_t *codes, int len, vk_quant q) {
	int i = 0;
	for (; i + 16 <= len; i += 16) VK(put_bytes)(codes + i, VK(codes16)(v_load(x + i), q));
	if (i == len) return;
	uint8_t last[16];
	VK(put_bytes)(last, VK(codes16)(v_load_n(x + i, len - i), q));
	memcpy(codes + i, last, (size_t)(len - i));
}

static void VK(vk_input_codes_fn)(const void *args, int begin, int end) {
	const vk_input_codes_args *a = args;
	const int b = vk_child_option(&a->m), len = a->x.w * a->x.c;
	const vk_quant q = vk_child_quant(&a->m, b < 0 ? 0 : b, b < 0 ? 0 : b);
	for (int i = begin; i < end; i++) {
		for (int h = 0; h < a->x.h; h++) {
			uint8_t *codes = codes_at(&a->codes, i, h, 0);
			if (b < 0) memset(codes, 0, (size_t)len);
			else VK(codes_of_row)(conv_at(&a->x, i, h, 0), codes, len, q);
		}
	}
}

static void VK(vk_weight_codes_fn)(const void *args, int begin, int end) {
	const vk_weight_codes_args *a = args;
	const int b = vk_child_option(&a->weights), xb = vk_child_option(&a->inputs);
	const int len = a->g.r * a->g.s * (a->g.c / a->g.groups);
	for (int k = begin; k < end; k++) {
		a->scale[k] = 0;
		if (b < 0 || xb < 0) continue;
		const vk_quant q = vk_child_quant(&a->weights, b, vk_weight_step_at(a, b, k));
		const float *w = vk_child_filter(a, b, k);
		a->scale[k] = q.step * a->inputs.step[xb];
		for (int i = 0; i < len; i += 16) {
			const int n = len - i < 16 ? len - i : 16;
			int8_t code[16];
			VK(put_bytes)((uint8_t *)code, VK(codes16)(v_load_n(w + i, n), q));
			int_pack(a, k, code, i, n);
		}
	}
}
