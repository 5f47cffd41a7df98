// The step of Adam, on the host and on a GPU.
#ifndef VK_OPTIMIZER_H
#define VK_OPTIMIZER_H
#include "elementary.h"
#include "kernels.h"

// Moves the moments m and v of a value to gradient g and returns mhat/(sqrt(vhat) + eps).
VK_ELEMENTARY float vk_adam_direction(const vk_optimizer_args *a, float *m, float *v, float g) {
	const float rest1 = (float)(1 - a->beta1), rest2 = (float)(1 - a->beta2);
	*m = fmaf((float)a->beta1, *m, rest1 * g);
	*v = fmaf((float)a->beta2, *v, rest2 * g * g);
	return (*m / a->bias[0]) / (sqrtf(*v / a->bias[1]) + a->eps);
}

// The values of Adam and LogAdam after a step.
VK_ELEMENTARY float vk_adam_value(const vk_optimizer_args *a, float lr, float p, float g, float *m, float *v) {
	return fmaf(-lr, vk_adam_direction(a, m, v, g), p);
}

VK_ELEMENTARY float vk_logadam_value(const vk_optimizer_args *a, float lr, float p, float g, float *m, float *v) {
	const float next = p * vk_expf(-lr * vk_adam_direction(a, m, v, p * g));
	return next < 1e-6f ? 1e-6f : next; // NaN stays NaN
}
#endif
