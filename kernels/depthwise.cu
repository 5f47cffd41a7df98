// Depthwise convolutions (groups == c == k): one channel in, the same one out. Memory sets the pace, so they are plain f32
// products of activations in either storage with unrounded filters [r*s][c up to 8], 16 bytes of channels a thread where c
// allows, one channel elsewhere.
#include "conv_plane.h"

// V values at p as float.
template <int V, class T> VK_DEVICE void load_values(float (&v)[V], const T *p) {
	if constexpr (V == 1) {
		v[0] = load(p);
	} else {
#pragma unroll
		for (int i = 0; i < V; i += Lanes<T>::count) load16(v + i, p + i);
	}
}

// Four pixels of a row a thread, each one chain of fused multiply-adds over the taps.
template <int V, class T> VK_DEVICE void depthwise(const Plane &p, int c, const T *x, const float *w, const float *bias, T *y, int units) {
	constexpr int N = 4;
	if (p.rows <= 0 || p.cols <= 0) return; // a phase of an image smaller than the stride
	const int vectors = c / V, runs = (p.cols + N - 1) / N, row = (c + 7) / 8 * 8;
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	const int channel = i % vectors * V;
	i /= vectors;
	const int j0 = i % runs * N;
	i /= runs;
	const int image = i / p.rows;
	if (image >= units) return;
	i -= image * p.rows;
	x += p.x0 + (int64_t)image * p.ximage + i * p.xrow + channel;
	w += p.w0 * row + channel;
	float sum[N][V] = {};
	for (int a = 0; a < p.nr; a++) {
		for (int b = 0; b < p.ns; b++) {
			float tap[V];
			load_values<V>(tap, w + (a * p.wr + b * p.ws) * row);
#pragma unroll
			for (int j = 0; j < N; j++) {
				float v[V];
				load_values<V>(v, x + a * p.xr + b * p.xs + min(j0 + j, p.cols - 1) * p.xcol);
#pragma unroll
				for (int l = 0; l < V; l++) sum[j][l] = fmaf(v[l], tap[l], sum[j][l]);
			}
		}
	}
	if (bias) {
#pragma unroll
		for (int l = 0; l < V; l++)
#pragma unroll
			for (int j = 0; j < N; j++) sum[j][l] += bias[channel + l];
	}
	y += p.y0 + (int64_t)image * p.yimage + i * p.yrow + channel;
#pragma unroll
	for (int j = 0; j < N; j++) {
		if (j0 + j >= p.cols) break;
		if constexpr (V == 1) store(y + (j0 + j) * p.ycol, sum[j][0]);
		else store16(y + (j0 + j) * p.ycol, sum[j]);
	}
}

template <int V, class T> VK_DEVICE void depthwise_fwd(const vk_conv_fwd_args &a, int units) {
	const Plane p = forward_plane(a.g, act_row(a.x), act_size(a.x), a.x.border, a.y, 0, 0, 1);
	depthwise<V>(p, a.g.c, reinterpret_cast<const T *>(a.x.p), a.packed, a.bias, reinterpret_cast<T *>(a.y.p), units);
}

template <int V, class T> VK_DEVICE void depthwise_dgrad(const vk_conv_dgrad_args &a, int units) {
	const Plane p = gradient_plane<T>(a, 0, blockIdx.y / a.g.stride, blockIdx.y % a.g.stride);
	depthwise<V>(p, a.g.c, reinterpret_cast<const T *>(a.dy.p), a.packed, nullptr, reinterpret_cast<T *>(a.dx.p), units);
}

// partial[run][c][r*s]: gridDim.z runs of the batch's pixels, as in conv_wgrad.cu. A block does S taps of a row of the
// filter for up to 32 vectors of channels; its other threads share the pixels, each every lanes-th in order, and the sums
// of these are added in order.
template <int V, int S, class T> VK_DEVICE void depthwise_wgrad(const vk_conv_wgrad_args &a, int units) {
	__shared__ float sums[(256 + 32) * V * S];
	const vk_conv_geom &g = a.g;
	const int vectors = min(g.c / V, 32), lanes = 256 / vectors, lane = threadIdx.x / vectors;
	const int channel = (blockIdx.x * vectors + threadIdx.x % vectors) * V;
	const int first = blockIdx.y * S, r = first / g.s, s = first % g.s;
	const int cols = a.dy.w, size = a.dy.h * cols, all = units * size, run = (all + gridDim.z - 1) / gridDim.z;
	const int end = min((int)(blockIdx.z + 1) * run, all), xrow = act_row(a.x);
	const T *const x = reinterpret_cast<const T *>(a.x.p) + (a.x.border - g.pad_top + r * g.dilation) * xrow +
		(a.x.border - g.pad_left + s * g.dilation) * g.c + channel;
	float sum[S][V] = {};
	if (lane < lanes && channel < g.c) {
		int pixel = blockIdx.z * run + lane, image = pixel / size, i = pixel % size / cols, j = pixel % size % cols;
		const int dimage = lanes / size, di = lanes % size / cols, dj = lanes % size % cols;
		for (; pixel < end; pixel += lanes) {
			float d[V], v[V];
			load_values<V>(d, act_image<const T>(a.dy, image) + i * act_row(a.dy) + j * g.c + channel);
			const T *const from = x + (int64_t)image * act_size(a.x) + (i * xrow + j * g.c) * g.stride;
#pragma unroll
			for (int t = 0; t < S; t++) {
				load_values<V>(v, from + t * g.dilation * g.c);
#pragma unroll
				for (int l = 0; l < V; l++) sum[t][l] = fmaf(v[l], d[l], sum[t][l]);
			}
			image += dimage, i += di, j += dj;
			if (j >= cols) j -= cols, i++;
			if (i >= a.dy.h) i -= a.dy.h, image++;
		}
	}
	const int pitch = 256 + vectors; // so that the sums below read from all banks
#pragma unroll
	for (int t = 0; t < S; t++)
#pragma unroll
		for (int l = 0; l < V; l++) sums[(t * V + l) * pitch + threadIdx.x] = sum[t][l];
	__syncthreads();
	for (int o = threadIdx.x; o < S * V * vectors; o += 256) {
		const int vector = o % vectors, l = o / vectors % V, t = o / vectors / V, c = (blockIdx.x * vectors + vector) * V + l;
		const float *const from = sums + o / vectors * pitch + vector;
		float total = from[0];
		for (int k = 1; k < lanes; k++) total += from[k * vectors];
		if (c < g.c) a.partial[((int64_t)blockIdx.z * g.c + c) * g.r * g.s + first + t] = total;
	}
}

#define KERNEL(name, args, call) \
	extern "C" __global__ void __launch_bounds__(256, 2) name(const __grid_constant__ args a, int units) { call(a, units); }

KERNEL(conv_depthwise_fwd_f32, vk_conv_fwd_args, (depthwise_fwd<4, float>))
KERNEL(conv_depthwise_fwd_bf16, vk_conv_fwd_args, (depthwise_fwd<8, bf16>))
KERNEL(conv_depthwise_fwd_values_f32, vk_conv_fwd_args, (depthwise_fwd<1, float>))
KERNEL(conv_depthwise_fwd_values_bf16, vk_conv_fwd_args, (depthwise_fwd<1, bf16>))
KERNEL(conv_depthwise_dgrad_f32, vk_conv_dgrad_args, (depthwise_dgrad<4, float>))
KERNEL(conv_depthwise_dgrad_bf16, vk_conv_dgrad_args, (depthwise_dgrad<8, bf16>))
KERNEL(conv_depthwise_dgrad_values_f32, vk_conv_dgrad_args, (depthwise_dgrad<1, float>))
KERNEL(conv_depthwise_dgrad_values_bf16, vk_conv_dgrad_args, (depthwise_dgrad<1, bf16>))
// The filter gradient with rows of three taps at once, and tap by tap for other filters.
KERNEL(conv_depthwise_wgrad_row3_f32, vk_conv_wgrad_args, (depthwise_wgrad<4, 3, float>))
KERNEL(conv_depthwise_wgrad_row3_bf16, vk_conv_wgrad_args, (depthwise_wgrad<8, 3, bf16>))
KERNEL(conv_depthwise_wgrad_f32, vk_conv_wgrad_args, (depthwise_wgrad<4, 1, float>))
KERNEL(conv_depthwise_wgrad_bf16, vk_conv_wgrad_args, (depthwise_wgrad<8, 1, bf16>))
KERNEL(conv_depthwise_wgrad_values_f32, vk_conv_wgrad_args, (depthwise_wgrad<1, 1, float>))
KERNEL(conv_depthwise_wgrad_values_bf16, vk_conv_wgrad_args, (depthwise_wgrad<1, 1, bf16>))
