// Kernel similarity, in two kernels: the distances of blocks of SIMILARITY_BLOCK values, then their sums and the
// gradients. Sums are those of similarity_body.h: 16 lanes in float32 within a block of values, blocks in double.
#include "elementary.h"
#include "kernels.h"

enum { LANES = 16, PAIRS = VK_MAX_BITS * (VK_MAX_BITS - 1) / 2, PULL_BLOCK = 256, PULL_LEN = 1024 };

// The pairs i < j < bits are counted row by row.
static __device__ __forceinline__ int pair_number(int i, int j, int bits) { return i * (2 * bits - i - 1) / 2 + j - i - 1; }

static __device__ __forceinline__ void pair_of(int number, int bits, int &i, int &j) {
	for (i = 0; pair_number(i + 1, i + 2, bits) <= number; i++) {}
	j = i + 1 + number - pair_number(i, i + 1, bits);
}

// partial[block][pair] = ||w_i - w_j||^2 over the values of a block. A thread a lane and pair.
extern "C" __global__ void __launch_bounds__(LANES * 32) similarity_distances(const __grid_constant__ vk_similarity_args a, int) {
	const int lane = threadIdx.x % LANES, pair = threadIdx.x / LANES, pairs = a.bits * (a.bits - 1) / 2;
	float sum = 0;
	if (pair < pairs) {
		int i, j;
		pair_of(pair, a.bits, i, j);
		const int64_t first = (int64_t)blockIdx.x * VK_SIMILARITY_BLOCK;
		const int n = (int)min(a.len - first, (int64_t)VK_SIMILARITY_BLOCK);
		const float *x = a.w + i * a.len + first, *y = a.w + j * a.len + first;
#pragma unroll 8
		for (int at = lane; at < n; at += LANES) {
			const float d = x[at] - y[at];
			sum = fmaf(d, d, sum);
		}
	}
#pragma unroll
	for (int other = LANES / 2; other > 0; other /= 2) sum += __shfl_xor_sync(~0u, sum, other);
	if (lane == 0 && pair < pairs) a.partial[blockIdx.x * pairs + pair] = sum;
}

// dw_i += sum over j != i, in order, of c[i][j] * (w_i - w_j), for one place.
static __device__ __forceinline__ void pull(const vk_similarity_args &a, const float (*c)[VK_MAX_BITS], int64_t at) {
	float w[VK_MAX_BITS];
#pragma unroll
	for (int i = 0; i < VK_MAX_BITS; i++) w[i] = i < a.bits ? a.w[i * a.len + at] : 0;
#pragma unroll
	for (int i = 0; i < VK_MAX_BITS; i++) {
		if (i >= a.bits) break;
		float sum = a.dw[i * a.len + at];
#pragma unroll
		for (int j = 0; j < VK_MAX_BITS; j++)
			if (j != i && j < a.bits) sum = fmaf(c[i][j], w[i] - w[j], sum);
		a.dw[i * a.len + at] = sum;
	}
}

extern "C" __global__ void __launch_bounds__(PULL_BLOCK) similarity(const __grid_constant__ vk_similarity_args a, int) {
	__shared__ double distance[PAIRS];
	__shared__ float c[VK_MAX_BITS][VK_MAX_BITS];
	const int pair = threadIdx.x, pairs = a.bits * (a.bits - 1) / 2;
	if (pair < pairs) {
		const int64_t blocks = (a.len + VK_SIMILARITY_BLOCK - 1) / VK_SIMILARITY_BLOCK;
		double norm2 = 0;
#pragma unroll 8
		for (int64_t b = 0; b < blocks; b++) norm2 += a.partial[b * pairs + pair];
		distance[pair] = sqrt(norm2 + 1e-12);
	}
	__syncthreads();
	if (threadIdx.x < VK_MAX_BITS * VK_MAX_BITS) {
		const int row = threadIdx.x / VK_MAX_BITS, column = threadIdx.x % VK_MAX_BITS, i = min(row, column), j = max(row, column);
		c[row][column] = i != j && j < a.bits ? (float)(*a.weight / distance[pair_number(i, j, a.bits)]) : 0;
	}
	__syncthreads();
	if (blockIdx.x == 0 && threadIdx.x == 0) {
		double value = 0;
		for (int p = 0; p < pairs; p++) value += distance[p];
		*a.value = (float)value;
	}
	const int64_t first = (int64_t)blockIdx.x * PULL_LEN;
	for (int64_t at = first + threadIdx.x; at < min(a.len, first + PULL_LEN); at += PULL_BLOCK) pull(a, c, at);
}
