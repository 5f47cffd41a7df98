// Where the rows of an activation tensor lie: see vk_act.
#ifndef VK_ACT_H
#define VK_ACT_H
#include "kernels.h"

// Floats from one row of pixels to the next.
static inline int64_t vk_act_row(const vk_act *a) { return (int64_t)(a->w + 2 * a->border) * a->c; }

// First float inside the border of image i.
static inline float *vk_act_image(const vk_act *a, int i) {
	const int64_t row = vk_act_row(a), image = row * (a->h + 2 * a->border);
	return a->p + image * i + row * a->border + (int64_t)a->border * a->c;
}
#endif
