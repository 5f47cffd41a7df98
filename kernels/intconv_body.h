// The convolution of codes for one instruction set: tiles of P pixels of one row by V vectors of 16 output channels,
// in registers over all taps. Sums are exact, so their order is free. u8 codes are multiplied as they are, s8
// codes as u8 after adding 128, which the sums then start lower by.
#include "intcodes_body.h"

// i_dot: a + sum over 4 bytes of x (u8) * w (s8), for 16 output channels; x is the same 4 bytes in every channel.
#undef i_zero
#undef i_load
#undef i_dot
#undef i_float
#define i_zero VK(i_zero)
#define i_load VK(i_load)
#define i_dot VK(i_dot)
#define i_float VK(i_float)
#if VK_ISA == 512
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#define INT_P 8
#define INT_V 2
typedef __m512i VK(iw);
typedef __m512i VK(ix);
V_INLINE VK(i16) i_zero(void) { return _mm512_setzero_si512(); }
V_INLINE VK(i16) i_load(const int32_t *p) { return _mm512_loadu_si512(p); }
V_INLINE VK(iw) VK(i_weights)(const int8_t *p) { return _mm512_loadu_si512(p); }
V_INLINE VK(ix) VK(i_inputs)(uint32_t x) { return _mm512_set1_epi32((int)x); }
V_INLINE VK(i16) i_dot(VK(i16) a, VK(ix) x, VK(iw) w) { return _mm512_dpbusd_epi32(a, x, w); }
V_INLINE v16 i_float(VK(i16) a) { return _mm512_cvtepi32_ps(a); }
#elif VK_ISA == 2
#define INT_P 4
#define INT_V 1
typedef struct { __m256i even[2], odd[2]; } VK(iw); // 16-bit halves of each quad
typedef struct { __m256i even, odd; } VK(ix);
V_INLINE VK(i16) i_zero(void) { return (VK(i16)){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
V_INLINE VK(i16) i_load(const int32_t *p) {
	return (VK(i16)){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 8))};
}
V_INLINE VK(iw) VK(i_weights)(const int8_t *p) {
	const __m256i lo = _mm256_loadu_si256((const __m256i *)p), hi = _mm256_loadu_si256((const __m256i *)(p + 32));
	return (VK(iw)){{_mm256_srai_epi16(_mm256_slli_epi16(lo, 8), 8), _mm256_srai_epi16(_mm256_slli_epi16(hi, 8), 8)},
	                {_mm256_srai_epi16(lo, 8), _mm256_srai_epi16(hi, 8)}};
}
V_INLINE VK(ix) VK(i_inputs)(uint32_t x) {
	const __m256i v = _mm256_set1_epi32((int)x);
	return (VK(ix)){_mm256_and_si256(v, _mm256_set1_epi16(255)), _mm256_srli_epi16(v, 8)};
}
V_INLINE __m256i VK(i_dot8)(__m256i a, VK(ix) x, __m256i even, __m256i odd) {
	return _mm256_add_epi32(_mm256_add_epi32(a, _mm256_madd_epi16(x.even, even)), _mm256_madd_epi16(x.odd, odd));
}
V_INLINE VK(i16) i_dot(VK(i16) a, VK(ix) x, VK(iw) w) {
	return (VK(i16)){VK(i_dot8)(a.lo, x, w.even[0], w.odd[0]), VK(i_dot8)(a.hi, x, w.even[1], w.odd[1])};
}
V_INLINE v16 i_float(VK(i16) a) { return (v16){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
#else
#define INT_P 2
#define INT_V 1
typedef const int8_t *VK(iw);
typedef uint32_t VK(ix);
V_INLINE VK(i16) i_zero(void) { return (VK(i16)){{0}}; }
V_INLINE VK(i16) i_load(const int32_t *p) {
	VK(i16) r;
	memcpy(r.i, p, sizeof r.i);
	return r;
}
V_INLINE VK(iw) VK(i_weights)(const int8_t *p) { return p; }
V_INLINE VK(ix) VK(i_inputs)(uint32_t x) { return x; }
V_INLINE VK(i16) i_dot(VK(i16) a, VK(ix) x, VK(iw) w) {
	const int x0 = x & 255, x1 = x >> 8 & 255, x2 = x >> 16 & 255, x3 = (int)(x >> 24);
	for (int i = 0; i < 16; i++) a.i[i] += x0 * w[4 * i] + x1 * w[4 * i + 1] + x2 * w[4 * i + 2] + x3 * w[4 * i + 3];
	return a;
}
V_INLINE v16 i_float(VK(i16) a) {
	v16 r;
	for (int i = 0; i < 16; i++) r.f[i] = (float)a.i[i];
	return r;
}
#endif

// y = (float)acc * scale + bias of up to 16 channels, each operation rounded.
V_INLINE void VK(int_put)(float *y, VK(i16) acc, const float *scale, const float *bias, int lanes) {
	v16 v = v_mul(i_float(acc), v_load_n(scale, lanes));
	if (bias) v = v_add(v, v_load_n(bias, lanes));
	if (lanes == 16) v_store(y, v);
	else v_store_n(y, v, lanes);
}

// Pixel i is at pointer x<i/4*4> plus 0..3 times o1.
#define INT_PIXELS(M) M(0, x0, 0) M(1, x0, o1) M(2, x0, 2 * o1) M(3, x0, o3) M(4, x4, 0) M(5, x4, o1) M(6, x4, 2 * o1) M(7, x4, o3)
#define INT_DECLARE(i, x, o) VK(i16) a##i = start0, b##i = start1;
#define INT_STEP(i, x, o) \
	if (i < P) { \
		const VK(ix) e = VK(i_inputs)(INT_BYTES(x + o) ^ flip); \
		a##i = i_dot(a##i, e, w0); \
		if (V > 1) b##i = i_dot(b##i, e, w1); \
	}
#define INT_STORE(i, x, o) \
	if (i < P) { \
		VK(int_put)(y + i * p->ypix, a##i, p->scale + k, p->bias ? p->bias + k : 0, V > 1 ? 16 : lanes); \
		if (V > 1) VK(int_put)(y + i * p->ypix + 16, b##i, p->scale + k + 16, p->bias ? p->bias + k + 16 : 0, lanes); \
	}

// Output channels k.. of P pixels; lanes: channels in the last vector.
V_INLINE void VK(int_tile)(const int_plane *p, const uint8_t *x, float *y, int k, int lanes, const int P, const int V) {
	const ptrdiff_t o1 = p->xpix, o3 = 3 * o1, wrow = 4 * p->pack.lanes;
	const uint32_t flip = p->is_signed ? 0x80808080u : 0;
	const int32_t *sums = (const int32_t *)p->w + k;
	const int rest = p->pack.len % 4;
	VK(i16) start0 = i_zero(), start1 = start0;
	if (p->is_signed) {
		start0 = i_load(sums);
		if (V > 1) start1 = i_load(sums + 16);
	}
	INT_PIXELS(INT_DECLARE)
	const int8_t *w = p->w + wrow + 4 * k;
	for (int r = 0; r < p->pack.nr; r++) {
		for (int s = 0; s < p->pack.ns; s++) {
			const uint8_t *x0 = x + r * p->xr + s * p->xs, *x4 = x0 + 4 * o1;
#define INT_BYTES(at) int_quad(at)
			for (int l = p->pack.len / 4; l > 0; l--, x0 += 4, x4 += 4, w += wrow) {
				const VK(iw) w0 = VK(i_weights)(w), w1 = V > 1 ? VK(i_weights)(w + 64) : w0;
				INT_PIXELS(INT_STEP)
			}
#undef INT_BYTES
#define INT_BYTES(at) int_tail(at, rest)
			if (rest) {
				const VK(iw) w0 = VK(i_weights)(w), w1 = V > 1 ? VK(i_weights)(w + 64) : w0;
				INT_PIXELS(INT_STEP)
				w += wrow;
			}
#undef INT_BYTES
		}
	}
	INT_PIXELS(INT_STORE)
}
#undef INT_DECLARE
#undef INT_STEP
#undef INT_STORE
#undef INT_PIXELS

typedef void (*VK(int_tile_fn))(const int_plane *, const uint8_t *, float *, int, int);
#define INT_TILE(P, V) \
	static void VK(int_tile_##P##x##V)(const int_plane *p, const uint8_t *x, float *y, int k, int lanes) { \
		VK(int_tile)(p, x, y, k, lanes, P, V); \
	}
INT_TILE(1, 1) INT_TILE(2, 1)
#if INT_P > 2
INT_TILE(3, 1) INT_TILE(4, 1)
#endif
#if INT_P > 4
INT_TILE(5, 1) INT_TILE(6, 1) INT_TILE(7, 1) INT_TILE(8, 1)
INT_TILE(1, 2) INT_TILE(2, 2) INT_TILE(3, 2) INT_TILE(4, 2) INT_TILE(5, 2) INT_TILE(6, 2) INT_TILE(7, 2) INT_TILE(8, 2)
#endif
#undef INT_TILE
#define T(P, V) VK(int_tile_##P##x##V)
static const VK(int_tile_fn) VK(int_tiles)[INT_V][INT_P] = {
	{T(1, 1), T(2, 1),
#if INT_P > 2
	 T(3, 1), T(4, 1),
#endif
#if INT_P > 4
	 T(5, 1), T(6, 1), T(7, 1), T(8, 1)},
	{T(1, 2), T(2, 2), T(3, 2), T(4, 2), T(5, 2), T(6, 2), T(7, 2), T(8, 2)
#endif
	}};
#undef T

static void VK(int_dense)(const int_plane *p) {
	const int tiles = (p->n + INT_P - 1) / INT_P;
	for (int k = 0, vectors; k < p->pack.k; k += 16 * vectors) {
		vectors = p->pack.k - k > 16 ? INT_V : 1;
		const int left = p->pack.k - k - 16 * (vectors - 1), lanes = left < 16 ? left : 16;
		for (int i = 0; i < p->rows; i++) {
			for (int t = 0, j = 0, n; t < tiles; t++, j += n) {
				n = (p->n - j) / (tiles - t); // tiles of nearly equal size
				VK(int_tiles)[vectors - 1][n - 1](p, p->x + i * p->xrow + j * p->xpix, p->y + i * p->yrow + j * p->ypix + k, k, lanes);
			}
		}
	}
}

#include "intdepthwise_body.h"

static void VK(vk_int_conv_fn)(const void *args, int begin, int end) {
	const vk_int_conv_args *a = args;
	const vk_conv_geom *g = &a->g;
	// A 1x1 convolution between two tensors without borders: all images are one row of pixels.
	const int flat = g->r == 1 && g->s == 1 && g->stride == 1 && a->x.border == 0 && a->y.border == 0;
	for (int n = begin; n < end; n += flat ? end - begin : 1) {
		int_plane p = int_plane_of(a, n);
		if (flat) p.n *= p.rows * (end - begin), p.rows = 1;
		if (conv_depthwise(g)) {
			VK(int_depthwise)(&p);
			continue;
		}
		for (int i = 0; i < g->groups; i++) {
			VK(int_dense)(&p);
			p.x += p.pack.len;
			p.y += p.pack.k;
			p.w += p.pack.group;
			p.scale += p.pack.k;
			if (p.bias) p.bias += p.pack.k;
		}
	}
}
#undef INT_P
#undef INT_V
#if VK_ISA == 512
#pragma GCC pop_options
#endif
