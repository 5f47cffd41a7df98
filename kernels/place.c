// A tensor as a box of a larger one: concatenation and padding.
#include "act.h"
#include <string.h>

// Places of image i: the first of row p of x, and the first of its box in y.
static float *row_of(const vk_act *t, int i, int p) { return vk_act_image(t, i) + p * vk_act_row(t); }

static float *box_row(const vk_place_args *a, int i, int p) {
	return row_of(&a->y, i, p + a->top) + (int64_t)a->left * a->y.c + a->channel;
}

static void place_fwd(const void *args, int begin, int end) {
	const vk_place_args *a = args;
	const size_t pixel = sizeof(float) * (size_t)a->x.c;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < a->y.h && a->clear; p++) memset(row_of(&a->y, i, p), 0, sizeof(float) * (size_t)a->y.w * (size_t)a->y.c);
		for (int p = 0; p < a->x.h; p++) {
			const float *x = row_of(&a->x, i, p);
			float *y = box_row(a, i, p);
			for (int q = 0; q < a->x.w; q++, x += a->x.c, y += a->y.c) memcpy(y, x, pixel);
		}
	}
}

static void place_bwd(const void *args, int begin, int end) {
	const vk_place_args *a = args;
	const int c = a->x.c;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < a->x.h; p++) {
			float *dx = row_of(&a->x, i, p);
			const float *dy = box_row(a, i, p);
			for (int q = 0; q < a->x.w; q++, dx += c, dy += a->y.c) {
				if (!a->accumulate)
					memcpy(dx, dy, sizeof(float) * (size_t)c);
				else
					for (int k = 0; k < c; k++) dx[k] += dy[k];
			}
		}
	}
}

const vk_fn vk_place_fwd = place_fwd, vk_place_bwd = place_bwd;
