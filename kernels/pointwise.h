// Activation functions and their slopes, for the host and GPUs: single operations of IEEE arithmetic and elementary.h, so that every device
// gives the same bits. VK_ACT_PRELU takes alpha as the slope of its channel. f is cut at a point where it has a corner: the slope there
// is that of the flat side or, of leaky functions, of the negative side.
#ifndef VK_POINTWISE_H
#define VK_POINTWISE_H
#include "elementary.h"
#include "kernels.h"

VK_ELEMENTARY float vk_clamp(float x, float low, float high) { // NaN stays NaN
	const float t = x < low ? low : x;
	return t > high ? high : t;
}

VK_ELEMENTARY float vk_sigmoid(float x) { return 1.0f / (1.0f + vk_expf(-x)); }

VK_ELEMENTARY float vk_hard_swish_gate(float x) { return vk_clamp(x * (1.0f / 6) + 0.5f, 0.0f, 1.0f); }

VK_ELEMENTARY float vk_activation(int kind, float x, float alpha, float beta) {
	switch (kind) {
	case VK_ACT_CLIP: return vk_clamp(x, alpha, beta);
	case VK_ACT_LEAKY:
	case VK_ACT_PRELU: return x > 0 ? x : alpha * x;
	case VK_ACT_HARD_SIGMOID: return vk_clamp(alpha * x + beta, 0.0f, 1.0f);
	case VK_ACT_HARD_SWISH: return x * vk_hard_swish_gate(x);
	case VK_ACT_SIGMOID: return vk_sigmoid(x);
	case VK_ACT_SILU: return x / (1.0f + vk_expf(-x));
	default: return vk_tanhf(x);
	}
}

// df/dx at x.
VK_ELEMENTARY float vk_activation_slope(int kind, float x, float alpha, float beta) {
	switch (kind) {
	case VK_ACT_CLIP: return x > alpha && x < beta ? 1.0f : 0.0f;
	case VK_ACT_LEAKY:
	case VK_ACT_PRELU: return x > 0 ? 1.0f : alpha;
	case VK_ACT_HARD_SIGMOID: {
		const float t = alpha * x + beta;
		return t > 0 && t < 1 ? alpha : 0.0f;
	}
	case VK_ACT_HARD_SWISH: return x <= -3 ? 0.0f : x >= 3 ? 1.0f : x * (1.0f / 3) + 0.5f;
	case VK_ACT_SIGMOID: {
		const float s = vk_sigmoid(x);
		return s * (1.0f - s);
	}
	case VK_ACT_SILU: {
		const float s = vk_sigmoid(x);
		return s * (1.0f + x * (1.0f - s));
	}
	default: {
		const float t = vk_tanhf(x);
		return 1.0f - t * t;
	}
	}
}
#endif
