// Crop, flip and normalisation of images.
#include "act.h"
#include "augment.h"

// One channel of one image; table: the normalised value of each byte.
static void augment_channel(const vk_augment_args *a, int i, int k, const float *table) {
	const int h = a->x.h, w = a->x.w, c = a->x.c;
	const int32_t *draw = a->draw + 3 * (int64_t)i;
	const uint8_t *image = a->pixels + (int64_t)i * h * w * c + k;
	for (int p = 0; p < h; p++) {
		float *out = vk_act_image(&a->x, i) + p * vk_act_row(&a->x) + k;
		for (int q = 0; q < w; q++) {
			const int64_t from = vk_source_pixel(draw, h, w, p, q);
			out[(int64_t)q * c] = table[from >= 0 ? image[from * c] : 0];
		}
	}
}

static void augment(const void *args, int begin, int end) {
	const vk_augment_args *a = args;
	for (int k = 0; k < a->x.c; k++) {
		float table[256];
		for (int v = 0; v < 256; v++) table[v] = vk_normalized((uint8_t)v, a->mean[k], a->std[k]);
		for (int i = begin; i < end; i++) augment_channel(a, i, k, table);
	}
}
const vk_fn vk_augment = augment;
