// exp, ln and tanh in float32 that give the same bits on every host and every GPU: IEEE additions,
// multiplications, divisions and explicit fmaf only, no library function. No product stands beside a
// plus or a minus, so a compiler that contracts a*b + c finds nothing to contract. Subnormal numbers
// must not be flushed to zero. Errors: exp and ln below 1, tanh below 2 units in the last place.
#ifndef VK_ELEMENTARY_H
#define VK_ELEMENTARY_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define VK_ELEMENTARY static __host__ __device__ inline
#else
#define VK_ELEMENTARY static inline
#endif

VK_ELEMENTARY float vk_float_of(uint32_t bits) {
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

VK_ELEMENTARY uint32_t vk_bits_of(float f) {
	uint32_t u;
	memcpy(&u, &f, sizeof u);
	return u;
}

// 2^k for -126 <= k <= 127.
VK_ELEMENTARY float vk_pow2(int k) { return vk_float_of((uint32_t)(k + 127) << 23); }

// exp(x) = 2^k exp(r), k = round(x / ln 2), |r| <= ln(2)/2, exp(r) by Taylor up to r^7 (next term: 5e-9).
VK_ELEMENTARY float vk_expf(float x) {
	if (x != x) return x;
	if (x > 88.8f) return INFINITY;
	if (x < -104.0f) return 0.0f;
	const float k = fmaf(x, 0x1.715476p+0f, 0x1.8p+23f) - 0x1.8p+23f; // adding 1.5*2^23 rounds to a whole number
	float r = fmaf(k, -0x1.62e4p-1f, x);                              // ln 2 = 0x1.62e4p-1 (15 bits, k times it is exact) + rest
	r = fmaf(k, -0x1.7f7d1cp-20f, r);
	float p = 1.0f / 5040;
	p = fmaf(p, r, 1.0f / 720);
	p = fmaf(p, r, 1.0f / 120);
	p = fmaf(p, r, 1.0f / 24);
	p = fmaf(p, r, 1.0f / 6);
	p = fmaf(p, r, 0.5f);
	p = fmaf(p, r, 1.0f);
	p = fmaf(p, r, 1.0f);
	const int n = (int)k, half = n / 2; // 2^k in two factors: a subnormal result is rounded once
	return p * vk_pow2(half) * vk_pow2(n - half);
}

// ln(x) = k ln 2 + ln(1+f) with sqrt(1/2) <= 1+f < sqrt(2); with s = f/(2+f), z = s^2:
// ln(1+f) = f - (f^2/2 - s*(f^2/2 + R)), R = 2z/3 + 2z^2/5 + 2z^3/7 + ... (the series of 2 artanh(s)).
VK_ELEMENTARY float vk_logf(float x) {
	if (x != x || x < 0) return NAN;
	if (x == 0) return -INFINITY;
	if (x == INFINITY) return x;
	int k = 0;
	if (x < 0x1p-126f) { // subnormal
		x *= 0x1p+25f;
		k = -25;
	}
	uint32_t u = vk_bits_of(x) - vk_bits_of(0x1.6a09e6p-1f); // exponent counted from sqrt(1/2)
	k += (int)u >> 23;
	u = (u & 0x7fffffu) + vk_bits_of(0x1.6a09e6p-1f);
	const float f = vk_float_of(u) - 1.0f, s = f / (2.0f + f), z = s * s, half = 0.5f * f, n = (float)k;
	float p = 2.0f / 11;
	p = fmaf(p, z, 2.0f / 9);
	p = fmaf(p, z, 2.0f / 7);
	p = fmaf(p, z, 2.0f / 5);
	p = fmaf(p, z, 2.0f / 3);
	const float t = fmaf(z, p, half * f);               // f^2/2 + R
	const float low = fmaf(n, 0x1.7f7d1cp-20f, s * t);  // k times the rest of ln 2
	return fmaf(n, 0x1.62e4p-1f, f - fmaf(half, f, -low));
}

// Below 0.55 Lambert's continued fraction x/(1 + z/(3 + z/(5 + z/(7 + z/9)))), z = x^2, as x minus a
// correction (relative error 3e-10); above, 1 - 2/(exp(2x) + 1).
VK_ELEMENTARY float vk_tanhf(float x) {
	const float a = fabsf(x);
	float y;
	if (a < 0.55f) {
		const float z = a * a;
		const float correction = z * fmaf(14.0f, z, 315.0f) / fmaf(fmaf(15.0f, z, 420.0f), z, 945.0f);
		y = fmaf(-a, correction, a);
	} else {
		y = 1.0f - 2.0f / (vk_expf(2.0f * a) + 1.0f);
	}
	return copysignf(y, x);
}
#endif
