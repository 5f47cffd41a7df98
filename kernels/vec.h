// A virtual vector of 16 floats, v16: one zmm (AVX-512), two ymm (AVX2) or plain C (portable).
// Included once per instruction set by each_isa.h; VK_ISA is 512, 2 or 0 and VK(name) gives the
// name its suffix. Every operation works lane by lane, and v_sum adds the lanes in one order, so
// AVX2 and AVX-512 give the same bits. The portable form multiplies and adds without fusing.
#undef VK
#if VK_ISA == 512
#define VK(name) name##_avx512
typedef __m512 v16_avx512;
typedef __mmask16 v16m_avx512;
#elif VK_ISA == 2
#define VK(name) name##_avx2
typedef struct { __m256 lo, hi; } v16_avx2;
typedef struct { __m256 lo, hi; } v16m_avx2;
#else
#define VK(name) name##_portable
typedef struct { float f[16]; } v16_portable;
typedef struct { unsigned char m[16]; } v16m_portable;
#endif
#undef v16
#undef v16m
#define v16 VK(v16)   // 16 floats
#define v16m VK(v16m) // 16 booleans

// Lane-wise operations. v_load_n reads n floats, the other
// lanes are 0; v_store_n writes n floats. v_mul_add(a, b, c) is a*b + c, fused where the set can.
#undef v_load
#undef v_store
#undef v_load_n
#undef v_store_n
#undef v_set1
#undef v_zero
#undef v_add
#undef v_sub
#undef v_mul
#undef v_div
#undef v_min
#undef v_max
#undef v_mul_add
#undef v_neg_mul_add
#undef v_rint
#undef v_eq
#undef v_gt
#undef v_keep
#undef v_sum
#define v_load VK(v_load)
#define v_store VK(v_store)
#define v_load_n VK(v_load_n)
#define v_store_n VK(v_store_n)
#define v_set1 VK(v_set1)
#define v_zero VK(v_zero)
#define v_add VK(v_add)
#define v_sub VK(v_sub)
#define v_mul VK(v_mul)
#define v_div VK(v_div)
#define v_min VK(v_min)
#define v_max VK(v_max)
#define v_mul_add VK(v_mul_add)
#define v_neg_mul_add VK(v_neg_mul_add) // c - a*b
#define v_rint VK(v_rint)               // round half to even
#define v_eq VK(v_eq)
#define v_gt VK(v_gt)
#define v_keep VK(v_keep)   // a where m, 0 elsewhere
#define v_sum VK(v_sum)     // ((l0+l8)+(l4+l12)) + ... : one order for every set

#if VK_ISA == 512
#define V_INLINE static inline __attribute__((always_inline, unused))
V_INLINE v16 v_load(const float *p) { return _mm512_loadu_ps(p); }
V_INLINE void v_store(float *p, v16 a) { _mm512_storeu_ps(p, a); }
V_INLINE v16 v_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
V_INLINE void v_store_n(float *p, v16 a, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a); }
V_INLINE v16 v_set1(float f) { return _mm512_set1_ps(f); }
V_INLINE v16 v_zero(void) { return _mm512_setzero_ps(); }
V_INLINE v16 v_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
V_INLINE v16 v_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
V_INLINE v16 v_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
V_INLINE v16 v_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
V_INLINE v16 v_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
V_INLINE v16 v_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
V_INLINE v16 v_mul_add(v16 a, v16 b, v16 c) { return _mm512_fmadd_ps(a, b, c); }
V_INLINE v16 v_neg_mul_add(v16 a, v16 b, v16 c) { return _mm512_fnmadd_ps(a, b, c); }
V_INLINE v16 v_rint(v16 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
V_INLINE v16m v_eq(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
V_INLINE v16m v_gt(v16 a, v16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
V_INLINE v16 v_keep(v16m m, v16 a) { return _mm512_maskz_mov_ps(m, a); }
V_INLINE float v_sum(v16 a) {
	__m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
	__m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}
#elif VK_ISA == 2
V_INLINE v16 v_load(const float *p) { return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
V_INLINE void v_store(float *p, v16 a) { _mm256_storeu_ps(p, a.lo); _mm256_storeu_ps(p + 8, a.hi); }
V_INLINE v16 VK(v_first_bits)(int n) {
	const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), c = _mm256_set1_epi32(n);
	return (v16){_mm256_castsi256_ps(_mm256_cmpgt_epi32(c, i)),
	             _mm256_castsi256_ps(_mm256_cmpgt_epi32(c, _mm256_add_epi32(i, _mm256_set1_epi32(8))))};
}
V_INLINE v16 v_load_n(const float *p, int n) {
	v16 m = VK(v_first_bits)(n);
	return (v16){_mm256_maskload_ps(p, _mm256_castps_si256(m.lo)), _mm256_maskload_ps(p + 8, _mm256_castps_si256(m.hi))};
}
V_INLINE void v_store_n(float *p, v16 a, int n) {
	v16 m = VK(v_first_bits)(n);
	_mm256_maskstore_ps(p, _mm256_castps_si256(m.lo), a.lo);
	_mm256_maskstore_ps(p + 8, _mm256_castps_si256(m.hi), a.hi);
}
V_INLINE v16 v_set1(float f) { return (v16){_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
V_INLINE v16 v_zero(void) { return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
#define V_LANES2(name, op) \
	V_INLINE v16 name(v16 a, v16 b) { return (v16){op(a.lo, b.lo), op(a.hi, b.hi)}; }
V_LANES2(v_add, _mm256_add_ps)
V_LANES2(v_sub, _mm256_sub_ps)
V_LANES2(v_mul, _mm256_mul_ps)
V_LANES2(v_div, _mm256_div_ps)
V_LANES2(v_min, _mm256_min_ps)
V_LANES2(v_max, _mm256_max_ps)
#undef V_LANES2
V_INLINE v16 v_mul_add(v16 a, v16 b, v16 c) { return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
V_INLINE v16 v_neg_mul_add(v16 a, v16 b, v16 c) { return (v16){_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)}; }
V_INLINE v16 v_rint(v16 a) {
	return (v16){_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
	             _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
V_INLINE v16m v_eq(v16 a, v16 b) { return (v16m){_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ)}; }
V_INLINE v16m v_gt(v16 a, v16 b) { return (v16m){_mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ)}; }
V_INLINE v16 v_keep(v16m m, v16 a) { return (v16){_mm256_and_ps(m.lo, a.lo), _mm256_and_ps(m.hi, a.hi)}; }
V_INLINE float v_sum(v16 a) {
	__m256 s8 = _mm256_add_ps(a.lo, a.hi);
	__m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
	__m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
	return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}
#else
#ifndef V_INLINE
#define V_INLINE static inline __attribute__((always_inline, unused))
#endif
#define V_EACH(expr) \
	v16 r; \
	for (int i = 0; i < 16; i++) r.f[i] = (expr); \
	return r
V_INLINE v16 v_load(const float *p) { V_EACH(p[i]); }
V_INLINE void v_store(float *p, v16 a) { for (int i = 0; i < 16; i++) p[i] = a.f[i]; }
V_INLINE v16 v_load_n(const float *p, int n) { V_EACH(i < n ? p[i] : 0.0f); }
V_INLINE void v_store_n(float *p, v16 a, int n) { for (int i = 0; i < n; i++) p[i] = a.f[i]; }
V_INLINE v16 v_set1(float f) { V_EACH(f); }
V_INLINE v16 v_zero(void) { V_EACH(0.0f); }
V_INLINE v16 v_add(v16 a, v16 b) { V_EACH(a.f[i] + b.f[i]); }
V_INLINE v16 v_sub(v16 a, v16 b) { V_EACH(a.f[i] - b.f[i]); }
V_INLINE v16 v_mul(v16 a, v16 b) { V_EACH(a.f[i] * b.f[i]); }
V_INLINE v16 v_div(v16 a, v16 b) { V_EACH(a.f[i] / b.f[i]); }
// min and max return b when a is NaN, as the x86 instructions do.
V_INLINE v16 v_min(v16 a, v16 b) { V_EACH(a.f[i] < b.f[i] ? a.f[i] : b.f[i]); }
V_INLINE v16 v_max(v16 a, v16 b) { V_EACH(a.f[i] > b.f[i] ? a.f[i] : b.f[i]); }
V_INLINE v16 v_mul_add(v16 a, v16 b, v16 c) { V_EACH(a.f[i] * b.f[i] + c.f[i]); }
V_INLINE v16 v_neg_mul_add(v16 a, v16 b, v16 c) { V_EACH(c.f[i] - a.f[i] * b.f[i]); }
V_INLINE v16 v_rint(v16 a) { V_EACH(rintf(a.f[i])); }
V_INLINE v16m v_eq(v16 a, v16 b) { v16m m; for (int i = 0; i < 16; i++) m.m[i] = a.f[i] == b.f[i]; return m; }
V_INLINE v16m v_gt(v16 a, v16 b) { v16m m; for (int i = 0; i < 16; i++) m.m[i] = a.f[i] > b.f[i]; return m; }
V_INLINE v16 v_keep(v16m m, v16 a) { V_EACH(m.m[i] ? a.f[i] : 0.0f); }
V_INLINE float v_sum(v16 a) {
	for (int w = 8; w >= 1; w /= 2)
		for (int i = 0; i < w; i++) a.f[i] += a.f[i + w];
	return a.f[0];
}
#undef V_EACH
#endif
