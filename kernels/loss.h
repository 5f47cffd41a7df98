// Softmax cross-entropy of one image, on the host and on a GPU, from the largest logit and sum = sum exp(x - top).
#ifndef VK_LOSS_H
#define VK_LOSS_H
#include "elementary.h"
#include "kernels.h"

// A label that is no class has no loss: NaN, so that it is noticed.
VK_ELEMENTARY float vk_cross_entropy(const float *x, int c, int label, float top, float sum) {
	const float chosen = label >= 0 && label < c ? x[label] : NAN;
	return vk_logf(sum) - (chosen - top);
}

// By the logit x.
VK_ELEMENTARY float vk_cross_entropy_grad(float x, float top, float sum, int is_label, float scale, int n) {
	return scale * (vk_expf(x - top) / sum - (float)is_label) / (float)n;
}
#endif
