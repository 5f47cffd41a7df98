// Depthwise convolution: the lanes are channels. Forward and dgrad hold P pixels of one vector of
// channels in registers over the taps; wgrad holds up to T taps of a filter row over the pixels.
#if VK_ISA == 512
#define DW_P 12 // pixels a tile
#else
#define DW_P 6
#endif
#define DW_PIXELS(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define DW_DECLARE(i) v16 a##i = v_zero();
#define DW_STEP(i) if (i < P) a##i = v_mul_add(VK(depthwise_get)(xl + i * xpix, lanes, tail), wl, a##i);
#define DW_STORE(i) \
	if (i < P) { \
		if (p->bias) a##i = v_add(a##i, bias); \
		if (tail) v_store_n(y + i * p->ypix, a##i, lanes); \
		else v_store(y + i * p->ypix, a##i); \
	}

V_INLINE v16 VK(depthwise_get)(const float *p, int lanes, const int tail) { return tail ? v_load_n(p, lanes) : v_load(p); }

V_INLINE void VK(depthwise_tile)(const conv_plane *p, const float *x, float *y, int c, int lanes, const int P, const int tail) {
	DW_PIXELS(DW_DECLARE)
	const ptrdiff_t xpix = p->xpix;
	for (int r = 0; r < p->nr; r++) {
		for (int s = 0; s < p->ns; s++) {
			const float *xl = x + r * p->xr + s * p->xs;
			v16 wl = v_load(p->w + r * p->wr + s * p->ws + c);
			DW_PIXELS(DW_STEP)
		}
	}
	v16 bias = v_zero();
	if (p->bias) bias = v_load_n(p->bias + c, lanes);
	DW_PIXELS(DW_STORE)
}
#undef DW_PIXELS
#undef DW_DECLARE
#undef DW_STEP
#undef DW_STORE

V_INLINE void VK(depthwise_row)(const conv_plane *p, const float *x, float *y, int c, int lanes, const int tail) {
	int j = 0;
	for (; j + DW_P <= p->n; j += DW_P) VK(depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, DW_P, tail);
#if DW_P > 6
	for (; j + 6 <= p->n; j += 6) VK(depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, 6, tail);
#endif
	for (; j + 2 <= p->n; j += 2) VK(depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, 2, tail);
	if (j < p->n) VK(depthwise_tile)(p, x + j * p->xpix, y + j * p->ypix, c, lanes, 1, tail);
}

// Channels outermost: the rows that neighbouring outputs share then stay in the first cache.
static void VK(depthwise)(const conv_plane *p) {
	for (int c = 0; c < p->k; c += 16) {
		int lanes = p->k - c < 16 ? p->k - c : 16;
		for (int i = 0; i < p->rows; i++) {
			const float *x = p->x + i * p->xrow + c;
			float *y = p->y + i * p->yrow + c;
			if (lanes == 16) VK(depthwise_row)(p, x, y, c, 16, 0);
			else VK(depthwise_row)(p, x, y, c, lanes, 1);
		}
	}
}

V_INLINE void VK(depthwise_add)(float *out, v16 a, int first) { v_store(out, first ? a : v_add(v_load(out), a)); }

// T taps s, s+1, ... of one filter row by V vectors of channels.
V_INLINE void VK(depthwise_wgrad_tile)(const conv_wplane *p, const float *x, const float *dy, float *out, int lanes,
                                       const int T, const int V, const int tail) {
	v16 a0 = v_zero(), a1 = a0, a2 = a0, b0 = a0, b1 = a0, b2 = a0;
	for (int i = 0; i < p->rows; i++) {
		const float *xl = x + i * p->xrow, *dl = dy + i * p->dyrow;
		for (int j = 0; j < p->n; j++, xl += p->xpix, dl += p->dypix) {
			v16 d = VK(depthwise_get)(dl, lanes, tail);
			a0 = v_mul_add(VK(depthwise_get)(xl, lanes, tail), d, a0);
			if (T > 1) a1 = v_mul_add(VK(depthwise_get)(xl + p->xs, lanes, tail), d, a1);
			if (T > 2) a2 = v_mul_add(VK(depthwise_get)(xl + 2 * p->xs, lanes, tail), d, a2);
			if (V > 1) {
				v16 e = v_load(dl + 16);
				b0 = v_mul_add(v_load(xl + 16), e, b0);
				if (T > 1) b1 = v_mul_add(v_load(xl + p->xs + 16), e, b1);
				if (T > 2) b2 = v_mul_add(v_load(xl + 2 * p->xs + 16), e, b2);
			}
		}
	}
	VK(depthwise_add)(out, a0, p->first);
	if (T > 1) VK(depthwise_add)(out + p->ws, a1, p->first);
	if (T > 2) VK(depthwise_add)(out + 2 * p->ws, a2, p->first);
	if (V > 1) {
		VK(depthwise_add)(out + 16, b0, p->first);
		if (T > 1) VK(depthwise_add)(out + p->ws + 16, b1, p->first);
		if (T > 2) VK(depthwise_add)(out + 2 * p->ws + 16, b2, p->first);
	}
}

V_INLINE void VK(depthwise_wgrad_row)(const conv_wplane *p, int r, int c, int lanes, const int V, const int tail) {
	for (int s = 0; s < p->ns; s += 3) {
		const float *x = p->x + r * p->xr + s * p->xs + c;
		float *out = p->out + r * p->wr + s * p->ws + c;
		if (p->ns - s >= 3) VK(depthwise_wgrad_tile)(p, x, p->dy + c, out, lanes, 3, V, tail);
		else if (p->ns - s == 2) VK(depthwise_wgrad_tile)(p, x, p->dy + c, out, lanes, 2, V, tail);
		else VK(depthwise_wgrad_tile)(p, x, p->dy + c, out, lanes, 1, V, tail);
	}
}

static void VK(depthwise_wgrad)(const conv_wplane *p) {
	int c = 0;
	for (; c + 32 <= p->k; c += 32)
		for (int r = 0; r < p->nr; r++) VK(depthwise_wgrad_row)(p, r, c, 16, 2, 0);
	for (; c + 16 <= p->k; c += 16)
		for (int r = 0; r < p->nr; r++) VK(depthwise_wgrad_row)(p, r, c, 16, 1, 0);
	if (c < p->k)
		for (int r = 0; r < p->nr; r++) VK(depthwise_wgrad_row)(p, r, c, p->k - c, 1, 1);
}
#undef DW_P
