// Layout and formulas of the BitModel, on the host and on a GPU.
#ifndef VK_BITMODEL_H
#define VK_BITMODEL_H
#include "elementary.h"
#include "kernels.h"

// Inputs of layer l, 0 .. depth; layer `depth` is the last one.
VK_ELEMENTARY int vk_bitmodel_inputs(const vk_bitmodel_args *a, int l) { return l == 0 ? 1 : a->hidden; }

// Where the weights of layer l start in theta; its biases follow them.
VK_ELEMENTARY int vk_bitmodel_at(const vk_bitmodel_args *a, int l) {
	return l == 0 ? 0 : a->hidden * 2 + (l - 1) * a->hidden * (a->hidden + 1);
}

// What layer l reads.
VK_ELEMENTARY const float *vk_bitmodel_input(const vk_bitmodel_args *a, int l) { return l == 0 ? a->u : a->h + (l - 1) * a->hidden; }

VK_ELEMENTARY float vk_bitmodel_tilt(float u, float kappa_rank) { return -u * kappa_rank; }
VK_ELEMENTARY float vk_bitmodel_logit(float u, float kappa_rank, float s) { return fmaf(-u, kappa_rank, s); }

// The gradient of a unit's sum from that of its output h = tanh(sum).
VK_ELEMENTARY float vk_tanh_grad(float dh, float h) { return dh * fmaf(-h, h, 1.0f); }
#endif
