// Depth to space (pixel shuffle).
#include "act.h"

// Image i's place in y of output channel 0 of the pixel (p, q) of x, and of its block's (row, col).
static float *block_of(const vk_shuffle_args *a, int i, int p, int q, int row, int col) {
	return vk_act_image(&a->y, i) + (p * a->block + row) * vk_act_row(&a->y) + (int64_t)(q * a->block + col) * a->y.c;
}

static void shuffle(const vk_shuffle_args *a, int begin, int end, int backward) {
	const int size = a->block * a->block, step = a->dcr ? 1 : size, first = a->dcr ? a->y.c : 1;
	for (int i = begin; i < end; i++) {
		for (int p = 0; p < a->x.h; p++) {
			float *x = vk_act_image(&a->x, i) + p * vk_act_row(&a->x);
			for (int q = 0; q < a->x.w; q++, x += a->x.c) {
				for (int at = 0; at < size; at++) {
					float *y = block_of(a, i, p, q, at / a->block, at % a->block), *from = x + at * first;
					if (!backward)
						for (int c = 0; c < a->y.c; c++) y[c] = from[c * step];
					else if (!a->accumulate)
						for (int c = 0; c < a->y.c; c++) from[c * step] = y[c];
					else
						for (int c = 0; c < a->y.c; c++) from[c * step] += y[c];
				}
			}
		}
	}
}

static void shuffle_fwd(const void *args, int begin, int end) { shuffle(args, begin, end, 0); }
static void shuffle_bwd(const void *args, int begin, int end) { shuffle(args, begin, end, 1); }

const vk_fn vk_shuffle_fwd = shuffle_fwd, vk_shuffle_bwd = shuffle_bwd;
