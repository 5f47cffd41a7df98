// A child's exact integer arithmetic: codes of inputs and filters, and the convolution of codes.
#include "conv.h"
#include "fakequant.h"

// The child's option at a gate: its first candidate with z_b != 0; -1 where there is none.
static inline int vk_child_option(const vk_mix *m) {
	for (int b = 0; b < m->bits; b++)
		if (m->z[b] != 0) return b;
	return -1;
}

// The quantizer of option b, whose step stands at m->step[at].
static inline vk_quant vk_child_quant(const vk_mix *m, int b, int64_t at) {
	return vk_quant_of(m->step[at], m->qmin[b], m->qmax[b]);
}

// Where the step of filter k under option b stands.
static inline int64_t vk_weight_step_at(const vk_weight_codes_args *a, int b, int k) {
	return a->step_per_tensor ? b : (int64_t)b * a->g.k + k;
}

// The first weight of filter k under option b.
static inline const float *vk_child_filter(const vk_weight_codes_args *a, int b, int k) {
	const int64_t len = (int64_t)a->g.r * a->g.s * (a->g.c / a->g.groups);
	return a->w + ((a->shared ? 0 : (int64_t)b * a->g.k) + k) * len;
}
// How the convolution kernels read packed codes. A segment is a run of bytes that lie next to each other in the
// input: a tap's channels or, in a dense convolution without dilation, a row of taps. Per group: int32 [lanes], -128
// times the sum of the filter, then s8 [segments][quads][lanes][4], quads of 4 bytes, zeros behind a segment's
// end. Depthwise: int32 [taps][lanes], a code in the low half.
typedef struct {
	int nr, ns, len, quads, k; // segments nr x ns, bytes of one; output channels
	ptrdiff_t lanes, group;    // output channels rounded up to 16; bytes of a group
} int_packing;

static int_packing int_packing_of(const vk_conv_geom *g) {
	int_packing p = {.nr = g->r, .ns = g->s, .len = g->c / g->groups, .k = g->k / g->groups};
	if (conv_depthwise(g)) {
		p.lanes = conv_up16(g->c);
		return p;
	}
	if (g->dilation == 1 && g->groups == 1) p.len *= p.ns, p.ns = 1;
	p.quads = (p.len + 3) / 4;
	p.lanes = conv_up16(p.k);
	p.group = 4 * p.lanes * (1 + (ptrdiff_t)p.nr * p.ns * p.quads);
	return p;
}

// The byte at image i, row h, column w (either may lie in the border), channel 0, and from row to row.
static ptrdiff_t codes_row(const vk_codes *a) { return (ptrdiff_t)(a->w + 2 * a->border) * a->c; }
static uint8_t *codes_at(const vk_codes *a, int i, ptrdiff_t h, ptrdiff_t w) {
	return a->p + ((ptrdiff_t)i * (a->h + 2 * a->border) + h + a->border) * codes_row(a) + (w + a->border) * a->c;
}

// The work of one image and one group: y[i][j][0..k) of rows x n pixels; distances of x in bytes.
typedef struct {
	const uint8_t *x;
	const int8_t *w;
	const float *scale, *bias;
	float *y;
	int_packing pack;
	int rows, n, is_signed;
	ptrdiff_t xrow, xpix, yrow, ypix, xr, xs;
} int_plane;

static int_plane int_plane_of(const vk_int_conv_args *a, int image) {
	const vk_conv_geom *g = &a->g;
	const ptrdiff_t pitch = codes_row(&a->x);
	return (int_plane){
		.x = codes_at(&a->x, image, -g->pad_top, -g->pad_left), .w = a->packed, .scale = a->scale, .bias = a->bias,
		.y = conv_at(&a->y, image, 0, 0), .pack = int_packing_of(g), .rows = a->y.h, .n = a->y.w,
		.is_signed = a->x.is_signed, .xrow = pitch * g->stride, .xpix = (ptrdiff_t)g->c * g->stride,
		.yrow = conv_pitch(&a->y), .ypix = g->k, .xr = pitch * g->dilation, .xs = (ptrdiff_t)g->c * g->dilation,
	};
}

// The first n of 4 bytes at p, which may be the last of the memory.
static inline uint32_t int_tail(const uint8_t *p, int n) {
	uint32_t v = p[0];
	if (n > 1) v |= (uint32_t)p[1] << 8;
	if (n > 2) v |= (uint32_t)p[2] << 16;
	return v;
}

static inline uint32_t int_quad(const uint8_t *p) {
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

// Puts the codes of filter k where the convolution reads them.
static void int_pack(const vk_weight_codes_args *a, int k, const int8_t *code, int from, int n) {
	const int_packing p = int_packing_of(&a->g);
	if (conv_depthwise(&a->g)) {
		for (int i = 0; i < n; i++) ((int32_t *)a->packed)[(from + i) * p.lanes + k] = (uint16_t)code[i];
		return;
	}
	int8_t *group = a->packed + k / p.k * p.group;
	int32_t *sum = (int32_t *)group + k % p.k;
	if (from == 0) *sum = 0;
	int segment = from / p.len, at = from % p.len;
	int8_t *lane = group + 4 * (p.lanes + k % p.k);
	for (int i = 0; i < n; i++) {
		lane[4 * p.lanes * (segment * (ptrdiff_t)p.quads + at / 4) + at % 4] = code[i];
		*sum -= 128 * code[i];
		if (++at == p.len) at = 0, segment++;
	}
}

#define VK_BODY "intconv_body.h"
#include "each_isa.h"

const vk_fn vk_input_codes[VK_ISAS] = VK_TABLE(vk_input_codes_fn);
const vk_fn vk_weight_codes[VK_ISAS] = VK_TABLE(vk_weight_codes_fn);
const vk_fn vk_int_conv[VK_ISAS] = VK_TABLE(vk_int_conv_fn);

int vk_int_conv_supported(int isa) {
#if defined(__x86_64__)
	if (isa == VK_AVX512) return vk_isa_supported(isa) && __builtin_cpu_supports("avx512vnni");
#endif
	return vk_isa_supported(isa);
}
