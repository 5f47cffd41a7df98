// What goes with the convolutions: operands from filters, sums of partial filter gradients, bias gradients.
#include "conv_plane.h"

VK_DEVICE void store_operands(bf16 *to, const float (&v)[8]) { store16(to, v); }
VK_DEVICE void store_operands(float *to, const float (&v)[4]) {
	const float rounded[4] = {__uint_as_float(to_tf32(v[0])), __uint_as_float(to_tf32(v[1])), __uint_as_float(to_tf32(v[2])), __uint_as_float(to_tf32(v[3]))};
	store16(to, rounded);
}

// One 16-byte chunk a thread: first those of forward [k][r*s*c/groups up to whole chunks], then those of backward
// [c][r*s*k/groups up to whole chunks], zeros behind the end of a row.
template <class T> VK_DEVICE void conv_pack(const vk_conv_pack_args &a, int) {
	constexpr int lanes = Lanes<T>::count;
	const vk_conv_geom &g = a.g;
	const int taps = g.r * g.s, cg = g.c / g.groups, kg = g.k / g.groups;
	const int frow = packed_row<T>(taps * cg), brow = packed_row<T>(taps * kg), fchunks = g.k * (frow / lanes);
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	float v[lanes];
	if (i < fchunks) {
		const int k = i / (frow / lanes), e = i % (frow / lanes) * lanes;
#pragma unroll
		for (int j = 0; j < lanes; j++) v[j] = e + j < taps * cg ? a.w[k * taps * cg + e + j] : 0;
		store_operands(reinterpret_cast<T *>(a.forward) + (int64_t)k * frow + e, v);
		return;
	}
	i -= fchunks;
	if (!a.backward || i >= g.c * (brow / lanes)) return;
	const int c = i % g.c, e = i / g.c * lanes, group = c / cg; // neighbours read neighbours
#pragma unroll
	for (int j = 0; j < lanes; j++) {
		const int tap = (e + j) / kg, k = group * kg + (e + j) % kg;
		v[j] = tap < taps ? a.w[(k * taps + tap) * cg + c % cg] : 0;
	}
	store_operands(reinterpret_cast<T *>(a.backward) + (int64_t)c * brow + e, v);
}

extern "C" __global__ void __launch_bounds__(256) conv_pack_bf16(const __grid_constant__ vk_conv_pack_args a, int units) { conv_pack<bf16>(a, units); }
extern "C" __global__ void __launch_bounds__(256) conv_pack_f32(const __grid_constant__ vk_conv_pack_args a, int units) { conv_pack<float>(a, units); }

// Depthwise filters stay as they are, [r*s][c up to 8]: their products are f32. backward is the same.
extern "C" __global__ void __launch_bounds__(256) conv_depthwise_pack(const __grid_constant__ vk_conv_pack_args a, int) {
	const int taps = a.g.r * a.g.s, row = (a.g.c + 7) / 8 * 8, i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i >= taps * row) return;
	const float w = i % row < a.g.c ? a.w[i % row * taps + i / row] : 0;
	a.forward[i] = w;
	if (a.backward) a.backward[i] = w;
}

// How many threads share the sum of one weight: each adds every chains-th chunk in order, then one adds the chains in order.
VK_DEVICE int reduce_chains(int chunks) { return chunks >= 64 ? 16 : chunks >= 8 ? 4 : 1; }

extern "C" __global__ void __launch_bounds__(256) conv_wgrad_reduce(const __grid_constant__ vk_conv_wgrad_reduce_args a, int) {
	__shared__ float sums[256];
	const int len = a.g.k * a.g.r * a.g.s * (a.g.c / a.g.groups), chains = reduce_chains(a.chunks), columns = 256 / chains;
	const int i = blockIdx.x * columns + threadIdx.x % columns, chain = threadIdx.x / columns;
	float sum = 0;
	if (i < len) {
#pragma unroll 4
		for (int t = chain; t < a.chunks; t += chains) sum += a.partial[(int64_t)t * len + i];
	}
	sums[threadIdx.x] = sum;
	__syncthreads();
	if (chain > 0 || i >= len) return;
	for (int t = 1; t < chains; t++) sum += sums[t * columns + threadIdx.x];
	a.dw[i] = sum;
}

// partial[row][c] = sum of dy over the row's run of the batch's pixels: 8 threads a channel, each every 8th pixel in order.
template <class T> VK_DEVICE void bias_grad(const vk_bias_grad_args &a, int units) {
	__shared__ float sums[256];
	const int size = a.dy.h * a.dy.w, all = units * size, run = (all + gridDim.y - 1) / gridDim.y;
	const int end = min((int)(blockIdx.y + 1) * run, all), c = blockIdx.x * 32 + threadIdx.x % 32, lane = threadIdx.x / 32;
	float sum = 0;
	if (c < a.dy.c) {
		for (int pixel = blockIdx.y * run + lane; pixel < end; pixel += 8) {
			const int image = pixel / size, in = pixel % size;
			sum += load(act_image<const T>(a.dy, image) + in / a.dy.w * act_row(a.dy) + in % a.dy.w * a.dy.c + c);
		}
	}
	sums[threadIdx.x] = sum;
	__syncthreads();
	if (lane > 0 || c >= a.dy.c) return;
	for (int t = 1; t < 8; t++) sum += sums[t * 32 + threadIdx.x];
	a.partial[blockIdx.y * a.dy.c + c] = sum;
}

extern "C" __global__ void __launch_bounds__(256) bias_grad_f32(const __grid_constant__ vk_bias_grad_args a, int units) { bias_grad<float>(a, units); }
extern "C" __global__ void __launch_bounds__(256) bias_grad_bf16(const __grid_constant__ vk_bias_grad_args a, int units) { bias_grad<bf16>(a, units); }
