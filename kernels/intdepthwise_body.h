// Depthwise convolution of codes: 16 channels of up to 4 pixels in registers over all taps.

// 16 bytes, of which the first n are read, as int32, times w, whose codes stand in the low halves, added to a.
#if VK_ISA
V_INLINE __m128i VK(i_bytes)(const uint8_t *p, int n) {
	if (n == 16) return _mm_loadu_si128((const __m128i *)p);
	uint8_t b[16] = {0};
	memcpy(b, p, (size_t)n);
	return _mm_loadu_si128((const __m128i *)b);
}
#endif
#if VK_ISA == 512
V_INLINE VK(i16) VK(i_lanes)(VK(i16) a, const uint8_t *p, int n, int is_signed, VK(i16) w) {
	const __m128i b = VK(i_bytes)(p, n);
	return _mm512_add_epi32(a, _mm512_madd_epi16(is_signed ? _mm512_cvtepi8_epi32(b) : _mm512_cvtepu8_epi32(b), w));
}
#elif VK_ISA == 2
V_INLINE VK(i16) VK(i_lanes)(VK(i16) a, const uint8_t *p, int n, int is_signed, VK(i16) w) {
	const __m128i lo = VK(i_bytes)(p, n), hi = _mm_srli_si128(lo, 8);
	const __m256i l = is_signed ? _mm256_cvtepi8_epi32(lo) : _mm256_cvtepu8_epi32(lo);
	const __m256i h = is_signed ? _mm256_cvtepi8_epi32(hi) : _mm256_cvtepu8_epi32(hi);
	return (VK(i16)){_mm256_add_epi32(a.lo, _mm256_madd_epi16(l, w.lo)), _mm256_add_epi32(a.hi, _mm256_madd_epi16(h, w.hi))};
}
#else
V_INLINE VK(i16) VK(i_lanes)(VK(i16) a, const uint8_t *p, int n, int is_signed, VK(i16) w) {
	for (int i = 0; i < n; i++) a.i[i] += (is_signed ? (int8_t)p[i] : p[i]) * (int16_t)w.i[i];
	return a;
}
#endif

V_INLINE void VK(int_depthwise_tile)(const int_plane *p, const uint8_t *x, float *y, int c, const int lanes, const int is_signed, const int P) {
	VK(i16) a0 = i_zero(), a1 = a0, a2 = a0, a3 = a0;
	const int32_t *w = (const int32_t *)p->w + c;
	for (int r = 0; r < p->pack.nr; r++) {
		for (int s = 0; s < p->pack.ns; s++, w += p->pack.lanes) {
			const uint8_t *at = x + r * p->xr + s * p->xs;
			const VK(i16) code = i_load(w);
			a0 = VK(i_lanes)(a0, at, lanes, is_signed, code);
			if (P > 1) a1 = VK(i_lanes)(a1, at + p->xpix, lanes, is_signed, code);
			if (P > 1) a2 = VK(i_lanes)(a2, at + 2 * p->xpix, lanes, is_signed, code);
			if (P > 1) a3 = VK(i_lanes)(a3, at + 3 * p->xpix, lanes, is_signed, code);
		}
	}
	const float *bias = p->bias ? p->bias + c : 0;
	VK(int_put)(y, a0, p->scale + c, bias, lanes);
	if (P > 1) VK(int_put)(y + p->ypix, a1, p->scale + c, bias, lanes);
	if (P > 1) VK(int_put)(y + 2 * p->ypix, a2, p->scale + c, bias, lanes);
	if (P > 1) VK(int_put)(y + 3 * p->ypix, a3, p->scale + c, bias, lanes);
}

V_INLINE void VK(int_depthwise_row)(const int_plane *p, const uint8_t *x, float *y, int c, const int lanes, const int is_signed) {
	int j = 0;
	for (; j + 4 <= p->n; j += 4) VK(int_depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, is_signed, 4);
	for (; j < p->n; j++) VK(int_depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, is_signed, 1);
}

static void VK(int_depthwise)(const int_plane *p) {
	const int channels = (int)p->ypix;
	for (int i = 0; i < p->rows; i++) {
		for (int c = 0; c < channels; c += 16) {
			const uint8_t *x = p->x + i * p->xrow + c;
			float *y = p->y + i * p->yrow + c;
			const int lanes = channels - c < 16 ? channels - c : 16;
			if (lanes < 16) VK(int_depthwise_row)(p, x, y, c, lanes, p->is_signed);
			else if (p->is_signed) VK(int_depthwise_row)(p, x, y, c, 16, 1);
			else VK(int_depthwise_row)(p, x, y, c, 16, 0);
		}
	}
}
