// The rest of kernels.h, and read through it: arguments of activation functions beside relu, of products, and of losses over pixels.
#ifndef VK_KERNELS_POINTWISE_H
#define VK_KERNELS_POINTWISE_H
#include "kernels.h"

// ---- pointwise.c ---- pointwise.h has the formulas, which are the same bits on every instruction set and GPU
enum { VK_ACT_CLIP, VK_ACT_LEAKY, VK_ACT_PRELU, VK_ACT_HARD_SIGMOID, VK_ACT_HARD_SWISH, VK_ACT_SIGMOID, VK_ACT_SILU, VK_ACT_TANH };
typedef struct {
	int kind;
	float alpha, beta;
	const float *slope; // [c], VK_ACT_PRELU
	vk_act x, y;        // y may be x
} vk_activate_fwd_args; // units: images
// dx (+)= dy * f'(x). partial[image][c] = sum over pixels of dy * df/dslope, for VK_ACT_PRELU alone; null: not wanted
typedef struct {
	int kind;
	float alpha, beta;
	int accumulate;
	const float *slope;
	vk_act x, dy, dx; // dx may be dy
	float *partial;   // GPU: [rows][c], each the sum over a part of an image
} vk_activate_bwd_args; // units: images
// vk_multiply: y (+)= a*b, where b has a's size or is 1x1.
// vk_multiply_sum: y (+)= sum over the pixels of a*b, in order; y is 1x1, b has a's size.
typedef struct {
	vk_act a, b, y;
	int accumulate;
} vk_multiply_args; // units: images
extern const vk_fn vk_activate_fwd[VK_ISAS], vk_activate_bwd[VK_ISAS], vk_multiply[VK_ISAS], vk_multiply_sum[VK_ISAS];

// ---- pixelloss.c ---- d = y - target. Value i of a row of pixels adds to sum i mod VK_PIXEL_SUMS, row after row; the sums then add
// up in halves. All in double.
enum { VK_PIXEL_SUMS = 256 };
typedef struct {
	vk_act y, target, dy; // f32; dy = gradient of the mean over n images of the loss; p null: none
	const float *scale;   // device scalar that multiplies dy; null: 1
	float *partial;       // [n][2]: mean |d| where l1, else mean d^2; mean d^2
	int n, l1;
} vk_pixel_loss_args; // units: images
extern const vk_fn vk_pixel_loss;
#endif
