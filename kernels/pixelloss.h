// The gradient of a loss over pixels at one of them: factor is that of the loss's mean over all of the batch.
#ifndef VK_PIXELLOSS_H
#define VK_PIXELLOSS_H
#include "elementary.h"

VK_ELEMENTARY float vk_pixel_grad(float d, int l1, float factor) {
	if (!l1) return 2.0f * factor * d;
	return d > 0 ? factor : d < 0 ? -factor : d; // 0, or NaN
}
#endif
