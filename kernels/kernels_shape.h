// The rest of kernels.h, and read through it: arguments of the ops that give activations another size or place.
#ifndef VK_KERNELS_SHAPE_H
#define VK_KERNELS_SHAPE_H
#include "kernels.h"

// ---- window.c ---- maximum or average over windows: that of output (p, q) has its top left pixel at (p*stride-pad_top,
// q*stride-pad_left); only pixels of the image are read, and each window has one at least. Sums are in row order; a maximum is the first of
// equals in row order, and NaN where there is one.
typedef struct {
	int r, s, stride, pad_top, pad_left, is_max;
	int count_pad; // the average divides by r*s, else by the pixels read
} vk_window;
typedef struct {
	vk_act x, y;
	vk_window w;
} vk_window_fwd_args; // units: images
// dx (+)= dy of every window whose maximum the pixel is, or dy / count, windows in order.
typedef struct {
	vk_act x, dy, dx; // x.p null: average
	vk_window w;
	int accumulate;
} vk_window_bwd_args; // units: images
extern const vk_fn vk_window_fwd[VK_ISAS], vk_window_bwd[VK_ISAS];

// ---- place.c ---- x is a box of y: x[h,w,c] stands at y[h+top, w+left, c+channel]
typedef struct {
	vk_act x, y;
	int top, left, channel;
	int clear;      // forward: what is outside the box becomes 0
	int accumulate; // backward, which writes x from y: x += instead of =
} vk_place_args; // units: images
extern const vk_fn vk_place_fwd, vk_place_bwd;

// ---- shuffle.c ---- depth to space: y[h*block+i, w*block+j, c] = x[h, w, c*block^2 + i*block + j] or, dcr, x[h, w, (i*block+j)*y.c + c]
typedef struct {
	vk_act x, y;
	int block, dcr;
	int accumulate; // backward, which writes x from y: x += instead of =
} vk_shuffle_args; // units: images
extern const vk_fn vk_shuffle_fwd, vk_shuffle_bwd;

// ---- resample.c ---- y[p,q] (+)= sum_i rows.weight[p][i] * (sum_j cols.weight[q][j] * x[rows.at[p][i], cols.at[q][j]]), each sum from -0 on in
// order, fused where the set can
typedef struct {
	const int32_t *at;   // [out][taps]; -1 ends the taps of a place
	const float *weight; // [out][taps]
	int taps;
} vk_taps;
typedef struct {
	vk_act x, y;
	vk_taps rows, cols;
	int accumulate;
} vk_resample_args; // units: images
extern const vk_fn vk_resample[VK_ISAS];
#endif
