// Dense and grouped convolution, forward and dgrad: tiles of P pixels of one row by V vectors of output
// channels, held in registers over all taps and input channels. Read the assembly after a change:
// the accumulators are named one by one because gcc keeps arrays of them in memory.
#if VK_ISA == 512
#define CONV_P1 16 // pixels a tile with one vector
#define CONV_P2 14 // with two; 0: no such tiles
#elif VK_ISA == 2
#define CONV_P1 6
#define CONV_P2 0
#else
#define CONV_P1 4
#define CONV_P2 0
#endif

// Pixel i is at pointer x<i/4*4> plus 0..3 times o1, so that few registers hold all addresses.
#define CONV_PIXELS(M) \
	M(0, x0, 0) M(1, x0, o1) M(2, x0, 2 * o1) M(3, x0, o3) M(4, x4, 0) M(5, x4, o1) M(6, x4, 2 * o1) M(7, x4, o3) \
	M(8, x8, 0) M(9, x8, o1) M(10, x8, 2 * o1) M(11, x8, o3) M(12, x12, 0) M(13, x12, o1) M(14, x12, 2 * o1) M(15, x12, o3)
#define CONV_DECLARE(i, x, o) v16 a##i = v_zero(), b##i = v_zero();
#define CONV_STEP(i, x, o) \
	if (i < P) { \
		v16 e = v_set1(x[o]); \
		a##i = v_mul_add(e, w0, a##i); \
		if (V > 1) b##i = v_mul_add(e, w1, b##i); \
	}
#define CONV_STORE(i, x, o) \
	if (i < P) { \
		if (bias) a##i = v_add(a##i, c0); \
		if (bias && V > 1) b##i = v_add(b##i, c1); \
		if (V > 1) v_store(y + i * p->ypix, a##i); \
		VK(conv_put)(y + i * p->ypix + 16 * (V - 1), V > 1 ? b##i : a##i, lanes); \
	}

V_INLINE void VK(conv_put)(float *y, v16 a, int lanes) {
	if (lanes == 16) v_store(y, a);
	else v_store_n(y, a, lanes);
}

// lanes: output channels in the last vector.
V_INLINE void VK(conv_tile)(const conv_plane *p, const float *x, float *y, const float *w, const float *bias, int lanes,
                            const int P, const int V) {
	CONV_PIXELS(CONV_DECLARE)
	const ptrdiff_t o1 = p->xpix, o3 = 3 * o1, wrow = p->wrow;
	for (int r = 0; r < p->nr; r++) {
		for (int s = 0; s < p->ns; s++) {
			const float *x0 = x + r * p->xr + s * p->xs, *x4 = x0 + 4 * o1, *x8 = x4 + 4 * o1, *x12 = x8 + 4 * o1;
			const float *wl = w + r * p->wr + s * p->ws;
			for (int l = p->len; l > 0; l--) {
				v16 w0 = v_load(wl), w1 = V > 1 ? v_load(wl + 16) : w0;
				CONV_PIXELS(CONV_STEP)
				wl += wrow, x0++, x4++, x8++, x12++;
			}
		}
	}
	v16 c0 = v_zero(), c1 = c0;
	if (bias) {
		if (V > 1) c0 = v_load(bias), c1 = v_load_n(bias + 16, lanes);
		else c0 = v_load_n(bias, lanes);
	}
	CONV_PIXELS(CONV_STORE)
}
#undef CONV_DECLARE
#undef CONV_STEP
#undef CONV_STORE
#undef CONV_PIXELS

typedef void (*VK(conv_tile_fn))(const conv_plane *, const float *, float *, const float *, const float *, int);
#define CONV_TILE(P, V) \
	static void VK(conv_tile_##P##x##V)(const conv_plane *p, const float *x, float *y, const float *w, const float *b, int n) { \
		VK(conv_tile)(p, x, y, w, b, n, P, V); \
	}
CONV_TILE(1, 1) CONV_TILE(2, 1) CONV_TILE(3, 1) CONV_TILE(4, 1)
#if CONV_P1 > 4
CONV_TILE(5, 1) CONV_TILE(6, 1)
#endif
#if CONV_P1 > 6
CONV_TILE(7, 1) CONV_TILE(8, 1) CONV_TILE(9, 1) CONV_TILE(10, 1) CONV_TILE(11, 1) CONV_TILE(12, 1)
CONV_TILE(13, 1) CONV_TILE(14, 1) CONV_TILE(15, 1) CONV_TILE(16, 1)
CONV_TILE(1, 2) CONV_TILE(2, 2) CONV_TILE(3, 2) CONV_TILE(4, 2) CONV_TILE(5, 2) CONV_TILE(6, 2) CONV_TILE(7, 2)
CONV_TILE(8, 2) CONV_TILE(9, 2) CONV_TILE(10, 2) CONV_TILE(11, 2) CONV_TILE(12, 2) CONV_TILE(13, 2) CONV_TILE(14, 2)
#endif
#undef CONV_TILE

#define T(P, V) VK(conv_tile_##P##x##V)
static const VK(conv_tile_fn) VK(conv_tiles)[2][CONV_P1] = {
	{T(1, 1), T(2, 1), T(3, 1), T(4, 1),
#if CONV_P1 > 4
	 T(5, 1), T(6, 1),
#endif
#if CONV_P1 > 6
	 T(7, 1), T(8, 1), T(9, 1), T(10, 1), T(11, 1), T(12, 1), T(13, 1), T(14, 1), T(15, 1), T(16, 1)},
	{T(1, 2), T(2, 2), T(3, 2), T(4, 2), T(5, 2), T(6, 2), T(7, 2), T(8, 2), T(9, 2), T(10, 2), T(11, 2), T(12, 2),
	 T(13, 2), T(14, 2)
#endif
	}};
#undef T

static void VK(conv_dense)(const conv_plane *p) {
	for (int k = 0, step; k < p->k; k += step) {
		int pairs = CONV_P2 > 0 && p->k - k > 16, most = pairs ? CONV_P2 : CONV_P1;
		int tiles = (p->n + most - 1) / most;
		step = pairs ? 32 : 16;
		int lanes = p->k - k >= step ? 16 : p->k - k - step + 16;
		const float *bias = p->bias ? p->bias + k : 0;
		for (int i = 0; i < p->rows; i++) {
			for (int t = 0, j = 0; t < tiles; t++) {
				int n = (p->n - j) / (tiles - t); // tiles of nearly equal size
				VK(conv_tiles)[pairs][n - 1](p, p->x + i * p->xrow + j * p->xpix, p->y + i * p->yrow + j * p->ypix + k,
				                             p->w + k, bias, lanes);
				j += n;
			}
		}
	}
}

#include "depthwise_body.h"
#include "wgrad_body.h"

static void VK(conv_groups)(const vk_conv_geom *g, conv_plane p, int from, int to) {
	if (conv_depthwise(g)) {
		VK(depthwise)(&p);
		return;
	}
	for (int i = 0; i < g->groups; i++) {
		VK(conv_dense)(&p);
		p.x += from / g->groups;
		p.y += to / g->groups;
		p.w += conv_group_size(g, from, to);
		if (p.bias) p.bias += to / g->groups;
	}
}

static void VK(vk_conv_fwd_fn)(const void *args, int begin, int end) {
	const vk_conv_fwd_args *a = args;
	int flat = conv_is_flat(&a->g, &a->x, &a->y);
	for (int n = begin; n < end; n += flat ? end - begin : 1) {
		conv_plane p = conv_fwd_plane(a, n);
		if (flat) p.n *= p.rows * (end - begin), p.rows = 1;
		VK(conv_groups)(&a->g, p, a->g.c, a->g.k);
	}
}

static void VK(vk_conv_dgrad_fn)(const void *args, int begin, int end) {
	const vk_conv_dgrad_args *a = args;
	int flat = conv_is_flat(&a->g, &a->dy, &a->dx), stride = a->g.stride;
	for (int n = begin; n < end; n += flat ? end - begin : 1) {
		for (int ph = 0; ph < stride && ph < a->dx.h; ph++) {
			for (int pw = 0; pw < stride && pw < a->dx.w; pw++) {
				conv_plane p = conv_dgrad_plane(a, n, ph, pw);
				if (flat) p.n *= p.rows * (end - begin), p.rows = 1;
				VK(conv_groups)(&a->g, p, a->g.k, a->g.c);
			}
		}
	}
}

// One chain a channel over the pixels of an image.
static void VK(vk_bias_grad_fn)(const void *args, int begin, int end) {
	const vk_bias_grad_args *a = args;
	for (int n = begin; n < end; n++) {
		for (int c = 0; c < a->dy.c; c += 16) {
			int lanes = a->dy.c - c < 16 ? a->dy.c - c : 16;
			v16 sum = v_zero();
			for (int h = 0; h < a->dy.h; h++) {
				const float *row = conv_at(&a->dy, n, h, 0) + c;
				for (int w = 0; w < a->dy.w; w++, row += a->dy.c) sum = v_add(sum, v_load_n(row, lanes));
			}
			v_store_n(a->partial + (ptrdiff_t)n * a->dy.c + c, sum, lanes);
		}
	}
}
#undef CONV_P1
#undef CONV_P2
