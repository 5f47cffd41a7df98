// Where the pixels of a crop come from and what they become, on the host and on a GPU.
#ifndef VK_AUGMENT_H
#define VK_AUGMENT_H
#include "elementary.h"
#include "kernels.h"

// The pixel of the image that comes to (p, q), row by row; -1 where that lies outside. draw: see vk_augment_args.
VK_ELEMENTARY int64_t vk_source_pixel(const int32_t *draw, int h, int w, int p, int q) {
	const int64_t from = (int64_t)p + draw[0], column = (int64_t)(draw[2] ? w - 1 - q : q) + draw[1];
	return from >= 0 && from < h && column >= 0 && column < w ? from * w + column : -1;
}

VK_ELEMENTARY float vk_normalized(uint8_t value, float mean, float std) { return ((float)value / 255.0f - mean) / std; }
#endif
