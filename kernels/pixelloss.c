// Losses over the pixels of an image, for restoration: kernels_pointwise.h has the order of the sums.
#include "pixelloss.h"
#include "act.h"

// Adds the losses of a row of len values to the sums and writes its gradient where dy is given.
static void loss_row(const float *y, const float *target, float *dy, int len, int l1, float factor, double *loss, double *square) {
	for (int from = 0; from < len; from += VK_PIXEL_SUMS) {
		const int n = len - from < VK_PIXEL_SUMS ? len - from : VK_PIXEL_SUMS;
		for (int j = 0; j < n; j++) {
			const float d = y[from + j] - target[from + j];
			loss[j] += fabsf(d);
			square[j] += (double)d * d;
		}
	}
	for (int j = 0; dy && j < len; j++) dy[j] = vk_pixel_grad(y[j] - target[j], l1, factor);
}

static double add_up(double *sums) {
	for (int half = VK_PIXEL_SUMS / 2; half > 0; half /= 2)
		for (int j = 0; j < half; j++) sums[j] += sums[j + half];
	return sums[0];
}

static void pixel_loss(const void *args, int begin, int end) {
	const vk_pixel_loss_args *a = args;
	const int len = a->y.w * a->y.c;
	const double count = (double)a->y.h * len;
	const float factor = (float)((a->scale ? *a->scale : 1) / (count * a->n));
	for (int i = begin; i < end; i++) {
		double loss[VK_PIXEL_SUMS] = {0}, square[VK_PIXEL_SUMS] = {0};
		for (int p = 0; p < a->y.h; p++)
			loss_row(vk_act_image(&a->y, i) + p * vk_act_row(&a->y), vk_act_image(&a->target, i) + p * vk_act_row(&a->target),
			         a->dy.p ? vk_act_image(&a->dy, i) + p * vk_act_row(&a->dy) : 0, len, a->l1, factor, loss, square);
		const float squares = (float)(add_up(square) / count), absolute = (float)(add_up(loss) / count);
		a->partial[2 * (int64_t)i] = a->l1 ? absolute : squares;
		a->partial[2 * (int64_t)i + 1] = squares;
	}
}
const vk_fn vk_pixel_loss = pixel_loss;
