// The filter gradient on tensor cores: dw[m][n] = sum over pixels of dy[pixel][m] * x[pixel moved by n's tap][n's channel],
// m an output channel of a group, n a tap and an input channel. Pixels of the batch are cut into gridDim.z runs, each of
// which makes its own partial sum in pixel order; conv_wgrad_reduce adds them in order. A block walks its run in stages of
// 32 (bf16) or 16 (f32) pixels, three of them in shared memory.
#include "conv_gemm.h"

// Like swizzle, but for words: chunk pairs 2q, 2q+1 of four rows next to each other lie in all 32 banks.
template <int chunks> VK_DEVICE int swizzle_pairs(int row, int chunk) {
	const int i = row * chunks + chunk;
	return (i ^ (i / (chunks < 8 ? 8 : chunks) % (chunks < 8 ? chunks / 2 : 4) * 2)) * 16;
}

// Fragments of 16 channels by 32 bytes of pixels from a tile [pixel][channel], for both sides of the product: words 0 and 1
// are channels c..c+7 and c+8..c+15 of the first half of the pixels, 2 and 3 those of the second.
struct WBf16 : Bf16 {
	template <int chunks> static __device__ __forceinline__ int place(int row, int chunk) { return swizzle<chunks>(row, chunk); }
	template <int chunks> static __device__ __forceinline__ void fragment(uint32_t (&r)[4], const char *tile, int pixel, int c) {
		const int lane = threadIdx.x % 32;
		ldmatrix_trans(r, tile + swizzle<chunks>(pixel + lane / 16 * 8 + lane % 8, c / 8 + lane / 8 % 2));
	}
};
struct WTf32 : Tf32 {
	template <int chunks> static __device__ __forceinline__ int place(int row, int chunk) { return swizzle_pairs<chunks>(row, chunk); }
	template <int chunks> static __device__ __forceinline__ void fragment(uint32_t (&r)[4], const char *tile, int pixel, int c) {
		const int lane = threadIdx.x % 32;
		c += lane / 4;
#pragma unroll
		for (int i = 0; i < 4; i++) {
			const int channel = c + i % 2 * 8;
			r[i] = to_tf32(*reinterpret_cast<const float *>(tile + swizzle_pairs<chunks>(pixel + lane % 4 + i / 2 * 4, channel / 4) + channel % 4 * 4));
		}
	}
};

// A tile of bm output channels by bn taps and input channels; each warp does wm by wn of it.
template <class Op_, int bm_, int bn_, int wm_, int wn_> struct WGemm {
	typedef Op_ Op;
	typedef typename Op::T T;
	static constexpr int bm = bm_, bn = bn_, wm = wm_, wn = wn_, threads = bm / wm * (bn / wn) * 32;
	static constexpr int lanes = 16 / sizeof(T), pixels = 64 / sizeof(T); // of a chunk; of a stage
	static constexpr int mchunks = bm / lanes, nchunks = bn / lanes;
	static constexpr int xtile = bm * 64, stage = (bm + bn) * 64, shared = gemm_stages * stage + gemm_stages * 2 * pixels * 4;
};

// The pixels of a run, one a lane of the first warp, written down stage by stage as places in x and dy.
struct Pixels {
	int image, i, j, left;    // left: pixels from here to the run's end
	int dimage, di, dj;       // a stage, in the same digits
	__device__ __forceinline__ Pixels(const vk_act &dy, int begin, int end, int stage) {
		const int size = dy.h * dy.w, pixel = begin + threadIdx.x % 32;
		image = pixel / size, i = pixel % size / dy.w, j = pixel % size % dy.w, left = end - pixel;
		dimage = stage / size, di = stage % size / dy.w, dj = stage % size % dy.w;
	}
	// at[0..pixels) for x, at[pixels..) for dy, -1 behind the end; then steps to the next stage.
	__device__ __forceinline__ void write(const vk_conv_wgrad_args &a, int first, int stage, int *at) {
		if ((int)threadIdx.x < stage) {
			at[threadIdx.x] = left > 0 ? (image - first) * act_size(a.x) + (i * act_row(a.x) + j * a.g.c) * a.g.stride : -1;
			at[stage + threadIdx.x] = left > 0 ? (image - first) * act_size(a.dy) + i * act_row(a.dy) + j * a.g.k : -1;
		}
		image += dimage, i += di, j += dj, left -= stage;
		if (j >= a.dy.w) j -= a.dy.w, i++;
		if (i >= a.dy.h) i -= a.dy.h, image++;
	}
};

// Columns of a tile [pixel][column] that a thread copies, chunk by chunk: from[at[pixel]] for each pixel.
template <class G, int chunks> VK_DEVICE void load_chunks(char *tile, const typename G::T *from, bool inside, const int *at) {
	constexpr int step = G::threads / chunks; // pixels that the block loads at once
	const int row = threadIdx.x / chunks, chunk = threadIdx.x % chunks;
#pragma unroll
	for (int i = 0; i < (G::pixels + step - 1) / step; i++) {
		const int pixel = row + i * step;
		if (G::pixels % step != 0 && pixel >= G::pixels) break;
		const bool valid = inside && at[pixel] >= 0;
		cp_async<16>(tile + G::Op::template place<chunks>(pixel, chunk), valid ? from + at[pixel] : from, valid);
	}
}

// The same value by value, for channels that 16-byte copies cannot take.
template <class G, int columns> VK_DEVICE void load_values(char *tile, const typename G::T *from, bool inside, const int *at) {
	typedef typename G::T T;
	constexpr int step = G::threads / columns, chunks = columns / G::lanes;
	const int row = threadIdx.x / columns, column = threadIdx.x % columns;
	T value[G::pixels / step];
#pragma unroll
	for (int i = 0; i < G::pixels / step; i++) {
		const int pixel = row + i * step;
		value[i] = inside && at[pixel] >= 0 ? from[at[pixel]] : T{};
	}
#pragma unroll
	for (int i = 0; i < G::pixels / step; i++) {
		char *to = tile + G::Op::template place<chunks>(row + i * step, column / G::lanes);
		reinterpret_cast<T *>(to)[column % G::lanes] = value[i];
	}
}

// Where column n of the x tile reads: a tap and a channel, fixed for the whole run.
VK_DEVICE int tap_offset(const vk_conv_wgrad_args &a, int n, int cg) {
	const int tap = n / cg, r = tap / a.g.s, s = tap % a.g.s;
	return r * a.g.dilation * act_row(a.x) + s * a.g.dilation * a.g.c + n % cg;
}

// values: some channels are no whole chunks, and tiles are loaded by value where they are not.
template <class G, bool values> VK_DEVICE void conv_wgrad(const vk_conv_wgrad_args &a, int units) {
	typedef typename G::T T;
	typedef typename G::Op Op;
	VK_DYNAMIC_SHARED(char, shared);
	int *const tables = reinterpret_cast<int *>(shared + gemm_stages * G::stage);
	const vk_conv_geom &g = a.g;
	const int cg = g.c / g.groups, kg = g.k / g.groups, columns = g.r * g.s * cg, ntiles = (columns + G::bn - 1) / G::bn;
	const int group = blockIdx.y, m0 = blockIdx.x / ntiles * G::bm, n0 = blockIdx.x % ntiles * G::bn;
	// the run, in whole stages of 32 pixels for either storage
	const int size = a.dy.h * a.dy.w, all = units * size, run = ((all + 31) / 32 + gridDim.z - 1) / gridDim.z * 32;
	const int begin = blockIdx.z * run, end = min(begin + run, all), first = begin / size;
	const int steps = end > begin ? (end - begin + G::pixels - 1) / G::pixels : 0;

	const bool xchunks = !values || cg % G::lanes == 0, ychunks = !values || kg % G::lanes == 0;
	const int n = n0 + (xchunks ? threadIdx.x % G::nchunks * G::lanes : threadIdx.x % G::bn);
	const int m = m0 + (ychunks ? threadIdx.x % G::mchunks * G::lanes : threadIdx.x % G::bm);
	const T *const x = reinterpret_cast<const T *>(a.x.p) + (int64_t)first * act_size(a.x) + (a.x.border - g.pad_top) * act_row(a.x) +
		(a.x.border - g.pad_left) * g.c + group * cg + (n < columns ? tap_offset(a, n, cg) : 0);
	const T *const dy = act_image<const T>(a.dy, first) + group * kg + (m < kg ? m : 0);
	Pixels pixels(a.dy, begin, end, G::pixels);
	const auto write = [&](int slot) {
		if (threadIdx.x < 32) pixels.write(a, first, G::pixels, tables + slot * 2 * G::pixels);
	};
	const auto load = [&](int slot) {
		char *const tile = shared + slot * G::stage;
		const int *const at = tables + slot * 2 * G::pixels;
		if (ychunks) load_chunks<G, G::mchunks>(tile, dy, m < kg, at + G::pixels);
		else load_values<G, G::bm>(tile, dy, m < kg, at + G::pixels);
		if (xchunks) load_chunks<G, G::nchunks>(tile + G::xtile, x, n < columns, at);
		else load_values<G, G::bn>(tile + G::xtile, x, n < columns, at);
	};

	const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, wm0 = warp % (G::bm / G::wm) * G::wm, wn0 = warp / (G::bm / G::wm) * G::wn;
	constexpr int mt = G::wm / 16, nt = G::wn / 8;
	float sum[mt][nt][4] = {};
	for (int slot = 0; slot < gemm_stages; slot++) write(slot);
	__syncthreads(); // the tables are written
	for (int t = 0; t < gemm_stages - 1; t++) {
		if (t < steps) load(t);
		cp_commit();
	}
	for (int t = 0, slot = 0; t < steps; t++) { // slot = t % gemm_stages
		const int before = slot == 0 ? gemm_stages - 1 : slot - 1;
		cp_wait<gemm_stages - 2>();
		__syncthreads(); // stage t is here, and all are done with stage t - 1 and with table t
		if (t + gemm_stages - 1 < steps) load(before);
		cp_commit();
		write(slot);
		const char *const tile = shared + slot * G::stage;
#pragma unroll
		for (int pixel = 0; pixel < G::pixels; pixel += G::pixels / 2) {
			uint32_t y[mt][4], x[nt][2];
#pragma unroll
			for (int i = 0; i < mt; i++) Op::template fragment<G::mchunks>(y[i], tile, pixel, wm0 + i * 16);
#pragma unroll
			for (int j = 0; j < nt; j += 2) {
				uint32_t r[4];
				Op::template fragment<G::nchunks>(r, tile + G::xtile, pixel, wn0 + j * 8);
				x[j][0] = r[0], x[j][1] = r[2], x[j + 1][0] = r[1], x[j + 1][1] = r[3];
			}
#pragma unroll
			for (int i = 0; i < mt; i++)
#pragma unroll
				for (int j = 0; j < nt; j++) Op::mma(sum[i][j], y[i], x[j]);
		}
		slot = slot == gemm_stages - 1 ? 0 : slot + 1;
	}
	float *const out = a.partial + ((int64_t)blockIdx.z * g.k + group * kg) * columns;
#pragma unroll
	for (int i = 0; i < mt * 2; i++) { // rows lane/4 and 8 below in each 16
		const int m = m0 + wm0 + i * 8 + lane / 4;
		if (m >= kg) continue;
#pragma unroll
		for (int j = 0; j < nt; j++) {
			const int n = n0 + wn0 + j * 8 + lane % 4 * 2;
			if (n >= columns) continue;
			float *const to = out + m * columns + n;
			const float *const s = &sum[i / 2][j][i % 2 * 2];
			if (columns % 2 == 0) {
				store2(to, s[0], s[1]);
			} else {
				store(to, s[0]);
				if (n + 1 < columns) store(to + 1, s[1]);
			}
		}
	}
}

#define WGRAD(name, blocks, values, ...)                                                                                 \
	extern "C" __global__ void __launch_bounds__(WGemm<__VA_ARGS__>::threads, blocks)                                    \
		name(const __grid_constant__ vk_conv_wgrad_args a, int units) {                                                  \
		conv_wgrad<WGemm<__VA_ARGS__>, values>(a, units);                                                                \
	}

WGRAD(conv_wgrad_64x128_bf16, 3, false, WBf16, 64, 128, 32, 64)
WGRAD(conv_wgrad_64x64_bf16, 4, false, WBf16, 64, 64, 32, 32)
WGRAD(conv_wgrad_32x128_bf16, 4, false, WBf16, 32, 128, 32, 32)
WGRAD(conv_wgrad_16x128_bf16, 4, false, WBf16, 16, 128, 16, 32)
WGRAD(conv_wgrad_values_bf16, 4, true, WBf16, 32, 64, 32, 16)
WGRAD(conv_wgrad_64x128_f32, 3, false, WTf32, 64, 128, 32, 64)
WGRAD(conv_wgrad_64x64_f32, 4, false, WTf32, 64, 64, 32, 32)
WGRAD(conv_wgrad_32x128_f32, 4, false, WTf32, 32, 128, 32, 32)
WGRAD(conv_wgrad_16x128_f32, 4, false, WTf32, 16, 128, 16, 32)
WGRAD(conv_wgrad_values_f32, 4, true, WTf32, 32, 64, 32, 16)
