// A child's convolution in whole numbers on tensor cores: codes u8 or s8 times codes s8, sums int32, exact in any order, so
// y equals the host's bit for bit. See conv_gemm.h; the filters are [k][r*s][c/groups up to 16].
#include "conv_gemm.h"

struct U8 {
	typedef uint8_t T;
	typedef int32_t Sum;
	static __device__ __forceinline__ void round(uint32_t (&)[4]) {}
	static __device__ __forceinline__ void mma(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_u8(d, a, b); }
};
struct S8 : U8 {
	static __device__ __forceinline__ void mma(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_s8(d, a, b); }
};

// y = sum*scale + bias, each operation rounded.
struct Scale {
	const float *scale, *bias;
	struct Channel {
		bool given;
		float scale, bias;
		__device__ __forceinline__ float operator()(int32_t sum) const {
			const float y = __fmul_rn(__int2float_rn(sum), scale);
			return given ? __fadd_rn(y, bias) : y;
		}
	};
	__device__ __forceinline__ Channel operator()(int n) const { return {bias != nullptr, scale[n], bias ? bias[n] : 0}; }
};

VK_DEVICE Plane codes_plane(const vk_int_conv_args &a, int group) {
	const int row = (a.x.w + 2 * a.x.border) * a.x.c, tap = packed_row<uint8_t>(a.g.c / a.g.groups);
	return forward_plane(a.g, row, row * (a.x.h + 2 * a.x.border), a.x.border, a.y, group, a.g.r * a.g.s * tap, tap);
}

template <class G, template <class> class Loader> VK_DEVICE void int_conv(const vk_int_conv_args &a, int units) {
	const int group = blockIdx.z;
	const Plane p = codes_plane(a, group);
	const Scale end = {a.scale + group * p.k, a.bias ? a.bias + group * p.k : nullptr};
	conv_gemm<G, Loader>(p, a.x.p, reinterpret_cast<const uint8_t *>(a.packed), a.y.p, units, end);
}

#define INT_CONV(name, blocks, Loader, ...)                                                                              \
	extern "C" __global__ void __launch_bounds__(Gemm<__VA_ARGS__>::threads, blocks)                                     \
		name(const __grid_constant__ vk_int_conv_args a, int units) {                                                    \
		int_conv<Gemm<__VA_ARGS__>, Loader>(a, units);                                                                   \
	}

INT_CONV(int_conv_128x64_u8, 3, ChunkLoader, U8, 128, 64, 64, 32)
INT_CONV(int_conv_128x64_s8, 3, ChunkLoader, S8, 128, 64, 64, 32)
INT_CONV(int_conv_128x32_u8, 4, ChunkLoader, U8, 128, 32, 32, 32)
INT_CONV(int_conv_128x32_s8, 4, ChunkLoader, S8, 128, 32, 32, 32)
// Channels that 16-byte copies cannot take.
INT_CONV(int_conv_values_u8, 4, ValueLoader, U8, 128, 32, 32, 32)
INT_CONV(int_conv_values_s8, 4, ValueLoader, S8, 128, 32, 32, 32)

// Depthwise, one value of y a thread.
extern "C" __global__ void __launch_bounds__(256) int_conv_depthwise(const __grid_constant__ vk_int_conv_args a, int units) {
	const Plane p = codes_plane(a, 0);
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	const int k = i % a.g.k;
	i /= a.g.k;
	const int image = i / (p.rows * p.cols), row = i % (p.rows * p.cols) / p.cols, col = i % (p.rows * p.cols) % p.cols;
	if (image >= units) return;
	const uint8_t *const x = a.x.p + p.x0 + (int64_t)image * p.ximage + row * p.xrow + col * p.xcol + k;
	const int8_t *const w = a.packed + k * p.wk;
	int32_t sum = 0;
	for (int r = 0; r < p.nr; r++)
		for (int s = 0; s < p.ns; s++) {
			const uint8_t code = x[r * p.xr + s * p.xs];
			sum += (a.x.is_signed ? (int8_t)code : code) * w[r * p.wr + s * p.ws];
		}
	a.y.p[p.y0 + (int64_t)image * p.yimage + row * p.yrow + col * p.ycol + k] = Scale{a.scale, a.bias}(k)(sum);
}
