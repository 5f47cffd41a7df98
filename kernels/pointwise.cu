// Activation functions beside relu, and products: the host's bits, but for the sums of PReLU's slopes.
#include "pixels.h"
#include "pointwise.h"

// What a function takes as alpha in V channels from k on.
template <int V> VK_DEVICE vec<V> alphas(int kind, float alpha, const float *slope, int k) {
	return kind == VK_ACT_PRELU ? load_vec<V>(slope + k) : vec_of<V>(alpha);
}

template <class T, int V> VK_DEVICE void activate_fwd(const vk_activate_fwd_args &a, int units) {
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	if (t.pixel >= t.pixels) return;
	for (int k = t.vector * V; k < a.x.c; k += t.vectors * V) {
		const vec<V> alpha = alphas<V>(a.kind, a.alpha, a.slope, k);
		for (pixel_walk at(t, part, a.x.w); at.more(); at.next()) {
			const vec<V> x = load_vec<V>(act_image<T>(a.x, part.image) + place(a.x, at.p, at.q, k));
			vec<V> y;
#pragma unroll
			for (int j = 0; j < V; j++) y.v[j] = vk_activation(a.kind, x.v[j], alpha.v[j], a.beta);
			store_vec(act_image<T>(a.y, part.image) + place(a.y, at.p, at.q, k), y);
		}
	}
}

// dx of one place; adds the slopes' gradients to s.
template <class T, int V>
VK_DEVICE void activate_bwd_pixel(const vk_activate_bwd_args &a, const vec<V> &alpha, const T *x_at, const T *dy_at, T *dx_at, float (&s)[V]) {
	const vec<V> x = load_vec<V>(x_at), dy = load_vec<V>(dy_at), before = a.accumulate ? load_vec<V>(dx_at) : vec_of<V>(0);
	vec<V> dx;
#pragma unroll
	for (int j = 0; j < V; j++) {
		const float d = dy.v[j] * vk_activation_slope(a.kind, x.v[j], alpha.v[j], a.beta);
		dx.v[j] = a.accumulate ? before.v[j] + d : d;
		s[j] += x.v[j] > 0 ? 0 : dy.v[j] * x.v[j];
	}
	store_vec(dx_at, dx);
}

template <class T, int V> VK_DEVICE void activate_bwd(const vk_activate_bwd_args &a, int units) {
	__shared__ float buffer[V * PIXEL_BLOCK];
	const image_part part = part_of(a.x, units);
	const thread_place t = threads_on<V>(a.x.c);
	for (int base = 0; base < a.x.c; base += t.vectors * V) {
		const int k = base + t.vector * V;
		const bool some = t.pixel < t.pixels && k < a.x.c;
		float s[V];
#pragma unroll
		for (int j = 0; j < V; j++) s[j] = 0;
		if (some) {
			const vec<V> alpha = alphas<V>(a.kind, a.alpha, a.slope, k);
			for (pixel_walk at(t, part, a.x.w); at.more(); at.next())
				activate_bwd_pixel<T, V>(a, alpha, act_image<T>(a.x, part.image) + place(a.x, at.p, at.q, k),
				                         act_image<T>(a.dy, part.image) + place(a.dy, at.p, at.q, k),
				                         act_image<T>(a.dx, part.image) + place(a.dx, at.p, at.q, k), s);
		}
		if (!a.partial) continue;
		sum_pixels(s, t, buffer);
		if (!some || t.pixel > 0) continue;
#pragma unroll
		for (int j = 0; j < V; j++) a.partial[(int64_t)blockIdx.x * a.x.c + k + j] = s[j];
	}
}

template <class T, int V> VK_DEVICE void multiply(const vk_multiply_args &m, int units) {
	const image_part part = part_of(m.a, units);
	const thread_place t = threads_on<V>(m.a.c);
	if (t.pixel >= t.pixels) return;
	const bool one = m.b.h == 1 && m.b.w == 1;
	for (int k = t.vector * V; k < m.a.c; k += t.vectors * V) {
		for (pixel_walk at(t, part, m.a.w); at.more(); at.next()) {
			const vec<V> a = load_vec<V>(act_image<T>(m.a, part.image) + place(m.a, at.p, at.q, k));
			const vec<V> b = load_vec<V>(act_image<T>(m.b, part.image) + place(m.b, one ? 0 : at.p, one ? 0 : at.q, k));
			T *to = act_image<T>(m.y, part.image) + place(m.y, at.p, at.q, k);
			const vec<V> before = m.accumulate ? load_vec<V>(to) : vec_of<V>(0);
			vec<V> y;
#pragma unroll
			for (int j = 0; j < V; j++) y.v[j] = m.accumulate ? before.v[j] + a.v[j] * b.v[j] : a.v[j] * b.v[j];
			store_vec(to, y);
		}
	}
}

// A thread a channel of an image: pixels are added in the host's order.
template <class T> VK_DEVICE void multiply_sum(const vk_multiply_args &m, int units) {
	const int c = m.a.c, i = blockIdx.x * PIXEL_BLOCK + threadIdx.x, image = i / c, k = i - image * c;
	if (image >= units) return;
	const T *a = act_image<T>(m.a, image) + k, *b = act_image<T>(m.b, image) + k;
	float sum = 0;
	for (int p = 0; p < m.a.h; p++)
#pragma unroll 4
		for (int q = 0; q < m.a.w; q++) sum += load(a + place(m.a, p, q, 0)) * load(b + place(m.b, p, q, 0));
	T *y = act_image<T>(m.y, image) + k;
	store(y, m.accumulate ? load(y) + sum : sum);
}

#define POINTWISE_KERNEL(args, name, ...)                                                                                   \
	extern "C" __global__ void __launch_bounds__(PIXEL_BLOCK, 2) name(const __grid_constant__ args a, int units) {             \
		__VA_ARGS__(a, units);                                                                                              \
	}
POINTWISE_KERNEL(vk_activate_fwd_args, activate_fwd_f32, activate_fwd<float, 4>)
POINTWISE_KERNEL(vk_activate_fwd_args, activate_fwd_f32_scalar, activate_fwd<float, 1>)
POINTWISE_KERNEL(vk_activate_fwd_args, activate_fwd_bf16, activate_fwd<bf16, 8>)
POINTWISE_KERNEL(vk_activate_fwd_args, activate_fwd_bf16_scalar, activate_fwd<bf16, 1>)
POINTWISE_KERNEL(vk_activate_bwd_args, activate_bwd_f32, activate_bwd<float, 4>)
POINTWISE_KERNEL(vk_activate_bwd_args, activate_bwd_f32_scalar, activate_bwd<float, 1>)
POINTWISE_KERNEL(vk_activate_bwd_args, activate_bwd_bf16, activate_bwd<bf16, 8>)
POINTWISE_KERNEL(vk_activate_bwd_args, activate_bwd_bf16_scalar, activate_bwd<bf16, 1>)
POINTWISE_KERNEL(vk_multiply_args, multiply_f32, multiply<float, 4>)
POINTWISE_KERNEL(vk_multiply_args, multiply_f32_scalar, multiply<float, 1>)
POINTWISE_KERNEL(vk_multiply_args, multiply_bf16, multiply<bf16, 8>)
POINTWISE_KERNEL(vk_multiply_args, multiply_bf16_scalar, multiply<bf16, 1>)
POINTWISE_KERNEL(vk_multiply_args, multiply_sum_f32, multiply_sum<float>)
POINTWISE_KERNEL(vk_multiply_args, multiply_sum_bf16, multiply_sum<bf16>)
