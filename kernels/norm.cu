// Batch norm: statistics of parts of images, what joins them, and the small vectors around it. kernels.h says what
// each op does; apply and its backward passes are part of unit.cu.
#include "pixels.h"

// One pass: sums of y - first and of its square, `first` being the channel's first value of the part, so that
// little cancels in the difference of the two.
template <class T, int V> VK_DEVICE void norm_stats(const vk_norm_stats_args &a, int units) {
	__shared__ float buffer[2 * V * PIXEL_BLOCK];
	const image_part part = part_of(a.y, units);
	const thread_place t = threads_on<V>(a.y.c);
	const T *y = act_image<T>(a.y, part.image);
	const int count = part.rows * a.y.w;
	for (int base = 0; base < a.y.c; base += t.vectors * V) {
		const int k = base + t.vector * V;
		const bool some = t.pixel < t.pixels && k < a.y.c;
		vec<V> first = vec_of<V>(0);
		float s[2 * V];
#pragma unroll
		for (int j = 0; j < 2 * V; j++) s[j] = 0;
		if (some) {
			first = load_vec<V>(y + place(a.y, part.row, 0, k));
			for (pixel_walk at(t, part, a.y.w); at.more(); at.next()) {
				const vec<V> x = load_vec<V>(y + place(a.y, at.p, at.q, k));
#pragma unroll
				for (int j = 0; j < V; j++) {
					const float d = x.v[j] - first.v[j];
					s[j] += d;
					s[V + j] = fmaf(d, d, s[V + j]);
				}
			}
		}
		sum_pixels(s, t, buffer);
		if (!some || t.pixel > 0) continue;
		float *row = a.partial + (int64_t)blockIdx.x * 2 * a.y.c + k;
#pragma unroll
		for (int j = 0; j < V; j++) {
			const double mean = (double)s[j] / count, squares = s[V + j] - mean * s[j];
			row[j] = (float)(first.v[j] + mean);
			row[a.y.c + j] = squares < 0 ? 0 : (float)squares; // rounding of the sums
		}
	}
}

#define STATS_KERNEL(name, ...)                                                                                                        \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ vk_norm_stats_args a, int units) {          \
		norm_stats<__VA_ARGS__>(a, units);                                                                                             \
	}
STATS_KERNEL(norm_stats_f32, float, 4)
STATS_KERNEL(norm_stats_f32_scalar, float, 1)
STATS_KERNEL(norm_stats_bf16, bf16, 8)
STATS_KERNEL(norm_stats_bf16_scalar, bf16, 1)

// The combining kernels: a block has COLUMNS channels, 32 bytes of a row, and LANES threads each that share the rows.
enum { COLUMNS = 8, LANES = 64, COMBINE_BLOCK = COLUMNS * LANES };

// The sum over the lanes of a channel, for all of them. buffer: [COMBINE_BLOCK], for this sum alone.
VK_DEVICE double sum_lanes(double v, double *buffer) {
	buffer[threadIdx.x] = v;
	__syncthreads();
	for (int half = LANES / 2; half > 0; half /= 2) {
		if ((int)threadIdx.x < half * COLUMNS) buffer[threadIdx.x] = v += buffer[threadIdx.x + half * COLUMNS];
		__syncthreads();
	}
	return buffer[threadIdx.x % COLUMNS];
}

// sum_t v_t set_t[k]
VK_DEVICE double mix_sets(const float *v, const float *set, int sets, int c, int k) {
	double sum = 0;
	for (int t = 0; t < sets; t++) sum += (double)v[t] * set[(int64_t)t * c + k];
	return sum;
}

VK_DEVICE void norm_running(const vk_norm_combine_args &a, int k, int lane, double mean, double unbiased) {
	for (int s = lane; s < a.stat_sets; s += LANES) {
		const double m = *a.momentum * (a.stat_sets == 1 ? 1.0 : (double)a.v[s]);
		float *rm = a.running_mean + (int64_t)s * a.c + k, *rv = a.running_var + (int64_t)s * a.c + k;
		*rm = (float)(*rm + m * (mean - *rm));
		*rv = (float)(*rv + m * (unbiased - *rv));
	}
}

extern "C" __global__ void __launch_bounds__(COMBINE_BLOCK) norm_combine(const __grid_constant__ vk_norm_combine_args a, int units) {
	__shared__ double buffer[2][COMBINE_BLOCK];
	const int lane = threadIdx.x / COLUMNS, k = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
	const bool some = k < a.c;
	const double count = (double)a.n * a.hw;
	double mean = 0, squares = 0;
	for (int i = lane; some && i < a.n; i += LANES) mean += a.partial[(int64_t)i * 2 * a.c + k];
	mean = sum_lanes(mean, buffer[0]) / a.n;
	for (int i = lane; some && i < a.n; i += LANES) {
		const float *p = a.partial + (int64_t)i * 2 * a.c + k;
		const double off = p[0] - mean;
		squares += p[a.c] + off * off * a.hw;
	}
	squares = sum_lanes(squares, buffer[1]);
	if (!some) return;
	if (a.running_mean) norm_running(a, k, lane, mean, squares / (count > 1 ? count - 1 : 1));
	if (lane > 0) return;
	const double inv = 1 / sqrt(squares / count + a.eps);
	const double scale = mix_sets(a.v, a.gamma, a.sets, a.c, k) * inv;
	a.mean[k] = (float)mean;
	a.inv[k] = (float)inv;
	a.scale[k] = (float)scale;
	a.shift[k] = (float)(mix_sets(a.v, a.beta, a.sets, a.c, k) - mean * scale);
}

extern "C" __global__ void norm_eval(const __grid_constant__ vk_norm_eval_args a, int units) {
	const int k = blockIdx.x * blockDim.x + threadIdx.x;
	if (k >= a.c) return;
	int set = 0;
	for (int s = 1; s < a.stat_sets; s++)
		if (a.v[s] > a.v[set]) set = s;
	const double mean = a.running_mean[(int64_t)set * a.c + k], var = a.running_var[(int64_t)set * a.c + k];
	const double scale = mix_sets(a.v, a.gamma, a.sets, a.c, k) / sqrt(var + a.eps);
	a.scale[k] = (float)scale;
	a.shift[k] = (float)(mix_sets(a.v, a.beta, a.sets, a.c, k) - mean * scale);
}

// Row 0 of partial becomes the sums over all rows: norm_bwd_sets reads them.
extern "C" __global__ void __launch_bounds__(COMBINE_BLOCK) norm_bwd_combine(const __grid_constant__ vk_norm_bwd_combine_args a, int units) {
	__shared__ double buffer[2][COMBINE_BLOCK];
	const int lane = threadIdx.x / COLUMNS, k = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
	const bool some = k < a.c;
	double dbeta = 0, dgamma = 0;
	for (int i = lane; some && i < a.n; i += LANES) {
		const float *p = a.partial + (int64_t)i * 2 * a.c + k;
		dbeta += p[0];
		dgamma += p[a.c];
	}
	dbeta = sum_lanes(dbeta, buffer[0]);
	dgamma = sum_lanes(dgamma, buffer[1]);
	if (!some) return;
	for (int t = lane; t < a.sets; t += LANES) {
		const int64_t at = (int64_t)t * a.c + k;
		const double factor = (double)*a.grad_scale * a.v[t];
		a.dgamma[at] += (float)(factor * dgamma);
		a.dbeta[at] += (float)(factor * dbeta);
	}
	if (lane > 0) return;
	const double count = (double)a.n * a.hw, slope = -a.scale[k] * (double)a.inv[k] * dgamma / count;
	a.partial[k] = (float)dbeta;
	a.partial[a.c + k] = (float)dgamma;
	a.coef[k] = a.scale[k];
	a.coef[a.c + k] = (float)slope;
	a.coef[2 * a.c + k] = (float)(-a.scale[k] * dbeta / count - slope * a.mean[k]);
}

enum { SETS_BLOCK = 256 };

// A block makes the dv of a set.
extern "C" __global__ void __launch_bounds__(SETS_BLOCK) norm_bwd_sets(const __grid_constant__ vk_norm_bwd_combine_args a, int units) {
	__shared__ double scratch[SETS_BLOCK / 32];
	double dv = 0;
	for (int k = threadIdx.x; k < a.c; k += SETS_BLOCK) {
		const int64_t at = (int64_t)blockIdx.x * a.c + k;
		dv += (double)a.partial[a.c + k] * a.gamma[at] + (double)a.partial[k] * a.beta[at];
	}
	dv = block_sum(dv, scratch);
	if (threadIdx.x == 0) a.dv[blockIdx.x] = (float)dv;
}

// A thread a coefficient: gate's are 1, then zw where it is not pinned, then zx.
extern "C" __global__ void norm_coef_fwd(const __grid_constant__ vk_norm_coef_args a, int units) {
	const int t = threadIdx.x;
	if (a.kind == VK_NORM_PAIR) {
		if (t < a.weight_bits * a.input_bits)
			a.v[t] = (a.zw ? a.zw[t / a.input_bits] : 1) * (a.zx ? a.zx[t % a.input_bits] : 1);
		return;
	}
	if (t == 0) a.v[0] = 1;
	if (a.kind == VK_NORM_GATE) {
		const int weights = a.zw ? a.weight_bits : 0;
		if (a.zw && t < a.weight_bits) a.v[1 + t] = a.zw[t];
		if (a.zx && t < a.input_bits) a.v[1 + weights + t] = a.zx[t];
	} else if (a.kind == VK_NORM_ETA && t == 0) {
		const float u = *a.u;
		a.v[1] = u, a.v[2] = u * u, a.v[3] = u * u * u;
	}
}

// A warp a gate, weights' first, a thread a candidate; each adds in the host's order.
extern "C" __global__ void norm_coef_bwd(const __grid_constant__ vk_norm_coef_args a, int units) {
	const bool input = threadIdx.x >= 32;
	const int b = threadIdx.x % 32, own = input ? a.input_bits : a.weight_bits, others = input ? a.weight_bits : a.input_bits;
	float *dz = input ? a.dzx : a.dzw;
	if (!dz || b >= own) return;
	if (a.kind == VK_NORM_PAIR) {
		const float *z = input ? a.zw : a.zx;
		float sum = dz[b];
		for (int o = 0; o < others; o++) sum = fmaf(a.dv[input ? o * a.input_bits + b : b * a.input_bits + o], z ? z[o] : 1, sum);
		dz[b] = sum;
	} else if (a.kind == VK_NORM_GATE) {
		dz[b] += a.dv[1 + (input && a.dzw ? a.weight_bits : 0) + b];
	}
}
