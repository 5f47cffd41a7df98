// Convolution on tensor cores: see conv_gemm.h. Operands are the activations, bf16 or f32 read as tf32, and filters that
// conv_pack rounded; sums are f32. The names end in the tile, pixels x channels, and the storage.
#include "conv_gemm.h"

template <class G, template <class> class Loader, class Out> VK_DEVICE void conv_fwd(const vk_conv_fwd_args &a, int units) {
	typedef typename G::T T;
	const int group = blockIdx.z;
	const int cg = a.g.c / a.g.groups;
	const Plane p = forward_plane(a.g, act_row(a.x), act_size(a.x), a.x.border, a.y, group, packed_row<T>(a.g.r * a.g.s * cg), cg);
	const AddBias end = {a.bias ? a.bias + group * p.k : nullptr};
	conv_gemm<G, Loader>(p, reinterpret_cast<const T *>(a.x.p), reinterpret_cast<const T *>(a.packed), reinterpret_cast<Out *>(a.y.p), units, end);
}

// blocks: as many as registers must leave room for on a multiprocessor.
#define FORWARD(name, blocks, Loader, Out, ...)                                                                          \
	extern "C" __global__ void __launch_bounds__(Gemm<__VA_ARGS__>::threads, blocks)                                     \
		name(const __grid_constant__ vk_conv_fwd_args a, int units) {                                                    \
		conv_fwd<Gemm<__VA_ARGS__>, Loader, Out>(a, units);                                                              \
	}

FORWARD(conv_fwd_128x128_bf16, 2, ChunkLoader, bf16, Bf16, 128, 128, 64, 64)
FORWARD(conv_fwd_128x64_bf16, 3, ChunkLoader, bf16, Bf16, 128, 64, 64, 32)
FORWARD(conv_fwd_128x32_bf16, 4, ChunkLoader, bf16, Bf16, 128, 32, 32, 32)
FORWARD(conv_fwd_128x16_bf16, 4, ChunkLoader, bf16, Bf16, 128, 16, 32, 16)
FORWARD(conv_fwd_128x128_f32, 2, ChunkLoader, float, Tf32, 128, 128, 64, 64)
FORWARD(conv_fwd_128x64_f32, 3, ChunkLoader, float, Tf32, 128, 64, 64, 32)
FORWARD(conv_fwd_128x32_f32, 4, ChunkLoader, float, Tf32, 128, 32, 32, 32)
FORWARD(conv_fwd_128x16_f32, 4, ChunkLoader, float, Tf32, 128, 16, 32, 16)
// Channels that 16-byte copies cannot take.
FORWARD(conv_fwd_values_bf16, 4, ValueLoader, bf16, Bf16, 128, 32, 32, 32)
FORWARD(conv_fwd_values_f32, 4, ValueLoader, float, Tf32, 128, 32, 32, 32)
// bf16 operands, f32 results: logits.
FORWARD(conv_fwd_logits_bf16, 4, ChunkLoader, float, Bf16, 128, 32, 32, 32)
FORWARD(conv_fwd_logits_values_bf16, 4, ValueLoader, float, Bf16, 128, 32, 32, 32)
