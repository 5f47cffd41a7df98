// How the threads of a block go over a part of an image, device only. Activations are stored as T (float or
// bf16) and done V channels at a time, with accesses of 16 bytes, or one by one where 16 bytes do not divide the channels. Sums over the pixels of a
// part are in an order that the shapes alone decide.
#ifndef VK_PIXELS_H
#define VK_PIXELS_H
#include "device.h"

enum { PIXEL_BLOCK = 256 };

// V neighbouring channels in registers.
template <int V> struct vec {
	float v[V];
};

template <int V> VK_DEVICE vec<V> vec_of(float x) {
	vec<V> r;
#pragma unroll
	for (int j = 0; j < V; j++) r.v[j] = x;
	return r;
}

// V is 1 or fills a multiple of 16 bytes, or is 4 of bf16.
template <int V, class T> VK_DEVICE vec<V> load_vec(const T *p) {
	vec<V> r;
	if constexpr (V == 1) {
		r.v[0] = load(p);
	} else if constexpr (V * sizeof(T) == 8) {
		const uint2 w = *reinterpret_cast<const uint2 *>(p);
		r.v[0] = lo_bf16(w.x), r.v[1] = hi_bf16(w.x), r.v[2] = lo_bf16(w.y), r.v[3] = hi_bf16(w.y);
	} else {
#pragma unroll
		for (int j = 0; j < V; j += Lanes<T>::count) load16(r.v + j, p + j);
	}
	return r;
}

template <int V, class T> VK_DEVICE void store_vec(T *p, const vec<V> &a) {
	if constexpr (V == 1) {
		store(p, a.v[0]);
	} else if constexpr (V * sizeof(T) == 8) {
		*reinterpret_cast<uint2 *>(p) = make_uint2(to_bf16x2(a.v[0], a.v[1]), to_bf16x2(a.v[2], a.v[3]));
	} else {
#pragma unroll
		for (int j = 0; j < V; j += Lanes<T>::count) store16(p + j, a.v + j);
	}
}

// d or, where `add`, the sum of what is stored and d.
template <class T, int V> VK_DEVICE vec<V> accumulated(const T *stored, vec<V> d, int add) {
	if (add) {
		const vec<V> before = load_vec<V>(stored);
#pragma unroll
		for (int j = 0; j < V; j++) d.v[j] = before.v[j] + d.v[j];
	}
	return d;
}

// What storing as T and loading again gives.
template <class T, int V> VK_DEVICE vec<V> rounded(vec<V> a) {
	if constexpr (sizeof(T) == 2) {
#pragma unroll
		for (int j = 0; j < V; j++) a.v[j] = __uint_as_float((uint32_t)to_bf16(a.v[j]) << 16);
	}
	return a;
}

// Values from the first of an image's inside to channel k of pixel (p, q).
VK_DEVICE int place(const vk_act &t, int p, int q, int k) { return p * act_row(t) + q * t.c + k; }

// The rows of pixels that this block does: image i is done by gridDim.x/units blocks.
struct image_part {
	int image, row, rows;
};

VK_DEVICE image_part part_of(const vk_act &t, int units) {
	const int splits = gridDim.x / units, rows = t.h / splits, image = blockIdx.x / splits;
	return {image, (int)(blockIdx.x - image * splits) * rows, rows};
}

// The threads side by side: `vectors` of them hold V channels each of one pixel, `pixels` pixels at a time; threads
// behind those have nothing to do (pixel >= pixels). Channels beyond vectors*V are done in further rounds.
struct thread_place {
	int vectors, pixels, vector, pixel;
};

template <int V> VK_DEVICE thread_place threads_on(int c) {
	const int vectors = min(c / V, (int)PIXEL_BLOCK), pixel = threadIdx.x / vectors;
	return {vectors, PIXEL_BLOCK / vectors, (int)threadIdx.x - pixel * vectors, pixel};
}

// One thread's pixels of a part, in order.
struct pixel_walk {
	int p, q, end, w, dp, dq;
	__device__ __forceinline__ pixel_walk(const thread_place &t, const image_part &part, int width)
	    : p(part.row + t.pixel / width), q(t.pixel % width), end(part.row + part.rows), w(width), dp(t.pixels / width), dq(t.pixels % width) {}
	__device__ __forceinline__ bool more() const { return p < end; }
	__device__ __forceinline__ void next() {
		p += dp;
		q += dq;
		if (q >= w) q -= w, p++;
	}
};

// Adds s up over the threads that hold the same channels; threads with pixel 0 have the sum. buffer: [N][PIXEL_BLOCK].
template <int N> VK_DEVICE void sum_pixels(float (&s)[N], const thread_place &t, float *buffer) {
	int half = 1;
	while (2 * half < t.pixels) half *= 2;
#pragma unroll
	for (int j = 0; j < N; j++) buffer[j * PIXEL_BLOCK + threadIdx.x] = s[j];
	__syncthreads();
	for (; half > 0; half /= 2) {
		if (t.pixel < half && t.pixel + half < t.pixels) {
#pragma unroll
			for (int j = 0; j < N; j++) {
				float *own = buffer + j * PIXEL_BLOCK + threadIdx.x;
				*own = s[j] += own[half * t.vectors];
			}
		}
		__syncthreads();
	}
}
#endif
