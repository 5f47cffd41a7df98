// The input gradient on tensor cores: see conv_gemm.h. With stride s it is s*s products, one for each place of a pixel
// of dx within the stride (its phase), over the taps that reach it; a pixel that none reaches becomes 0.
#include "conv_gemm.h"

template <class G, template <class> class Loader> VK_DEVICE void conv_dgrad(const vk_conv_dgrad_args &a, int units) {
	typedef typename G::T T;
	const int stride = a.g.stride, phase = blockIdx.z % (stride * stride), group = blockIdx.z / (stride * stride);
	const Plane p = gradient_plane<T>(a, group, phase / stride, phase % stride);
	conv_gemm<G, Loader>(p, reinterpret_cast<const T *>(a.dy.p), reinterpret_cast<const T *>(a.packed), reinterpret_cast<T *>(a.dx.p), units, AddBias{nullptr});
}

#define GRADIENT(name, blocks, Loader, ...)                                                                              \
	extern "C" __global__ void __launch_bounds__(Gemm<__VA_ARGS__>::threads, blocks)                                     \
		name(const __grid_constant__ vk_conv_dgrad_args a, int units) {                                                  \
		conv_dgrad<Gemm<__VA_ARGS__>, Loader>(a, units);                                                                 \
	}

GRADIENT(conv_dgrad_128x128_bf16, 2, ChunkLoader, Bf16, 128, 128, 64, 64)
GRADIENT(conv_dgrad_128x64_bf16, 3, ChunkLoader, Bf16, 128, 64, 64, 32)
GRADIENT(conv_dgrad_128x32_bf16, 4, ChunkLoader, Bf16, 128, 32, 32, 32)
GRADIENT(conv_dgrad_128x16_bf16, 4, ChunkLoader, Bf16, 128, 16, 32, 16)
GRADIENT(conv_dgrad_128x128_f32, 2, ChunkLoader, Tf32, 128, 128, 64, 64)
GRADIENT(conv_dgrad_128x64_f32, 3, ChunkLoader, Tf32, 128, 64, 64, 32)
GRADIENT(conv_dgrad_128x32_f32, 4, ChunkLoader, Tf32, 128, 32, 32, 32)
GRADIENT(conv_dgrad_128x16_f32, 4, ChunkLoader, Tf32, 128, 16, 32, 16)
GRADIENT(conv_dgrad_values_bf16, 4, ValueLoader, Bf16, 128, 32, 32, 32)
GRADIENT(conv_dgrad_values_f32, 4, ValueLoader, Tf32, 128, 32, 32, 32)
