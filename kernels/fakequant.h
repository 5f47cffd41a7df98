// The fake quantizer of LSQ (Esser et al. 2020, method.md section 5): Q(x) = step * rint(clamp(x/step, qmin, qmax)).
// Read by the C compiler and by nvcc: one formula for every device.
#ifndef VK_FAKEQUANT_H
#define VK_FAKEQUANT_H
#include <math.h>

#ifdef __CUDACC__
#define VK_FAKEQUANT static __host__ __device__ inline
#else
#define VK_FAKEQUANT static inline
#endif

// A quantizer made ready for many values. The clamp is done on x: lo <= x <= hi exactly where the
// rounded quotient x/step lies in qmin..qmax (a rounded quotient never falls as x grows); but a
// negative x stays below qmin = 0 where its quotient underflows to -0.
typedef struct {
	float step, inv; // inv = 1/step
	float lo, hi;
} vk_quant;

// The largest x whose rounded quotient x/step is at most q >= 0; within two floats of q*step.
VK_FAKEQUANT float vk_quant_bound(float step, float q) {
	if (q == 0) return 0;
	float x = q * step;
	for (int i = 0; i < 2; i++)
		if (x / step > q) x = nextafterf(x, 0);
	for (int i = 0; i < 2; i++) {
		const float up = nextafterf(x, INFINITY);
		if (up / step <= q) x = up;
	}
	return x;
}

VK_FAKEQUANT vk_quant vk_quant_of(float step, float qmin, float qmax) {
	vk_quant q = {step, 1.0f / step, 0.0f - vk_quant_bound(step, -qmin), vk_quant_bound(step, qmax)};
	return q;
}

// x clamped to the range; NaN stays NaN.
VK_FAKEQUANT float vk_quant_clamp(float x, vk_quant q) {
	const float low = q.lo > x ? q.lo : x;
	return q.hi < low ? q.hi : low;
}

// x/step, rounded as IEEE division rounds it, for |x| of 2^-100 or more and |x/step| < 2^100: the product
// with the reciprocal and one correction of its remainder. Before the last rounding the error is below
// 2^-22 units in the last place, so it can matter only beside a midpoint of two floats; for each of the 2^23
// significands of step all quotients that near one (5.8e7 in all) were tried, none came out wrong; the tests
// try a sample.
VK_FAKEQUANT float vk_quant_divide(float x, vk_quant q) {
	const float v = x * q.inv;
	return fmaf(fmaf(-v, q.step, x), q.inv, v);
}

// The integer code rint(clamp(x/step, qmin, qmax)). At the ends of the clamp on x the quotient is
// within one part in 2^23 of qmin or qmax, so rounding gives the bound itself.
VK_FAKEQUANT float vk_quant_code(float x, vk_quant q) { return rintf(vk_quant_divide(vk_quant_clamp(x, q), q)); }
#endif
