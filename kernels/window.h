// Which pixels a window has: both compilers read it.
#ifndef VK_WINDOW_H
#define VK_WINDOW_H
#ifdef __CUDACC__
#define VK_WINDOW static __host__ __device__ inline
#else
#define VK_WINDOW static inline
#endif

// from..to-1, along one side of an image.
typedef struct {
	int from, to;
} vk_span;

// The pixels among 0..length-1 of window `at`, which is `size` long.
VK_WINDOW vk_span vk_window_span(int at, int stride, int pad, int size, int length) {
	const int from = at * stride - pad, to = from + size;
	const vk_span span = {from > 0 ? from : 0, to < length ? to : length};
	return span;
}

// The windows among 0..count-1 that have the pixel.
VK_WINDOW vk_span vk_windows_of(int pixel, int stride, int pad, int size, int count) {
	const int first = pixel + pad - size + 1, last = (pixel + pad) / stride + 1;
	const vk_span span = {first > 0 ? (first + stride - 1) / stride : 0, last < count ? last : count};
	return span;
}

// Whether v takes the place of the maximum before it.
VK_WINDOW int vk_window_takes(float v, float best) { return (v > best) | (v != v); }
#endif
