// Nested quantizers on a GPU: nested.h has the formulas, kernels.h says what each op does.
#include "nested.h"
#include "pixels.h"

enum { NESTED_WARPS = PIXEL_BLOCK / 32, NESTED_SUMS = VK_NESTED_LEVELS + 1 };

// Thread 0 makes the quantizer ready for the block; every thread takes it.
VK_DEVICE vk_nest nest_shared(const vk_nested &n, int at, vk_nest &shared) {
	if (threadIdx.x == 0) shared = vk_nest_of(&n, at);
	__syncthreads();
	return shared;
}

template <int V> VK_DEVICE vec<V> nested_forward(const vk_nest &n, float gain, vec<V> x) {
#pragma unroll
	for (int j = 0; j < V; j++) {
		float t[VK_NESTED_LEVELS];
		vk_nest_terms(&n, vk_quant_divide(vk_quant_clamp(x.v[j], n.q), n.q), t);
		x.v[j] = gain * t[0];
	}
	return x;
}

// A thread's sums: of dy * t_l, and last of dy * (t_1 - in*v).
struct nested_sums {
	float s[NESTED_SUMS];
};

VK_DEVICE nested_sums no_sums() {
	nested_sums s;
#pragma unroll
	for (int l = 0; l < NESTED_SUMS; l++) s.s[l] = 0;
	return s;
}

// g += slope * dy where x is not clipped; -0 is the g that nothing was added to.
template <bool SUMS, int V> VK_DEVICE void nested_backward(const vk_nest &n, float slope, const vec<V> &x, const vec<V> &dy, vec<V> &g, nested_sums &sums) {
#pragma unroll
	for (int j = 0; j < V; j++) {
		const float clamped = vk_quant_clamp(x.v[j], n.q);
		const bool in = clamped == x.v[j];
		g.v[j] += dy.v[j] * (in ? slope : 0);
		if (SUMS) {
			const float v = vk_quant_divide(clamped, n.q);
			float t[VK_NESTED_LEVELS];
			vk_nest_terms(&n, v, t);
			VK_LEVELS(l) sums.s[l] = fmaf(dy.v[j], t[l], sums.s[l]);
			sums.s[VK_NESTED_LEVELS] = fmaf(dy.v[j], t[0] - (in ? v : 0), sums.s[VK_NESTED_LEVELS]);
		}
	}
}

// Adds the sums of a block's threads, as nested_write of nested.c does it. buffer: [NESTED_WARPS][NESTED_SUMS].
VK_DEVICE void nested_write(const vk_nest &n, int widths, float prune, nested_sums &sums, float *buffer, float *partial, float *dprune) {
#pragma unroll
	for (int l = 0; l < NESTED_SUMS; l++) {
		sums.s[l] = warp_sum(sums.s[l]);
		if (threadIdx.x % 32 == 0) buffer[threadIdx.x / 32 * NESTED_SUMS + l] = sums.s[l];
	}
	__syncthreads();
	if (threadIdx.x > 0) return;
	float gain = n.q.step * prune, sum = 0;
	VK_LEVELS(l) {
		sum = 0;
		for (int w = 0; w < NESTED_WARPS; w++) sum += buffer[w * NESTED_SUMS + l];
		if (l < widths) partial[l] = l < n.levels ? gain * sum : 0;
		if (l < n.levels) gain *= n.z[l];
		if (l == 0 && dprune) *dprune += n.q.step * n.z[0] * sum;
	}
#pragma unroll 1
	for (int l = VK_NESTED_LEVELS; l < widths; l++) partial[l] = 0; // of truncate
	sum = 0;
	for (int w = 0; w < NESTED_WARPS; w++) sum += buffer[w * NESTED_SUMS + VK_NESTED_LEVELS];
	partial[widths] = n.unit * (prune * n.z[0]) * sum;
}

// A block does a part of an image.
template <class T, int V> VK_DEVICE void nested_input_fwd(const vk_nested_input_fwd_args &a, int units) {
	__shared__ vk_nest shared;
	const vk_nest n = nest_shared(a.n, 0, shared);
	const float gain = n.q.step * n.z[0];
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	if (t.pixel >= t.pixels) return;
	const T *x = act_image<T>(a.x, part.image);
	T *y = act_image<T>(a.y, part.image);
	for (int k = t.vector * V; k < a.x.c; k += t.vectors * V)
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next())
			store_vec(y + place(a.y, at.p, at.q, k), nested_forward(n, gain, load_vec<V>(x + place(a.x, at.p, at.q, k))));
}

template <class T, int V> VK_DEVICE void nested_input_bwd(const vk_nested_input_bwd_args &a, int units) {
	__shared__ vk_nest shared;
	__shared__ float buffer[NESTED_WARPS * NESTED_SUMS];
	const vk_nest n = nest_shared(a.n, 0, shared);
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	nested_sums sums = no_sums();
	for (int k = t.vector * V; t.pixel < t.pixels && k < a.x.c; k += t.vectors * V)
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next()) {
			const vec<V> x = load_vec<V>(act_image<T>(a.x, part.image) + place(a.x, at.p, at.q, k));
			const vec<V> dy = load_vec<V>(act_image<T>(a.dy, part.image) + place(a.dy, at.p, at.q, k));
			T *dx = a.dx.p ? act_image<T>(a.dx, part.image) + place(a.dx, at.p, at.q, k) : nullptr;
			vec<V> g = vec_of<V>(-0.0f);
			if (dx && a.accumulate) g = load_vec<V>(dx);
			if (a.partial)
				nested_backward<true>(n, n.z[0], x, dy, g, sums);
			else
				nested_backward<false>(n, n.z[0], x, dy, g, sums);
			if (dx) store_vec(dx, g);
		}
	if (a.partial) nested_write(n, a.n.widths, 1, sums, buffer, a.partial + (int64_t)blockIdx.x * (a.n.widths + 1), nullptr);
}

// A block does a filter.
template <int V> VK_DEVICE void nested_weight_fwd(const vk_nested_weight_fwd_args &a) {
	__shared__ vk_nest shared;
	const int k = blockIdx.x;
	const vk_nest n = nest_shared(a.n, a.per_tensor ? 0 : k, shared);
	const float gain = n.q.step * ((a.prune ? a.prune[k] : 1) * n.z[0]);
	for (int i = threadIdx.x * V; i < a.len; i += PIXEL_BLOCK * V) {
		const int64_t at = (int64_t)k * a.len + i;
		store_vec(a.y + at, nested_forward(n, gain, load_vec<V>(a.w + at)));
	}
}

template <int V> VK_DEVICE void nested_weight_bwd(const vk_nested_weight_bwd_args &a) {
	__shared__ vk_nest shared;
	__shared__ float buffer[NESTED_WARPS * NESTED_SUMS];
	const int k = blockIdx.x;
	const vk_nest n = nest_shared(a.n, a.per_tensor ? 0 : k, shared);
	const float prune = a.prune ? a.prune[k] : 1, slope = prune * n.z[0] * *a.grad_scale;
	nested_sums sums = no_sums();
	for (int i = threadIdx.x * V; i < a.len; i += PIXEL_BLOCK * V) {
		const int64_t at = (int64_t)k * a.len + i;
		vec<V> dw = load_vec<V>(a.dw + at);
		nested_backward<true>(n, slope, load_vec<V>(a.w + at), load_vec<V>(a.dy + at), dw, sums);
		store_vec(a.dw + at, dw);
	}
	if (a.partial)
		nested_write(n, a.n.widths, prune, sums, buffer, a.partial + (int64_t)k * (a.n.widths + 1), a.dprune ? a.dprune + k : nullptr);
}

#define NESTED_KERNEL(name, args, call)                                                                                                 \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ args a, int units) { call; }
NESTED_KERNEL(nested_input_fwd_f32, vk_nested_input_fwd_args, (nested_input_fwd<float, 4>(a, units)))
NESTED_KERNEL(nested_input_fwd_f32_scalar, vk_nested_input_fwd_args, (nested_input_fwd<float, 1>(a, units)))
NESTED_KERNEL(nested_input_fwd_bf16, vk_nested_input_fwd_args, (nested_input_fwd<bf16, 8>(a, units)))
NESTED_KERNEL(nested_input_fwd_bf16_scalar, vk_nested_input_fwd_args, (nested_input_fwd<bf16, 1>(a, units)))
NESTED_KERNEL(nested_input_bwd_f32, vk_nested_input_bwd_args, (nested_input_bwd<float, 4>(a, units)))
NESTED_KERNEL(nested_input_bwd_f32_scalar, vk_nested_input_bwd_args, (nested_input_bwd<float, 1>(a, units)))
NESTED_KERNEL(nested_input_bwd_bf16, vk_nested_input_bwd_args, (nested_input_bwd<bf16, 8>(a, units)))
NESTED_KERNEL(nested_input_bwd_bf16_scalar, vk_nested_input_bwd_args, (nested_input_bwd<bf16, 1>(a, units)))
NESTED_KERNEL(nested_weight_fwd, vk_nested_weight_fwd_args, nested_weight_fwd<4>(a))
NESTED_KERNEL(nested_weight_fwd_scalar, vk_nested_weight_fwd_args, nested_weight_fwd<1>(a))
NESTED_KERNEL(nested_weight_bwd, vk_nested_weight_bwd_args, nested_weight_bwd<4>(a))
NESTED_KERNEL(nested_weight_bwd_scalar, vk_nested_weight_bwd_args, nested_weight_bwd<1>(a))

// A warp a column of partial: rows lane, lane + 32, ... in double, then the lanes.
extern "C" __global__ void __launch_bounds__((VK_MAX_BITS + 1) * 32) nested_reduce(const __grid_constant__ vk_nested_reduce_args a, int units) {
	const int column = threadIdx.x / 32, lane = threadIdx.x % 32;
	if (column > a.widths) return;
	const bool param = column == a.widths;
	const double factor = (double)*a.grad_scale * a.g;
	double sum = 0;
	for (int row = lane; row < a.rows; row += 32) {
		const float p = a.partial[(int64_t)row * (a.widths + 1) + column];
		if (param && a.per_row)
			a.dparam[row] += (float)(factor * p);
		else
			sum += p;
	}
	sum = warp_sum(sum);
	if (lane > 0 || (param && a.per_row)) return;
	if (param)
		a.dparam[0] += (float)(factor * sum);
	else
		a.dz[column] += (float)sum;
}
