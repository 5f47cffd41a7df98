// wgrad of dense and grouped convolution: tiles of M rows of the filter gradient (input channels, or
// taps and channels where they touch) by V vectors of output channels, held in registers over all
// pixels of an image: one chain an image, then added to the chunk's sum.
#if VK_ISA == 512
#define WGRAD_M1 24
#define WGRAD_M2 12
#elif VK_ISA == 2
#define WGRAD_M1 6
#define WGRAD_M2 0
#else
#define WGRAD_M1 4
#define WGRAD_M2 0
#endif
#define WGRAD_ROWS(F) \
	F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23)
#define WGRAD_DECLARE(i) v16 a##i = v_zero(), b##i = v_zero();
#define WGRAD_STEP(i) \
	if (i < M) { \
		v16 e = v_set1(xl[i]); \
		a##i = v_mul_add(e, d0, a##i); \
		if (V > 1) b##i = v_mul_add(e, d1, b##i); \
	}
#define WGRAD_STORE(i) \
	if (i < M) { \
		VK(depthwise_add)(out + i * p->wrow, a##i, p->first); \
		if (V > 1) VK(depthwise_add)(out + i * p->wrow + 16, b##i, p->first); \
	}

// lanes: output channels in the last vector, fewer than 16 only where tail is set.
V_INLINE void VK(wgrad_tile)(const conv_wplane *p, const float *x, const float *dy, float *out, int lanes, const int M,
                             const int V, const int tail) {
	WGRAD_ROWS(WGRAD_DECLARE)
	const ptrdiff_t xpix = p->xpix, dypix = p->dypix;
	for (int i = 0; i < p->rows; i++) {
		const float *xl = x + i * p->xrow, *dl = dy + i * p->dyrow;
		for (int j = 0; j < p->n; j++, xl += xpix, dl += dypix) {
			v16 d0, d1;
			if (tail && V == 1) d0 = v_load_n(dl, lanes);
			else d0 = v_load(dl);
			if (V > 1) d1 = tail ? v_load_n(dl + 16, lanes) : v_load(dl + 16);
			else d1 = d0;
			WGRAD_ROWS(WGRAD_STEP)
		}
	}
	WGRAD_ROWS(WGRAD_STORE)
}
#undef WGRAD_ROWS
#undef WGRAD_DECLARE
#undef WGRAD_STEP
#undef WGRAD_STORE

typedef void (*VK(wgrad_tile_fn))(const conv_wplane *, const float *, const float *, float *, int);
#define WGRAD_TILE(M, V) \
	static void VK(wgrad_tile_##M##x##V)(const conv_wplane *p, const float *x, const float *dy, float *out, int lanes) { \
		if (lanes == 16) VK(wgrad_tile)(p, x, dy, out, lanes, M, V, 0); \
		else VK(wgrad_tile)(p, x, dy, out, lanes, M, V, 1); \
	}
WGRAD_TILE(1, 1) WGRAD_TILE(2, 1) WGRAD_TILE(3, 1) WGRAD_TILE(4, 1)
#if WGRAD_M1 > 4
WGRAD_TILE(5, 1) WGRAD_TILE(6, 1)
#endif
#if WGRAD_M1 > 6
WGRAD_TILE(7, 1) WGRAD_TILE(8, 1) WGRAD_TILE(9, 1) WGRAD_TILE(10, 1) WGRAD_TILE(11, 1) WGRAD_TILE(12, 1)
WGRAD_TILE(13, 1) WGRAD_TILE(14, 1) WGRAD_TILE(15, 1) WGRAD_TILE(16, 1) WGRAD_TILE(17, 1) WGRAD_TILE(18, 1)
WGRAD_TILE(19, 1) WGRAD_TILE(20, 1) WGRAD_TILE(21, 1) WGRAD_TILE(22, 1) WGRAD_TILE(23, 1) WGRAD_TILE(24, 1)
WGRAD_TILE(1, 2) WGRAD_TILE(2, 2) WGRAD_TILE(3, 2) WGRAD_TILE(4, 2) WGRAD_TILE(5, 2) WGRAD_TILE(6, 2)
WGRAD_TILE(7, 2) WGRAD_TILE(8, 2) WGRAD_TILE(9, 2) WGRAD_TILE(10, 2) WGRAD_TILE(11, 2) WGRAD_TILE(12, 2)
#endif
#undef WGRAD_TILE

#define T(M, V) VK(wgrad_tile_##M##x##V)
static const VK(wgrad_tile_fn) VK(wgrad_tiles)[2][WGRAD_M1] = {
	{T(1, 1), T(2, 1), T(3, 1), T(4, 1),
#if WGRAD_M1 > 4
	 T(5, 1), T(6, 1),
#endif
#if WGRAD_M1 > 6
	 T(7, 1), T(8, 1), T(9, 1), T(10, 1), T(11, 1), T(12, 1), T(13, 1), T(14, 1), T(15, 1), T(16, 1), T(17, 1), T(18, 1),
	 T(19, 1), T(20, 1), T(21, 1), T(22, 1), T(23, 1), T(24, 1)},
	{T(1, 2), T(2, 2), T(3, 2), T(4, 2), T(5, 2), T(6, 2), T(7, 2), T(8, 2), T(9, 2), T(10, 2), T(11, 2), T(12, 2)
#endif
	}};
#undef T

static void VK(wgrad_taps)(const conv_wplane *p, const float *x, float *out) {
	for (int k = 0, step; k < p->k; k += step) {
		int pairs = WGRAD_M2 > 0 && p->k - k > 16, most = pairs ? WGRAD_M2 : WGRAD_M1;
		int tiles = (p->len + most - 1) / most;
		step = pairs ? 32 : 16;
		int lanes = p->k - k >= step ? 16 : p->k - k - step + 16;
		for (int t = 0, m = 0; t < tiles; t++) {
			int n = (p->len - m) / (tiles - t);
			VK(wgrad_tiles)[pairs][n - 1](p, x + m, p->dy + k, out + m * p->wrow + k, lanes);
			m += n;
		}
	}
}

static void VK(vk_conv_wgrad_fn)(const void *args, int begin, int end) {
	const vk_conv_wgrad_args *a = args;
	const vk_conv_geom *g = &a->g;
	for (int n = begin; n < end; n++) {
		conv_wplane p = conv_wgrad_plane(a, n);
		if (conv_depthwise(g)) {
			VK(depthwise_wgrad)(&p);
			continue;
		}
		for (int i = 0; i < g->groups; i++) {
			for (int r = 0; r < p.nr; r++)
				for (int s = 0; s < p.ns; s++) VK(wgrad_taps)(&p, p.x + r * p.xr + s * p.xs, p.out + r * p.wr + s * p.ws);
			p.x += g->c / g->groups;
			p.dy += g->k / g->groups;
			p.out += conv_group_size(g, g->c, g->k);
		}
	}
}
#undef WGRAD_M1
#undef WGRAD_M2
