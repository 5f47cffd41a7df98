// Winograd convolution F(2x2, 3x3), for one instruction set: see kernels.h. An image is cut into tiles of 2x2
// outputs, a block of which is transformed, multiplied and transformed back while it lies in cache: one row of the
// 4x4 positions at a time, so that the transformed input of a row is still in the first-level cache when it is used.
#if VK_ISA == 512
#define WINO_P1 16 // rows a micro-kernel with one vector
#define WINO_P2 8  // with two; 0: no such kernel
#elif VK_ISA == 2
#define WINO_P1 6
#define WINO_P2 0
#else
#define WINO_P1 4
#define WINO_P2 0
#endif

// The named accumulators, as in conv_body.h: row i is at pointer x<i/4*4> plus 0..3 times o1.
#define WINO_ROWS(M) \
	M(0, x0, 0) M(1, x0, o1) M(2, x0, 2 * o1) M(3, x0, o3) M(4, x4, 0) M(5, x4, o1) M(6, x4, 2 * o1) M(7, x4, o3) \
	M(8, x8, 0) M(9, x8, o1) M(10, x8, 2 * o1) M(11, x8, o3) M(12, x12, 0) M(13, x12, o1) M(14, x12, 2 * o1) M(15, x12, o3)
#define WINO_BEGIN(i, x, o) \
	v16 a##i = i < P && add ? v_load(m + i * mrow) : v_zero(), b##i = i < P && V > 1 && add ? v_load(m + i * mrow + 16) : v_zero();
#define WINO_STEP(i, x, o) \
	if (i < P) { \
		v16 e = v_set1(x[o]); \
		a##i = v_mul_add(e, u0, a##i); \
		if (V > 1) b##i = v_mul_add(e, u1, b##i); \
	}
#define WINO_END(i, x, o) \
	if (i < P) { \
		v_store(m + i * mrow, a##i); \
		if (V > 1) v_store(m + i * mrow + 16, b##i); \
	}

// m[i][0..16V) (+)= sum over l < len of x[i*o1 + l*step] * u[l*urow + 0..16V), i < P, in one chain.
V_INLINE void VK(wino_micro)(const float *x0, ptrdiff_t o1, ptrdiff_t step, const float *u, ptrdiff_t urow, int len,
                             float *m, ptrdiff_t mrow, const int add, const int P, const int V) {
	const ptrdiff_t o3 = 3 * o1;
	const float *x4 = x0 + 4 * o1, *x8 = x4 + 4 * o1, *x12 = x8 + 4 * o1;
	WINO_ROWS(WINO_BEGIN)
#pragma GCC unroll 4
	for (int l = len; l > 0; l--) {
		const v16 u0 = v_load(u), u1 = V > 1 ? v_load(u + 16) : u0;
		WINO_ROWS(WINO_STEP)
		u += urow, x0 += step, x4 += step, x8 += step, x12 += step;
	}
	WINO_ROWS(WINO_END)
}
#undef WINO_BEGIN
#undef WINO_STEP
#undef WINO_END
#undef WINO_ROWS

// m[rows][n] (+)= x[rows][len] * u[len][n]; rows a multiple of 4, n of 16.
V_INLINE void VK(wino_multiply)(const float *x, ptrdiff_t o1, ptrdiff_t step, int rows, const float *u, int n, int len,
                                float *m, ptrdiff_t mrow, const int add) {
	int k = 0;
#if WINO_P2
	for (; k + 32 <= n; k += 32) {
		int i = 0;
		for (; i + 8 <= rows; i += 8) VK(wino_micro)(x + i * o1, o1, step, u + k, n, len, m + i * mrow + k, mrow, add, 8, 2);
		for (; i < rows; i += 4) VK(wino_micro)(x + i * o1, o1, step, u + k, n, len, m + i * mrow + k, mrow, add, 4, 2);
	}
#endif
	for (; k < n; k += 16) {
		int i = 0;
#if WINO_P1 == 16
		for (; i + 16 <= rows; i += 16) VK(wino_micro)(x + i * o1, o1, step, u + k, n, len, m + i * mrow + k, mrow, add, 16, 1);
#elif WINO_P1 == 6
		for (; i + 6 <= rows && rows - i != 8; i += 6)
			VK(wino_micro)(x + i * o1, o1, step, u + k, n, len, m + i * mrow + k, mrow, add, 6, 1);
#endif
		for (; i < rows; i += 4) VK(wino_micro)(x + i * o1, o1, step, u + k, n, len, m + i * mrow + k, mrow, add, 4, 1);
	}
}

// Row i of B' applied to the column of pixels at p.
V_INLINE v16 VK(wino_down)(const float *p, ptrdiff_t pitch, const int i) {
	if (i == 0) return v_sub(v_load(p), v_load(p + 2 * pitch));
	if (i == 1) return v_add(v_load(p + pitch), v_load(p + 2 * pitch));
	if (i == 2) return v_sub(v_load(p + 2 * pitch), v_load(p + pitch));
	return v_sub(v_load(p + pitch), v_load(p + 3 * pitch));
}

// Row i of V = B' d B for n tiles side by side from the pixel at p; v: [4] positions `pos` floats apart, [tiles][c].
V_INLINE void VK(wino_input_row)(const float *p, ptrdiff_t pitch, int c, int n, float *v, ptrdiff_t pos, const int i) {
	for (int l = 0; l < c; l += 16) {
		const float *q = p + l;
		v16 d0 = VK(wino_down)(q, pitch, i), d1 = VK(wino_down)(q + c, pitch, i);
		for (int t = 0; t < n; t++) {
			q += 2 * c;
			const v16 d2 = VK(wino_down)(q, pitch, i), d3 = VK(wino_down)(q + c, pitch, i);
			float *out = v + (ptrdiff_t)t * c + l;
			v_store(out, v_sub(d0, d2));
			v_store(out + pos, v_add(d1, d2));
			v_store(out + 2 * pos, v_sub(d2, d1));
			v_store(out + 3 * pos, v_sub(d1, d3));
			d0 = d2, d1 = d3;
		}
	}
}

// Row i of A applied to the column of two pixels at p.
V_INLINE v16 VK(wino_lift)(const float *p, ptrdiff_t pitch, const int i) {
	if (i == 0) return v_load(p);
	if (i == 1) return v_add(v_load(p), v_load(p + pitch));
	if (i == 2) return v_sub(v_load(p), v_load(p + pitch));
	return v_sub(v_zero(), v_load(p + pitch));
}

// Row i of A y A' for n of the gradient's 2x2 tiles, as wino_input_row.
V_INLINE void VK(wino_gradient_row)(const float *p, ptrdiff_t pitch, int k, int n, float *w, ptrdiff_t pos, const int i) {
	for (int t = 0; t < n; t++) {
		for (int l = 0; l < k; l += 16) {
			const float *q = p + 2 * (ptrdiff_t)t * k + l;
			float *out = w + (ptrdiff_t)t * k + l;
			const v16 a = VK(wino_lift)(q, pitch, i), b = VK(wino_lift)(q + k, pitch, i);
			v_store(out, a);
			v_store(out + pos, v_add(a, b));
			v_store(out + 2 * pos, v_sub(a, b));
			v_store(out + 3 * pos, v_sub(v_zero(), b));
		}
	}
}

// One row of the transform of a block of tiles; p is where the image's first tile begins.
#define WINO_ROW(name) \
	static void VK(wino_##name)(const float *p, ptrdiff_t pitch, int c, wino_block b, float *out, ptrdiff_t pos, int row) { \
		for (int t = 0, n; t < b.count; t += n, b.i++, b.j = 0) { \
			n = wino_run(b, t); \
			const float *from = p + 2 * (b.i * pitch + (ptrdiff_t)b.j * c); \
			float *to = out + (ptrdiff_t)t * c; \
			if (row == 0) VK(wino_##name##_row)(from, pitch, c, n, to, pos, 0); \
			else if (row == 1) VK(wino_##name##_row)(from, pitch, c, n, to, pos, 1); \
			else if (row == 2) VK(wino_##name##_row)(from, pitch, c, n, to, pos, 2); \
			else VK(wino_##name##_row)(from, pitch, c, n, to, pos, 3); \
		} \
	}
WINO_ROW(input)
WINO_ROW(gradient)
#undef WINO_ROW

// Y = A' m A for n tiles side by side; m: [16] positions `pos` floats apart, [tiles][k]; y the first tile's first pixel.
static void VK(wino_output)(const float *m, ptrdiff_t pos, int k, int n, float *y, ptrdiff_t pitch) {
	for (int t = 0; t < n; t++) {
		for (int l = 0; l < k; l += 16) {
			const float *q = m + (ptrdiff_t)t * k + l;
			float *out = y + 2 * (ptrdiff_t)t * k + l;
#define WINO_COLUMN(j) \
	const v16 m0##j = v_load(q + j * pos), m1##j = v_load(q + (4 + j) * pos), m2##j = v_load(q + (8 + j) * pos), \
	          m3##j = v_load(q + (12 + j) * pos), s0##j = v_add(v_add(m0##j, m1##j), m2##j), \
	          s1##j = v_sub(v_sub(m1##j, m2##j), m3##j);
			WINO_COLUMN(0) WINO_COLUMN(1) WINO_COLUMN(2) WINO_COLUMN(3)
#undef WINO_COLUMN
			v_store(out, v_add(v_add(s00, s01), s02));
			v_store(out + k, v_sub(v_sub(s01, s02), s03));
			v_store(out + pitch, v_add(v_add(s10, s11), s12));
			v_store(out + pitch + k, v_sub(v_sub(s11, s12), s13));
		}
	}
}

static void VK(vk_wino_conv_fn)(const void *args, int begin, int end) {
	const vk_wino_conv_args *a = args;
	const int c = a->x.c, k = a->y.c, across = a->y.w / 2, tiles = across * (a->y.h / 2);
	const int64_t xrow = vk_act_row(&a->x), yrow = vk_act_row(&a->y);
	const ptrdiff_t vpos = WINO_POS(WINO_TILES, c), mpos = WINO_POS(WINO_TILES, k);
	float v[4 * WINO_POS(WINO_TILES, WINO_CHANNELS)], m[16 * WINO_POS(WINO_TILES, WINO_CHANNELS)];
	for (int image = begin; image < end; image++) {
		const float *x = vk_act_image(&a->x, image) - xrow - c; // pixel (-1, -1)
		float *y = vk_act_image(&a->y, image);
		for (int first = 0; first < tiles; first += WINO_TILES) {
			const int count = tiles - first < WINO_TILES ? tiles - first : WINO_TILES, rows = (count + 3) / 4 * 4;
			wino_block b = {count, across, first / across, first % across};
			for (int pos = 0; pos < 16; pos++) {
				float *vp = v + pos % 4 * vpos;
				if (pos % 4 == 0) VK(wino_input)(x, xrow, c, b, v, vpos, pos / 4);
				memset(vp + count * c, 0, sizeof(float) * (size_t)((rows - count) * c));
				VK(wino_multiply)(vp, c, 1, rows, a->u + (int64_t)pos * c * k, k, c, m + pos * mpos, k, 0);
			}
			for (int t = 0, n; t < count; t += n, b.i++, b.j = 0) {
				n = wino_run(b, t);
				VK(wino_output)(m + t * k, mpos, k, n, y + 2 * (b.i * yrow + (int64_t)b.j * k), yrow);
			}
		}
	}
}

static void VK(vk_wino_wgrad_fn)(const void *args, int begin, int end) {
	const vk_wino_wgrad_args *a = args;
	const int c = a->x.c, k = a->dy.c, across = a->dy.w / 2, tiles = across * (a->dy.h / 2);
	const int64_t xrow = vk_act_row(&a->x), yrow = vk_act_row(&a->dy);
	const ptrdiff_t vpos = WINO_POS(WINO_WGRAD_TILES, c), wpos = WINO_POS(WINO_WGRAD_TILES, k);
	float v[4 * WINO_POS(WINO_WGRAD_TILES, WINO_CHANNELS)], w[4 * WINO_POS(WINO_WGRAD_TILES, WINO_CHANNELS)];
	for (int image = begin; image < end; image++) {
		const float *x = vk_act_image(&a->x, image) - xrow - c, *dy = vk_act_image(&a->dy, image);
		float *out = a->partial + (int64_t)(image / a->chunk) * 16 * c * k;
		for (int first = 0; first < tiles; first += WINO_WGRAD_TILES) {
			const int count = tiles - first < WINO_WGRAD_TILES ? tiles - first : WINO_WGRAD_TILES;
			const wino_block b = {count, across, first / across, first % across};
			const int overwrite = image % a->chunk == 0 && first == 0;
			for (int pos = 0; pos < 16; pos++) {
				const float *vp = v + pos % 4 * vpos, *wp = w + pos % 4 * wpos;
				float *to = out + (int64_t)pos * c * k;
				if (pos % 4 == 0) {
					VK(wino_input)(x, xrow, c, b, v, vpos, pos / 4);
					VK(wino_gradient)(dy, yrow, k, b, w, wpos, pos / 4);
				}
				if (overwrite) VK(wino_multiply)(vp, 1, c, c, wp, k, count, to, k, 0);
				else VK(wino_multiply)(vp, 1, c, c, wp, k, count, to, k, 1);
			}
		}
	}
}

#undef WINO_P1
#undef WINO_P2
#include "winograd_filter.h"
