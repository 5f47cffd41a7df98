// BitModel: one block, a thread a row forward and a thread a column backward, so that every sum is the host's chain.
#include "bitmodel.h"

enum { BITMODEL_BLOCK = 256, TILE = 32, TILE_ROW = TILE + 1 };
static_assert(VK_MAX_HIDDEN <= BITMODEL_BLOCK, "a thread a hidden unit");

// Row r of the last layer is candidate r % VK_MAX_BITS of a gate; in a hidden layer, where bits is null, all count.
static __device__ __forceinline__ bool row_used(const int32_t *bits, int row) {
	return !bits || row % VK_MAX_BITS < bits[row / VK_MAX_BITS];
}

// This thread's row of w [rows][in], first + its number, times x, added to s. The block reads w in tiles, so that
// neighbouring threads read neighbouring values.
static __device__ float row_times(const float *w, const int32_t *bits, int first, int rows, int in, const float *x, float *tile, float s) {
	for (int from = 0; from < in; from += TILE) {
		const int width = min(in - from, (int)TILE);
		__syncthreads();
		for (int e = threadIdx.x; e < BITMODEL_BLOCK * TILE; e += BITMODEL_BLOCK) {
			const int r = e / TILE, c = e % TILE;
			if (c < width && first + r < rows && row_used(bits, first + r)) tile[r * TILE_ROW + c] = w[(first + r) * in + from + c];
		}
		__syncthreads();
		if (first + threadIdx.x < rows && row_used(bits, first + threadIdx.x))
			for (int c = 0; c < width; c++) s = fmaf(tile[threadIdx.x * TILE_ROW + c], x[from + c], s);
	}
	return s;
}

extern "C" __global__ void __launch_bounds__(BITMODEL_BLOCK) bitmodel_fwd(const __grid_constant__ vk_bitmodel_args a, int) {
	__shared__ float x[VK_MAX_HIDDEN], tile[BITMODEL_BLOCK * TILE_ROW];
	const float u = *a.u;
	if (threadIdx.x == 0) x[0] = u;
	for (int l = 0; l < a.depth; l++) {
		const int in = vk_bitmodel_inputs(&a, l);
		const float *w = a.theta + vk_bitmodel_at(&a, l);
		const bool mine = threadIdx.x < a.hidden;
		const float h = vk_tanhf(row_times(w, nullptr, 0, a.hidden, in, x, tile, mine ? w[a.hidden * in + threadIdx.x] : 0));
		__syncthreads();
		if (mine) a.h[l * a.hidden + threadIdx.x] = x[threadIdx.x] = h;
	}
	const int in = vk_bitmodel_inputs(&a, a.depth), rows = a.gates * VK_MAX_BITS;
	const float *w = a.theta + vk_bitmodel_at(&a, a.depth);
	for (int first = 0; first < rows; first += BITMODEL_BLOCK) {
		const int i = first + threadIdx.x;
		const bool mine = i < rows && row_used(a.bits, i);
		const float s = row_times(w, a.bits, first, rows, in, x, tile, mine ? w[rows * in + i] : 0);
		if (!mine) continue;
		a.logits[i] = vk_bitmodel_logit(u, a.kappa_rank[i], s);
		a.tilt[i] = vk_bitmodel_tilt(u, a.kappa_rank[i]);
	}
}

// One layer backward: for the gradients d of its rows, dw += scale*d*x, dbias += scale*d; returns this thread's
// column of d*w.
static __device__ float layer_bwd(const vk_bitmodel_args &a, int layer, const int32_t *bits, int rows, const float *d, const float *x) {
	const int in = vk_bitmodel_inputs(&a, layer), at = vk_bitmodel_at(&a, layer);
	const float *w = a.theta + at, scale = *a.grad_scale;
	float *dw = a.dtheta + at, *dbias = dw + rows * in, dx = 0;
	if (layer > 0 && threadIdx.x < in)
#pragma unroll 4
		for (int i = 0; i < rows; i++)
			if (row_used(bits, i)) dx = fmaf(d[i], w[i * in + threadIdx.x], dx);
	for (int e = threadIdx.x; e < rows * in; e += BITMODEL_BLOCK) {
		const int i = e / in;
		if (row_used(bits, i)) dw[e] = fmaf(scale * d[i], x[e - i * in], dw[e]);
	}
	for (int i = threadIdx.x; i < rows; i += BITMODEL_BLOCK)
		if (row_used(bits, i)) dbias[i] += scale * d[i];
	return dx;
}

extern "C" __global__ void __launch_bounds__(BITMODEL_BLOCK) bitmodel_bwd(const __grid_constant__ vk_bitmodel_args a, int) {
	__shared__ float x[VK_MAX_HIDDEN], d[VK_MAX_HIDDEN];
	if (threadIdx.x < vk_bitmodel_inputs(&a, a.depth)) x[threadIdx.x] = vk_bitmodel_input(&a, a.depth)[threadIdx.x];
	__syncthreads();
	float dh = layer_bwd(a, a.depth, a.bits, a.gates * VK_MAX_BITS, a.dlogits, x);
	for (int l = a.depth - 1; l >= 0; l--) {
		__syncthreads();
		if (threadIdx.x < a.hidden) d[threadIdx.x] = vk_tanh_grad(dh, x[threadIdx.x]);
		if (threadIdx.x < vk_bitmodel_inputs(&a, l)) x[threadIdx.x] = vk_bitmodel_input(&a, l)[threadIdx.x];
		__syncthreads();
		dh = layer_bwd(a, l, nullptr, a.hidden, d, x);
	}
}
