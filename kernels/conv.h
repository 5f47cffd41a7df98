// What the convolution kernels of every instruction set share: a plane is the work of one image (or of
// a run of images that touch), one group and, backward, one phase of the stride.
#ifndef VK_CONV_H
#define VK_CONV_H
#include "kernels.h"
#include <stddef.h>
#include <string.h>

// y[i][j][0..k) = bias + sum over taps (a, b) and l < len, in this order and in one chain, of
// x[i*xrow + j*xpix + a*xr + b*xs + l] * w[a*wr + b*ws + l*wrow + k]. Distances are in floats.
// Forward and dgrad, any stride and dilation, differ only in the numbers. Depthwise planes have
// no l: the lane of x is the lane of w and y.
typedef struct {
	const float *x, *w, *bias;
	float *y;
	int rows, n; // rows of y, pixels a row
	int nr, ns, len, k;
	ptrdiff_t xrow, xpix, yrow, ypix;
	ptrdiff_t xr, xs, wr, ws, wrow;
} conv_plane;

// out[m][0..k) (+)= sum over the pixels (i, j) of x[i*xrow + j*xpix + m] * dy[i*dyrow + j*dypix + k] for
// each of the taps: a row of taps lies next to each other in x and in out unless dilated.
typedef struct {
	const float *x, *dy;
	float *out;
	int rows, n;
	int nr, ns, len, k, first; // first: overwrite
	ptrdiff_t xrow, xpix, dyrow, dypix;
	ptrdiff_t xr, xs, wr, ws, wrow;
} conv_wplane;

static inline int conv_up16(int n) { return (n + 15) / 16 * 16; }
static inline int conv_depthwise(const vk_conv_geom *g) { return g->groups == g->c && g->c == g->k; }

static inline ptrdiff_t conv_pitch(const vk_act *a) { return (ptrdiff_t)(a->w + 2 * a->border) * a->c; }

// The float at image i, row h, column w (either may lie in the border), channel 0.
static inline float *conv_at(const vk_act *a, int i, ptrdiff_t h, ptrdiff_t w) {
	ptrdiff_t row = (ptrdiff_t)i * (a->h + 2 * a->border) + h + a->border;
	return a->p + row * conv_pitch(a) + (w + a->border) * a->c;
}

// Floats of one group's packed filters.
static inline ptrdiff_t conv_group_size(const vk_conv_geom *g, int from, int to) {
	return (ptrdiff_t)g->r * g->s * (from / g->groups) * conv_up16(to / g->groups);
}

// A 1x1 convolution between two tensors without borders: all images are one row of pixels.
static inline int conv_is_flat(const vk_conv_geom *g, const vk_act *a, const vk_act *b) {
	return g->r == 1 && g->s == 1 && g->stride == 1 && a->border == 0 && b->border == 0 && a->h == b->h && a->w == b->w;
}

static inline conv_plane conv_fwd_plane(const vk_conv_fwd_args *a, int image) {
	const vk_conv_geom *g = &a->g;
	ptrdiff_t pitch = conv_pitch(&a->x);
	conv_plane p = {
		.x = conv_at(&a->x, image, -g->pad_top, -g->pad_left), .w = a->packed, .bias = a->bias,
		.y = conv_at(&a->y, image, 0, 0), .rows = a->y.h, .n = a->y.w, .nr = g->r, .ns = g->s,
		.len = g->c / g->groups, .k = g->k / g->groups,
		.xrow = pitch * g->stride, .xpix = (ptrdiff_t)g->c * g->stride, .yrow = conv_pitch(&a->y), .ypix = g->k,
		.xr = pitch * g->dilation, .xs = (ptrdiff_t)g->c * g->dilation,
	};
	p.wrow = conv_up16(p.k);
	p.ws = p.len * p.wrow;
	if (conv_depthwise(g)) {
		p.k = g->k;
		p.ws = conv_up16(g->k);
	}
	p.wr = p.ws * g->s;
	if (g->dilation == 1 && g->groups == 1 && !conv_depthwise(g)) { // a row of taps is contiguous
		p.len *= p.ns;
		p.ns = 1;
	}
	return p;
}

// The taps t of one axis that reach position pos = phase of dx: those where pos + pad - t*dilation is a
// multiple of the stride. They are first, first + step, ...; the first one reads dy at `at`.
typedef struct {
	int first, step, count;
	ptrdiff_t at, move; // dy position of the first tap, and its change from tap to tap
} conv_taps;

static inline conv_taps conv_phase_taps(int phase, int pad, int size, int stride, int dilation) {
	conv_taps t = {.first = 0, .step = 1};
	while (t.first < size && (phase + pad - t.first * dilation) % stride != 0) t.first++;
	if (t.first == size) return t;
	while (t.step * dilation % stride != 0) t.step++;
	t.count = (size - 1 - t.first) / t.step + 1;
	t.at = (phase + pad - t.first * dilation) / stride;
	t.move = -(t.step * dilation / stride);
	return t;
}

static inline conv_plane conv_dgrad_plane(const vk_conv_dgrad_args *a, int image, int ph, int pw) {
	const vk_conv_geom *g = &a->g;
	conv_taps tr = conv_phase_taps(ph, g->pad_top, g->r, g->stride, g->dilation);
	conv_taps ts = conv_phase_taps(pw, g->pad_left, g->s, g->stride, g->dilation);
	ptrdiff_t pitch = conv_pitch(&a->dy);
	conv_plane p = {
		.x = conv_at(&a->dy, image, tr.at, ts.at), .y = conv_at(&a->dx, image, ph, pw),
		.rows = (a->dx.h - ph + g->stride - 1) / g->stride, .n = (a->dx.w - pw + g->stride - 1) / g->stride,
		.nr = tr.count, .ns = ts.count, .len = g->k / g->groups, .k = g->c / g->groups,
		.xrow = pitch, .xpix = g->k, .yrow = conv_pitch(&a->dx) * g->stride, .ypix = (ptrdiff_t)g->c * g->stride,
		.xr = pitch * tr.move, .xs = g->k * ts.move,
	};
	p.wrow = conv_up16(p.k);
	ptrdiff_t tap = p.len * p.wrow;
	if (conv_depthwise(g)) {
		p.k = g->c;
		tap = conv_up16(g->c);
	}
	p.w = a->packed + (tr.first * g->s + ts.first) * tap;
	p.wr = tap * g->s * tr.step;
	p.ws = tap * ts.step;
	return p;
}

static inline conv_wplane conv_wgrad_plane(const vk_conv_wgrad_args *a, int image) {
	const vk_conv_geom *g = &a->g;
	ptrdiff_t pitch = conv_pitch(&a->x), size = conv_group_size(g, g->c, g->k) * g->groups;
	if (conv_depthwise(g)) size = (ptrdiff_t)g->r * g->s * conv_up16(g->k);
	conv_wplane p = {
		.x = conv_at(&a->x, image, -g->pad_top, -g->pad_left), .dy = conv_at(&a->dy, image, 0, 0),
		.out = a->partial + image / a->chunk * size, .first = image % a->chunk == 0,
		.rows = a->dy.h, .n = a->dy.w, .nr = g->r, .ns = g->s, .len = g->c / g->groups, .k = g->k / g->groups,
		.xrow = pitch * g->stride, .xpix = (ptrdiff_t)g->c * g->stride, .dyrow = conv_pitch(&a->dy), .dypix = g->k,
		.xr = pitch * g->dilation, .xs = (ptrdiff_t)g->c * g->dilation,
	};
	p.wrow = conv_up16(p.k);
	p.ws = p.len * p.wrow;
	if (conv_depthwise(g)) {
		p.k = g->k;
		p.ws = conv_up16(g->k);
	}
	p.wr = p.ws * g->s;
	if (g->dilation == 1 && g->groups == 1 && !conv_depthwise(g)) {
		p.len *= p.ns;
		p.ns = 1;
	}
	return p;
}
#endif
