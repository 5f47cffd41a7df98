// The optimizers: a thread four values.
#include "device.h"
#include "optimizer.h"

enum { OPTIMIZER_BLOCK = 256, LANES = 4 };

// A thread's values are neighbours, moved 16 bytes at a time where all addresses allow it.
extern "C" __global__ void __launch_bounds__(OPTIMIZER_BLOCK) sgd(const __grid_constant__ vk_optimizer_args a, int) {
	const float lr = *a.lr;
	const int64_t at = ((int64_t)blockIdx.x * OPTIMIZER_BLOCK + threadIdx.x) * LANES;
	const auto step = [&](float &p, float g, float &m) {
		m = fmaf(a.momentum, m, fmaf(a.decay, p, g));
		p = fmaf(-lr, m, p);
	};
	if (((uint64_t)a.p | (uint64_t)a.g | (uint64_t)a.m) % 16 == 0 && at + LANES <= a.len) {
		float p[LANES], g[LANES], m[LANES];
		const float zero[LANES] = {0};
		load16(p, a.p + at);
		load16(g, a.g + at);
		load16(m, a.m + at);
#pragma unroll
		for (int i = 0; i < LANES; i++) step(p[i], g[i], m[i]);
		store16(a.m + at, m);
		store16(a.p + at, p);
		store16(a.g + at, zero);
		return;
	}
	for (int64_t i = at; i < min(at + LANES, a.len); i++) {
		step(a.p[i], a.g[i], a.m[i]);
		a.g[i] = 0;
	}
}

// Calls step with the number of each of this thread's values, which lie a block apart.
template <class Step> static __device__ __forceinline__ void each_value(int64_t len, Step step) {
	const int64_t first = (int64_t)blockIdx.x * OPTIMIZER_BLOCK * LANES + threadIdx.x;
#pragma unroll 1
	for (int64_t i = first; i < min(first + OPTIMIZER_BLOCK * LANES, len); i += OPTIMIZER_BLOCK) step(i);
}

extern "C" __global__ void __launch_bounds__(OPTIMIZER_BLOCK) adam(const __grid_constant__ vk_optimizer_args a, int) {
	const float lr = *a.lr;
	each_value(a.len, [&](int64_t i) {
		a.p[i] = vk_adam_value(&a, lr, a.p[i], a.g[i], a.m + i, a.v + i);
		a.g[i] = 0;
	});
}

extern "C" __global__ void __launch_bounds__(OPTIMIZER_BLOCK) logadam(const __grid_constant__ vk_optimizer_args a, int) {
	const float lr = *a.lr;
	each_value(a.len, [&](int64_t i) {
		a.p[i] = vk_logadam_value(&a, lr, a.p[i], a.g[i], a.m + i, a.v + i);
		a.g[i] = 0;
	});
}
