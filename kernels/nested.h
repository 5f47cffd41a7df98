// Nested quantizers: one learned parameter a tensor or filter, narrower widths a part of the widest. Read by the C compiler and
// by nvcc.
//
// With s the step of the widest width N and v = clip(x)/s, a quantizer is Q(x) = s * g * t_1(v) with
//
// residual (Bayesian Bits, van Baalen et al. 2020): the range is [-hi, hi] or [0, hi] and widths double, b_{l+1} = 2 b_l. With
//   s_l = range/(2^b_l - 1) = s_{l+1} (2^b_l + 1), f_l = s_l/s is a whole number. Each level rounds what the levels before it
//   left, q_l = rint((v - f_1 q_1 - ... - f_{l-1} q_{l-1})/f_l); those differences are exact in float32.
//   t_l = f_l q_l + z_{l+1} t_{l+1}, and g = z_1: Q = z_1 (r_1 + z_2 (r_2 + ...)) with r_l = s_l q_l.
// truncate (after FN3, Cui et al. 2020): the code q = rint(v) of N bits loses the d = N - c lowest, k = floor(q/2^d); g = 1 where a
//   width c is on. Codes nest: k of c bits is k of c+1 bits less its last bit. What a code stands for, t_1:
//   signed: 2^d k + (2^d - 1)/2, the middle of the codes that share k. It is the sum of bits in {-1, +1} without the last
//     ones; 0 for lost bits would move every weight down by half a step, and with it the mean of each output.
//   unsigned: k (2^N - 1)/(2^c - 1): 0 stays 0, the largest code keeps its value, and over all codes the mean error is 0.
//     Half of what follows a relu is exactly 0, and so is all padding: the middle of the lowest codes would make a constant of
//     those zeros that padding has not, and an offset in every integer product.
//
// Gradients pass straight through: with in = [x is not clipped], truncate has dQ/dx = in. Residual holds the error e_l of each
// rint fixed. The sum of the first levels is R_l = f_1 q_1 + ... + f_l q_l = v + f_l e_l, so that d(s R_l)/dx = in for every l, and
// Q = s sum_l (w_l - w_{l+1}) R_l with w_l = z_1 ... z_l and w_{L+1} = 0 telescopes to dQ/dx = w_1 in = g in.
// Q is homogeneous of degree 1 in x and s, hence Q = x dQ/dx + s dQ/ds (Euler) and dQ/ds = g (t_1 - in v), which is LSQ's
// form. dQ/dz_l = s z_1 ... z_{l-1} t_l.
#ifndef VK_NESTED_H
#define VK_NESTED_H
#include "fakequant.h"
#include "kernels.h"

#ifdef __CUDACC__
#define VK_UNROLLED _Pragma("unroll")
#else
#define VK_UNROLLED
#endif
// for each level from the first and from the last; for each width. The lengths are constant: a GPU keeps arrays in registers.
#define VK_LEVELS(l) VK_UNROLLED for (int l = 0; l < VK_NESTED_LEVELS; l++)
#define VK_LEVELS_DOWN(l) VK_UNROLLED for (int l = VK_NESTED_LEVELS - 1; l >= 0; l--)
#define VK_WIDTHS(i, n) \
	VK_UNROLLED for (int i = 0; i < VK_MAX_BITS; i++) \
		if (i < (n)->widths)

// A quantizer made ready for many values. Truncate uses entry 0: t_1 = f rint((q - shift)/2^d) + offset. Levels that are not
// there have f = inv = z = 0.
typedef struct {
	vk_quant q; // of the widest width
	float f[VK_NESTED_LEVELS], inv[VK_NESTED_LEVELS], z[VK_NESTED_LEVELS]; // inv: 1/f, or 2^-d; z[0] = g
	float shift, offset;
	float unit; // ds/d(parameter): the range of one step, or 1
	int levels; // 0: truncate
} vk_nest;

VK_FAKEQUANT int vk_nested_widest(const vk_nested *n) {
	int widest = 0;
	VK_WIDTHS(i, n) widest = n->bits[i];
	return widest;
}

// The ends of a signed range lie half a step beyond the last code of every level. The clip is 2^-20 of the range inside them (the
// authors': 1e-7), so that the quotient v/f_l, whose relative error is below 2^-21, cannot round up.
VK_FAKEQUANT void vk_nest_residual(vk_nest *r, const vk_nested *n, float range) {
	const float codes = (float)((1 << vk_nested_widest(n)) - 1), hi = range * (1 - 0x1p-20f);
	r->unit = (n->is_signed ? 2.0f : 1.0f) / codes;
	const float step = range * r->unit;
	r->q.step = step, r->q.inv = 1.0f / step, r->q.hi = hi, r->q.lo = n->is_signed ? -hi : 0;
	r->levels = n->widths;
	float f = 1;
	VK_LEVELS_DOWN(l) {
		r->f[l] = r->inv[l] = r->z[l] = 0;
		if (l >= n->widths) continue;
		if (l < n->widths - 1) f *= (float)((1 << n->bits[l]) + 1);
		r->f[l] = f, r->inv[l] = 1.0f / f, r->z[l] = n->z[l];
	}
}

VK_FAKEQUANT void vk_nest_truncate(vk_nest *r, const vk_nested *n, float step) {
	const int widest = vk_nested_widest(n);
	const float codes = (float)(1 << (n->is_signed ? widest - 1 : widest));
	r->q = vk_quant_of(step, n->is_signed ? -codes : 0, codes - 1);
	r->unit = 1, r->levels = 0;
	int c = 0; // the first width that is on
	VK_WIDTHS(i, n) if (c == 0 && n->z[i] != 0) c = n->bits[i];
	VK_LEVELS(l) r->f[l] = r->inv[l] = r->z[l] = 0;
	r->z[0] = c ? 1 : 0;
	if (c == 0) c = widest;
	const float t = (float)(1 << (widest - c));
	r->shift = (t - 1) / 2, r->inv[0] = 1.0f / t;
	r->offset = n->is_signed ? r->shift : 0;
	r->f[0] = n->is_signed ? t : (codes - 1) / (float)((1 << c) - 1);
}

// The quantizer whose parameter stands at n->param[at].
VK_FAKEQUANT vk_nest vk_nest_of(const vk_nested *n, int at) {
	vk_nest r;
	r.shift = r.offset = 0;
	if (n->mode == VK_NESTED_TRUNCATE)
		vk_nest_truncate(&r, n, n->param[at]);
	else
		vk_nest_residual(&r, n, n->param[at]);
	return r;
}

// t_1, t_2, ... of v. floor(q/2^d) is rint((q - shift)/2^d), which is no tie.
VK_FAKEQUANT void vk_nest_terms(const vk_nest *n, float v, float t[VK_NESTED_LEVELS]) {
	float q[VK_NESTED_LEVELS], next = 0;
	if (n->levels == 0) {
		VK_LEVELS(l) t[l] = 0;
		t[0] = fmaf(n->f[0], rintf((rintf(v) - n->shift) * n->inv[0]), n->offset);
		return;
	}
	VK_LEVELS(l) {
		q[l] = rintf(v * n->inv[l]);
		v = fmaf(-n->f[l], q[l], v);
	}
	VK_LEVELS_DOWN(l) {
		t[l] = fmaf(n->f[l], q[l], next);
		next = n->z[l] * t[l];
	}
}
#endif
