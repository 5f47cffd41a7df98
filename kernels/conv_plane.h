// What a convolution reads and writes where, as numbers: shared by the CUDA kernels of all passes.
#ifndef VK_CONV_PLANE_H
#define VK_CONV_PLANE_H
#include "device.h"

// Of x, of y and of the filters: where the plane begins and how far it is to the next, in values. Forward and input
// gradient, any stride and dilation, differ only in the numbers. The reduction is [nr][ns][len].
struct Plane {
	int rows, cols, k; // output pixels of an image, output channels of the group
	int nr, ns, len;
	int x0, ximage, xrow, xcol, xr, xs; // x(m, e) is at x0 + image*ximage + i*xrow + j*xcol + a*xr + b*xs + l
	int w0, wk, wr, ws;                 // w(n, e) at w0 + n*wk + a*wr + b*ws + l
	int y0, yimage, yrow, ycol;         // y(m, n) at y0 + image*yimage + i*yrow + j*ycol + n
};

// Values from one packed filter of n weights to the next: whole 16-byte chunks.
template <class T> VK_DEVICE int packed_row(int n) {
	constexpr int lanes = 16 / sizeof(T);
	return (n + lanes - 1) / lanes * lanes;
}

// The numbers of a forward pass from x (its row pitch, image size and border) to y, for one group. wk: values from one
// packed filter to the next; wc: from one tap to the next.
VK_DEVICE Plane forward_plane(const vk_conv_geom &g, int row, int image, int border, const vk_act &y, int group, int wk, int wc) {
	Plane p;
	p.rows = y.h, p.cols = y.w, p.k = g.k / g.groups;
	p.nr = g.r, p.ns = g.s, p.len = g.c / g.groups;
	p.x0 = (border - g.pad_top) * row + (border - g.pad_left) * g.c + group * p.len;
	p.ximage = image, p.xrow = row * g.stride, p.xcol = g.c * g.stride;
	p.xr = row * g.dilation, p.xs = g.c * g.dilation;
	p.wk = wk, p.wr = g.s * wc, p.ws = wc;
	p.w0 = group * p.k * wk;
	p.yimage = act_size(y), p.yrow = act_row(y), p.ycol = g.k;
	p.y0 = y.border * (p.yrow + g.k) + group * p.k;
	return p;
}

// The taps t of one axis that reach positions phase, phase + stride, ...: those where phase + pad - t*dilation is a
// multiple of the stride. They are first, first + step, ...; the first one reads dy at `at`, the next `move` further.
struct Taps {
	int first, step, count, at, move;
	__device__ __forceinline__ Taps(int phase, int pad, int size, int stride, int dilation) : first(0), step(1), count(0), at(0), move(0) {
		while (first < size && (phase + pad - first * dilation) % stride != 0) first++;
		if (first == size) return;
		while (step * dilation % stride != 0) step++;
		count = (size - 1 - first) / step + 1;
		at = (phase + pad - first * dilation) / stride;
		move = -(step * dilation / stride);
	}
};

// The numbers of the input gradient for the pixels of dx at ph, pw within the stride, for one group.
template <class T> VK_DEVICE Plane gradient_plane(const vk_conv_dgrad_args &a, int group, int ph, int pw) {
	const vk_conv_geom &g = a.g;
	const Taps tr(ph, g.pad_top, g.r, g.stride, g.dilation), ts(pw, g.pad_left, g.s, g.stride, g.dilation);
	Plane p;
	p.rows = (a.dx.h - ph + g.stride - 1) / g.stride, p.cols = (a.dx.w - pw + g.stride - 1) / g.stride, p.k = g.c / g.groups;
	p.nr = tr.count, p.ns = ts.count, p.len = g.k / g.groups;
	const int row = act_row(a.dy);
	p.x0 = (a.dy.border + tr.at) * row + (a.dy.border + ts.at) * g.k + group * p.len;
	p.ximage = act_size(a.dy), p.xrow = row, p.xcol = g.k;
	p.xr = row * tr.move, p.xs = g.k * ts.move;
	p.wk = packed_row<T>(g.r * g.s * p.len), p.wr = tr.step * g.s * p.len, p.ws = ts.step * p.len;
	p.w0 = group * p.k * p.wk + (tr.first * g.s + ts.first) * p.len;
	p.yimage = act_size(a.dx), p.yrow = act_row(a.dx) * g.stride, p.ycol = g.c * g.stride;
	p.y0 = (a.dx.border + ph) * act_row(a.dx) + (a.dx.border + pw) * g.c + group * p.k;
	return p;
}
#endif
