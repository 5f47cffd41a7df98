// Losses over the pixels of an image, a block each: thread j holds sum j of the host.
#include "device.h"
#include "pixelloss.h"

// The sums in halves; thread 0 has the total.
VK_DEVICE double add_up(double v, double *sums) {
	sums[threadIdx.x] = v;
	for (int half = VK_PIXEL_SUMS / 2; half > 0; half /= 2) {
		__syncthreads();
		if ((int)threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
	}
	return sums[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(VK_PIXEL_SUMS) pixel_loss(const __grid_constant__ vk_pixel_loss_args a, int) {
	__shared__ double sums[2][VK_PIXEL_SUMS];
	const int image = blockIdx.x, len = a.y.w * a.y.c;
	const double count = (double)a.y.h * len;
	const float factor = (float)((a.scale ? *a.scale : 1) / (count * a.n));
	double loss = 0, square = 0;
	for (int p = 0; p < a.y.h; p++) {
		const float *y = act_image<float>(a.y, image) + p * act_row(a.y), *target = act_image<float>(a.target, image) + p * act_row(a.target);
		float *dy = a.dy.p ? act_image<float>(a.dy, image) + p * act_row(a.dy) : nullptr;
		for (int j = threadIdx.x; j < len; j += VK_PIXEL_SUMS) {
			const float d = y[j] - target[j];
			loss += fabsf(d);
			square += (double)d * d;
			if (dy) dy[j] = vk_pixel_grad(d, a.l1, factor);
		}
	}
	loss = add_up(loss, sums[0]) / count;
	square = add_up(square, sums[1]) / count;
	if (threadIdx.x > 0) return;
	a.partial[2 * (int64_t)image] = (float)(a.l1 ? loss : square);
	a.partial[2 * (int64_t)image + 1] = (float)square;
}
