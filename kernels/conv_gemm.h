// Convolution as a matrix product on tensor cores, shared by conv_fwd.cu, conv_dgrad.cu and conv_int.cu:
// y[m][n] = sum over e of x[m][e] * w[n][e], m an output pixel of the batch, n an output channel of a group, e a tap and
// an input channel, in this order. A block of threads makes a tile of y. It walks e in stages of 64 bytes a row, three of
// them in shared memory: while one is multiplied the next two are on their way (cp.async).
#ifndef VK_CONV_GEMM_H
#define VK_CONV_GEMM_H
#include "conv_plane.h"

// Operands: the type in memory, the accumulator, the product.
struct Bf16 {
	typedef bf16 T;
	typedef float Sum;
	static __device__ __forceinline__ void round(uint32_t (&)[4]) {}
	static __device__ __forceinline__ void mma(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_bf16(d, a, b); }
};
struct Tf32 { // filters are rounded when packed, activations here
	typedef float T;
	typedef float Sum;
	static __device__ __forceinline__ void round(uint32_t (&a)[4]) {
		for (int i = 0; i < 4; i++) a[i] = to_tf32(__uint_as_float(a[i]));
	}
	static __device__ __forceinline__ void mma(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_tf32(d, a, b); }
};

// Places 16-byte chunk `chunk` of row `row` of a tile in shared memory with `chunks` a row so that the same chunk of
// eight rows next to each other (a matrix of ldmatrix) lies in all 32 banks. Bytes.
template <int chunks> VK_DEVICE int swizzle(int row, int chunk) {
	const int i = row * chunks + chunk;
	return (i ^ (i / (chunks < 8 ? 8 : chunks) % (chunks < 8 ? chunks : 8))) * 16;
}

constexpr int gemm_stages = 3, gemm_row = 64; // bytes

// A tile of bm pixels by bn channels; each warp does wm by wn of it.
template <class Op_, int bm_, int bn_, int wm_, int wn_> struct Gemm {
	typedef Op_ Op;
	typedef typename Op::T T;
	typedef typename Op::Sum Sum;
	static constexpr int bm = bm_, bn = bn_, wm = wm_, wn = wn_, threads = bm / wm * (bn / wn) * 32;
	static constexpr int width = gemm_row / sizeof(T); // values of e in a stage
	static constexpr int stage = (bm + bn) * gemm_row, xtile = bm * gemm_row;
	static constexpr int shared = gemm_stages * stage + 2 * bm * 4;
};

// Where in the reduction a thread's column of the tiles is: tap a, b and channel l.
struct Cursor {
	int a, b, l;
	__device__ __forceinline__ Cursor(const Plane &p, int e) : a(0), b(0), l(0) { advance(p, e); }
	__device__ __forceinline__ void advance(const Plane &p, int values) {
		l += values;
		while (l >= p.len) {
			l -= p.len;
			if (++b >= p.ns) b = 0, a++;
		}
	}
};

// Where the tile's pixels lie: xat[m], yat[m] from the plane's begin in image `first`, or -1 behind the last pixel.
template <class G> VK_DEVICE void gemm_pixels(const Plane &p, int m0, int pixels, int first, int *xat, int *yat) {
	const int image_pixels = p.rows * p.cols;
	static_assert(G::bm <= G::threads, "a thread a pixel");
	const int m = threadIdx.x;
	if (G::bm == G::threads || m < G::bm) {
		const int pixel = m0 + m, image = pixel / image_pixels, in = pixel - image * image_pixels, i = in / p.cols, j = in - i * p.cols;
		xat[m] = pixel < pixels ? (image - first) * p.ximage + i * p.xrow + j * p.xcol : -1;
		yat[m] = pixel < pixels ? (image - first) * p.yimage + i * p.yrow + j * p.ycol : -1;
	}
}

// Stages of whole 16-byte chunks: len, and with it every distance, is a multiple of a chunk's values.
template <class G> struct ChunkLoader {
	typedef typename G::T T;
	static constexpr bool async = true;
	static constexpr int lanes = 16 / sizeof(T), step = G::threads / 4; // rows that the block loads at once
	static constexpr int xrows = G::bm / step, wrows = (G::bn + step - 1) / step;
	const T *x, *w;
	int to, xat[xrows], wat[wrows];
	unsigned xvalid = 0, wvalid = 0; // a bit a row; other rows become 0
	Cursor at;
	__device__ __forceinline__ ChunkLoader(const Plane &p, const T *x, const T *w, int n0, const int *pixel)
		: x(x), w(w), to(swizzle<4>(threadIdx.x / 4, threadIdx.x % 4)), at(p, threadIdx.x % 4 * lanes) {
		for (int i = 0; i < xrows; i++) {
			const int from = pixel[threadIdx.x / 4 + i * step];
			xat[i] = max(from, 0), xvalid |= (from >= 0) << i;
		}
		for (int i = 0; i < wrows; i++) {
			const int n = n0 + threadIdx.x / 4 + i * step;
			wat[i] = min(n, p.k - 1) * p.wk, wvalid |= (n < p.k) << i;
		}
	}
	__device__ __forceinline__ void load(const Plane &p, char *stage) {
		const bool inside = at.a < p.nr;
		const T *from = x + at.a * p.xr + at.b * p.xs + at.l;
		for (int i = 0; i < xrows; i++) cp_async<16>(stage + to + i * step * gemm_row, from + xat[i], inside && xvalid >> i & 1);
		from = w + at.a * p.wr + at.b * p.ws + at.l;
		for (int i = 0; i < wrows; i++) {
			if (G::bn % step == 0 || threadIdx.x < G::bn * 4)
				cp_async<16>(stage + G::xtile + to + i * step * gemm_row, from + wat[i], inside && wvalid >> i & 1);
		}
		at.advance(p, G::width);
	}
};

// Any len: value by value.
template <class G> struct ValueLoader {
	typedef typename G::T T;
	static constexpr bool async = sizeof(T) == 4; // cp.async has no shorter copies
	static constexpr int step = G::threads / G::width; // rows that the block loads at once
	const T *x, *w;
	const int *xat;
	int row, column, n;
	Cursor at;
	__device__ __forceinline__ ValueLoader(const Plane &p, const T *x, const T *w, int n0, const int *xat)
		: x(x), w(w), xat(xat), row(threadIdx.x / G::width), column(threadIdx.x % G::width), n(n0), at(p, threadIdx.x % G::width) {}
	__device__ __forceinline__ T *place(char *tile, int row) const {
		constexpr int lanes = 16 / sizeof(T);
		return reinterpret_cast<T *>(tile + swizzle<4>(row, column / lanes)) + column % lanes;
	}
	// rows of a tile; where(row) is what to read, or null
	template <int rows, class Where> __device__ __forceinline__ void fill(char *tile, const Where &where) const {
		if constexpr (async) {
#pragma unroll
			for (int i = 0; i < rows; i += step) {
				const T *from = where(row + i);
				cp_async<4>(place(tile, row + i), from ? from : x, from);
			}
			return;
		}
		constexpr int batch = rows / step < 8 ? rows / step : 8; // loads on their way at once
#pragma unroll 1
		for (int i = 0; i < rows / step; i += batch) {
			T value[batch];
#pragma unroll
			for (int j = 0; j < batch; j++) {
				const T *from = where(row + (i + j) * step);
				value[j] = from ? *from : T{};
			}
#pragma unroll
			for (int j = 0; j < batch; j++) *place(tile, row + (i + j) * step) = value[j];
		}
	}
	__device__ __forceinline__ void load(const Plane &p, char *stage) {
		const bool inside = at.a < p.nr;
		const T *const xe = x + at.a * p.xr + at.b * p.xs + at.l, *const we = w + at.a * p.wr + at.b * p.ws + at.l;
		fill<G::bm>(stage, [&](int row) { return inside && xat[row] >= 0 ? xe + xat[row] : nullptr; });
		fill<G::bn>(stage + G::xtile, [&](int row) { return inside && n + row < p.k ? we + (n + row) * p.wk : nullptr; });
		at.advance(p, G::width);
	}
};

// sum += x tile * w tile of one stage, for the warp's part at row wm0 and channel wn0. Lanes hold it as mma says.
template <class G> struct Product {
	typedef typename G::Op Op;
	static constexpr int mt = G::wm / 16, nt = G::wn / 8;
	typename G::Sum sum[mt][nt][4];
	int xfrag, wfrag; // this lane's row of the matrices
	__device__ __forceinline__ Product(int wm0, int wn0) {
		const int lane = threadIdx.x % 32;
		xfrag = swizzle<4>(wm0 + lane % 16, lane / 16);
		wfrag = swizzle<4>(wn0 + lane % 8 + lane / 16 * 8, lane / 8 % 2) + G::xtile;
		for (int i = 0; i < mt; i++)
			for (int j = 0; j < nt; j++)
				for (int v = 0; v < 4; v++) sum[i][j][v] = 0;
	}
	__device__ __forceinline__ void add(const char *stage) {
#pragma unroll
		for (int half = 0; half < gemm_row; half += 32) {
			uint32_t x[mt][4], w[nt][2];
#pragma unroll
			for (int i = 0; i < mt; i++) {
				ldmatrix(x[i], stage + (xfrag ^ half) + i * 16 * gemm_row);
				Op::round(x[i]);
			}
#pragma unroll
			for (int j = 0; j < nt; j += 2) {
				uint32_t r[4]; // channels 0..7 and 8..15, both halves of the 32 bytes each
				ldmatrix(r, stage + (wfrag ^ half) + j * 8 * gemm_row);
				w[j][0] = r[0], w[j][1] = r[1], w[j + 1][0] = r[2], w[j + 1][1] = r[3];
			}
#pragma unroll
			for (int i = 0; i < mt; i++)
#pragma unroll
				for (int j = 0; j < nt; j++) Op::mma(sum[i][j], x[i], w[j]);
		}
	}
};

// y as float: 8 bytes a lane, whole 32-byte sectors. end(n) is what finishes the sums of channel n.
template <class G, class End> VK_DEVICE void gemm_store(Product<G> &product, char *, float *y, const int *yat, int wm0, int wn0, int n0, int k, bool aligned, const End &end) {
	const int lane = threadIdx.x % 32;
#pragma unroll
	for (int j = 0; j < Product<G>::nt; j++) {
		const int n = n0 + wn0 + j * 8 + lane % 4 * 2;
		if (n >= k) continue;
		const auto end0 = end(n), end1 = end(min(n + 1, k - 1));
#pragma unroll
		for (int i = 0; i < Product<G>::mt * 2; i++) { // rows lane/4 and 8 below in each 16
			const int at = yat[wm0 + i * 8 + lane / 4];
			if (at < 0) continue;
			const auto *s = &product.sum[i / 2][j][i % 2 * 2];
			if (aligned) {
				store2(y + at + n, end0(s[0]), end1(s[1]));
			} else {
				store(y + at + n, end0(s[0]));
				if (n + 1 < k) store(y + at + n + 1, end1(s[1]));
			}
		}
	}
}

// y as bf16: through shared memory, so that lanes next to each other write to places next to each other, 16 bytes each
// where rows of y are aligned to that.
template <class G, class End> VK_DEVICE void gemm_store(Product<G> &product, char *shared, bf16 *y, const int *yat, int wm0, int wn0, int n0, int k, bool aligned, const End &end) {
	constexpr int chunks = G::bn / 8;
	const int lane = threadIdx.x % 32;
	__syncthreads(); // the stages are free
#pragma unroll
	for (int j = 0; j < Product<G>::nt; j++) {
		const int n = n0 + wn0 + j * 8 + lane % 4 * 2;
		const auto end0 = end(min(n, k - 1)), end1 = end(min(n + 1, k - 1));
#pragma unroll
		for (int i = 0; i < Product<G>::mt * 2; i++) {
			const auto *s = &product.sum[i / 2][j][i % 2 * 2];
			char *to = shared + swizzle<chunks>(wm0 + i * 8 + lane / 4, wn0 / 8 + j) + lane % 4 * 4;
			*reinterpret_cast<uint32_t *>(to) = to_bf16x2(end0(s[0]), end1(s[1]));
		}
	}
	__syncthreads();
	const auto read = [&](int row, int chunk) { return reinterpret_cast<const bf16 *>(shared + swizzle<chunks>(row, chunk)); };
	if (aligned) {
		for (int i = threadIdx.x; i < G::bm * chunks; i += G::threads) {
			const int row = i / chunks, chunk = i % chunks, at = yat[row], n = n0 + chunk * 8;
			if (at >= 0 && n < k) *reinterpret_cast<uint4 *>(y + at + n) = *reinterpret_cast<const uint4 *>(read(row, chunk));
		}
		return;
	}
	for (int i = threadIdx.x; i < G::bm * G::bn; i += G::threads) {
		const int row = i / G::bn, column = i % G::bn, at = yat[row], n = n0 + column;
		if (at >= 0 && n < k) y[at + n] = read(row, column / 8)[column % 8];
	}
}

// One block's tile; blocks of one pixel tile, which read the same x, are neighbours.
template <class G, template <class> class Loader, class Out, class End>
VK_DEVICE void conv_gemm(const Plane &p, const typename G::T *x, const typename G::T *w, Out *y, int units, const End &end) {
	VK_DYNAMIC_SHARED(char, shared);
	int *const xat = reinterpret_cast<int *>(shared + gemm_stages * G::stage), *const yat = xat + G::bm;
	const int ntiles = (p.k + G::bn - 1) / G::bn, pixels = units * p.rows * p.cols;
	const int m0 = blockIdx.x / ntiles * G::bm, n0 = blockIdx.x % ntiles * G::bn;
	if (m0 >= pixels) return;
	const int first = m0 / (p.rows * p.cols);
	gemm_pixels<G>(p, m0, pixels, first, xat, yat);
	__syncthreads();
	Loader<G> loader(p, x + p.x0 + (int64_t)first * p.ximage, w + p.w0, n0, xat);
	const int warp = threadIdx.x / 32, wm0 = warp % (G::bm / G::wm) * G::wm, wn0 = warp / (G::bm / G::wm) * G::wn;
	Product<G> product(wm0, wn0);
	const int steps = (p.nr * p.ns * p.len + G::width - 1) / G::width;
	for (int t = 0; t < gemm_stages - 1; t++) {
		if (t < steps) loader.load(p, shared + t * G::stage);
		if (Loader<G>::async) cp_commit();
	}
	for (int t = 0, at = 0; t < steps; t++) { // at = t % gemm_stages
		if (Loader<G>::async) cp_wait<gemm_stages - 2>();
		__syncthreads(); // stage t is here, and all are done with stage t - 1
		if (t + gemm_stages - 1 < steps) loader.load(p, shared + (at == 0 ? gemm_stages - 1 : at - 1) * G::stage);
		if (Loader<G>::async) cp_commit();
		product.add(shared + at * G::stage);
		at = at == gemm_stages - 1 ? 0 : at + 1;
	}
	const bool aligned = (p.y0 | p.ycol | p.yrow | p.yimage | p.k) % (sizeof(Out) == 2 ? 8 : 2) == 0;
	gemm_store(product, shared, y + p.y0 + (int64_t)first * p.yimage, yat, wm0, wn0, n0, p.k, aligned, end);
}

// y = sum + bias where there is one.
struct AddBias {
	const float *bias;
	struct Channel {
		bool given;
		float bias;
		__device__ __forceinline__ float operator()(float sum) const { return given ? sum + bias : sum; }
	};
	__device__ __forceinline__ Channel operator()(int n) const { return {bias != nullptr, bias ? bias[n] : 0}; }
};
#endif
