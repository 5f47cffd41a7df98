// The C ABI of the kernels: one struct of arguments an op, read by the C compiler and by nvcc.
//
// On a GPU a kernel takes the struct by value and, behind it, the number of units as an int; pointers are device
// addresses, and what only a GPU does in one kernel (unit.cu, act.cu) has no function here.
//
// On the host every kernel is a function vk_fn(args, begin, end) that does the units begin..end-1 of its parallel
// dimension: images for activations, output channels for filters, 1 unit for small serial work. A
// unit of one kernel reads only the same unit of what the kernels before it in a region wrote, so a
// region (a list of calls with the same number of units) runs unit by unit with the data still in
// cache. No kernel allocates, locks, prints or exits; all pointers come from vk_alloc.
//
// Letters: n batch, h w c input, k output channels, p q output height and width, r s filter.
#ifndef VK_KERNELS_H
#define VK_KERNELS_H
#include <stdint.h>

enum { VK_PORTABLE, VK_AVX2, VK_AVX512, VK_ISAS };
enum { VK_MAX_BITS = 8 }; // candidate bit widths of one gate

typedef void (*vk_fn)(const void *args, int begin, int end);

// An activation tensor [n][h][w][c] inside a border of zeros: the memory is
// [n][h+2*border][w+2*border][c], p points at its first byte and kernels write the inside only. f32; on a GPU whose
// activations are bf16 the kernels named so read p as that.
typedef struct {
	float *p;
	int h, w, c, border;
} vk_act;

// ---- conv.c ----
// y[n,p,q,k] = sum_{r,s,c} x[n, p*stride+r*dilation-pad, q*stride+s*dilation-pad, c] * w[k,r,s,c]
// with c running over the group of k. x.border >= pad; dy.border >= vk_conv_dy_border.
// fw and dw filters are packed by vk_conv_pack:
//   forward   [groups][r][s][c/groups][k/groups rounded up to 16]
//   backward  [groups][r][s][k/groups][c/groups rounded up to 16]
// A depthwise convolution (groups == c == k) uses [r][s][c rounded up to 16] for both. A GPU takes operands bf16, or f32
// rounded to tf32, as
//   forward   [k][r*s*c/groups rounded up to 16 bytes]
//   backward  [c][r*s*k/groups rounded up to 16 bytes]
// and depthwise filters f32 as [r][s][c rounded up to 8] for both.
typedef struct {
	int c, k, r, s, stride, pad_top, pad_left, dilation, groups;
} vk_conv_geom;
typedef struct {
	vk_conv_geom g;
	vk_act x, y;
	const float *packed; // forward filters
	const float *bias;   // [k] or null
} vk_conv_fwd_args;
typedef struct {
	vk_conv_geom g;
	vk_act dy, dx; // dx is overwritten inside its border
	const float *packed; // backward filters
} vk_conv_dgrad_args;
// partial[chunk] = sum over the images of one chunk; the chunk of image i is i/chunk. A chunk's first
// image overwrites, the others add, so begin..end never straddles a chunk unless it starts one.
// partial is [chunks][size of the forward packing]; vk_conv_wgrad_reduce sums the chunks in order and
// writes dw as [k][r][s][c/groups]. On a GPU a chunk is a run of the batch's pixels, as many as its grid says, and partial
// is [chunks][k][r][s][c/groups].
typedef struct {
	vk_conv_geom g;
	vk_act x, dy;
	float *partial;
	int chunk;
} vk_conv_wgrad_args;
typedef struct {
	vk_conv_geom g;
	const float *partial;
	float *dw; // [k][r][s][c/groups], overwritten
	int chunks;
} vk_conv_wgrad_reduce_args; // units: k
typedef struct {
	vk_conv_geom g;
	const float *w; // [k][r][s][c/groups]
	float *forward, *backward; // backward may be null
} vk_conv_pack_args; // units: k. Lanes of padding are never read into results; they are zero from vk_alloc.
// partial: the sum over the pixels of each image of dy, in a fixed order.
typedef struct {
	vk_act dy;
	float *partial; // [n][c]; GPU: [rows][c], each the sum of a run of the batch's pixels
} vk_bias_grad_args; // units: images; the sum over images is vk_sum_rows
extern const vk_fn vk_conv_fwd[VK_ISAS], vk_conv_dgrad[VK_ISAS], vk_conv_wgrad[VK_ISAS];
extern const vk_fn vk_conv_wgrad_reduce, vk_conv_pack;
extern const vk_fn vk_bias_grad[VK_ISAS];

// ---- winograd.c ---- 3x3 convolutions of stride 1, padding 1: F(2x2, 3x3)
// x has a border of 1 or more; h and w are even; c and k are multiples of 16, VK_WINO_CHANNELS at most.
enum { VK_WINO_CHANNELS = 128 };
typedef struct {
	int c, k;
	const float *w;            // [k][3][3][c]
	float *forward, *backward; // [16][c][k]; [16][k][c], rotated, for the input gradient, or null
} vk_wino_pack_args; // units: k
// y = x * w; with the backward packing and x = dy, y = dx.
typedef struct {
	vk_act x, y;
	const float *u; // [16][x.c][y.c]
} vk_wino_conv_args; // units: images
// partial [chunks][16][c][k]; the chunks are those of vk_conv_wgrad_args.
typedef struct {
	vk_act x, dy;
	float *partial;
	int chunk;
} vk_wino_wgrad_args;
typedef struct {
	int c, k, chunks;
	const float *partial;
	float *dw; // [k][3][3][c], overwritten
} vk_wino_wgrad_reduce_args; // units: c
extern const vk_fn vk_wino_pack[VK_ISAS], vk_wino_conv[VK_ISAS], vk_wino_wgrad[VK_ISAS], vk_wino_wgrad_reduce[VK_ISAS];

// ---- fakequant.c ---- (LSQ, Esser et al. 2020; mixes, method.md section 5)
// Q_b(x) = s_b * rint(clamp(x/s_b, qmin_b, qmax_b)); y = sum_b z_b Q_b(x), b in order, z_b == 0 skipped.
typedef struct {
	int bits; // number of candidates B; 0: plain copy
	float qmin[VK_MAX_BITS], qmax[VK_MAX_BITS];
	const float *z;    // [B]
	const float *step; // inputs: [B]; weights: [B][k] or, step_per_tensor, [B]
} vk_mix;
typedef struct {
	vk_mix m;
	vk_act x, y;
} vk_mix_input_fwd_args; // units: images
// dx (+)= dy * sum_b z_b [qmin_b <= x/s_b <= qmax_b]
// partial[image][0..B)  = dz_b = sum dy * s_b * r_b          for every b, also where z_b == 0
// partial[image][B..2B) = ds_b = z_b * sum dy * (r_b - v_b*in_b)   v = x/s, r = rint(clamp(v)), in = [clamp(v) == v]
typedef struct {
	vk_mix m;
	vk_act x, dy, dx; // dy is the gradient of the mixed tensor
	float *partial;   // [n][2B]
	int accumulate;   // dx += instead of =
} vk_mix_input_bwd_args;
typedef struct {
	vk_mix m;
	const float *w; // [B][k][len], or [k][len] where shared
	float *y;       // [k][len] mixed filters
	int k, len, shared, step_per_tensor;
} vk_mix_weight_fwd_args; // units: k
typedef struct {
	vk_mix m;
	const float *w, *dy; // dy: [k][len]
	float *dw;           // as w; added to, times grad_scale
	float *partial;      // [k][2B], as above, unscaled
	int k, len, shared, step_per_tensor;
	const float *grad_scale; // device scalar, 1/G
} vk_mix_weight_bwd_args;
// dz[b] += sum_rows partial[row][b]; dstep[b] += grad_scale * g_b * sum_rows partial[row][B+b], rows in
// order, in double. per_row: dstep is [B][rows] and each row adds to its own entry.
typedef struct {
	const float *partial; // [rows][2B]
	float *dz, *dstep;    // [B], [B] or [B][rows]; both added to, dz unscaled
	float g[VK_MAX_BITS]; // LSQ gradient scale
	int rows, bits, per_row;
	const float *grad_scale;
} vk_mix_reduce_args; // serial
extern const vk_fn vk_mix_input_fwd[VK_ISAS], vk_mix_input_bwd[VK_ISAS];
extern const vk_fn vk_mix_weight_fwd[VK_ISAS], vk_mix_weight_bwd[VK_ISAS];
extern const vk_fn vk_mix_reduce;
// MSE search of a step (method.md section 5, Steps): writes *step, not a vk_fn since it runs once.
// x: rows of `len` floats at distance `stride`; sums in double in order.
float vk_step_mse(const float *x, int64_t rows, int64_t len, int64_t stride, float qmin, float qmax);

// ---- codeunits.c ---- filters [B][k][len] in units of their steps: w_b = c_b s_b, codes before they are rounded
// to: dstep_b += g_b sum w_b dw_b / s_b, w_b /= s_b; from: w_b = clamp(w_b s_b, s_b qmin_b, s_b qmax_b)
typedef struct {
	int bits, k, len;
	float qmin[VK_MAX_BITS], qmax[VK_MAX_BITS], g[VK_MAX_BITS];
	const float *dw, *step; // step: [B][k]
	float *w, *dstep;
} vk_code_units_args; // units: k
extern const vk_fn vk_to_code_units, vk_from_code_units;

// ---- intconv.c ---- a child's exact integer arithmetic
// Of a gate's candidates the child has the one with z_b != 0 (the first of them; -1 where none is).
// Codes [n][h+2*border][w+2*border][c], one byte each: u8, or s8 where is_signed, in a border of zeros.
typedef struct {
	uint8_t *p;
	int h, w, c, border, is_signed;
} vk_codes;
// codes = rint(clamp(x/step, qmin, qmax)) by the division of fakequant.h; NaN has code 0.
typedef struct {
	vk_mix m;
	vk_act x;
	vk_codes codes;
} vk_input_codes_args; // units: images
// packed: the child's s8 codes of the filters in the device's own order (GPU: [k][r*s][c/groups rounded up to 16],
// padding left alone); scale[k] = weight step * input step, 0 where a gate has no option.
typedef struct {
	vk_conv_geom g;
	vk_mix weights, inputs;
	const float *w; // as in vk_mix_weight_fwd_args
	int8_t *packed;
	float *scale; // [k]
	int shared, step_per_tensor;
} vk_weight_codes_args; // units: k
// y = (float)acc * scale[k] + bias[k], each operation rounded; acc = sum of code products in int32, exact in any order
// where r*s*c/groups is VK_INT_CONV_LEN at most.
enum { VK_INT_CONV_LEN = 65793 }; // (2^31 - 1) / (255 * 128)
typedef struct {
	vk_conv_geom g;
	vk_codes x;
	vk_act y;
	const int8_t *packed;
	const float *scale, *bias; // [k]; bias may be null
} vk_int_conv_args; // units: images
extern const vk_fn vk_input_codes[VK_ISAS], vk_weight_codes[VK_ISAS], vk_int_conv[VK_ISAS];
int vk_int_conv_supported(int isa); // whether this machine runs vk_int_conv[isa], whose AVX-512 form needs VNNI

// ---- norm.c ---- batch norm with affine sets (pair / gate / eta / plain), act and shortcut fused.
// gamma = sum_t v_t gamma_t, beta alike, over T sets with coefficients v; running statistics have S sets
// (S == T for pair, else 1) that move with momentum * v_s (momentum alone where S == 1).
typedef struct {
	vk_act y;       // conv output, border 0
	float *partial; // [n][2][c]: mean over the image and sum of squared deviations from it
} vk_norm_stats_args;
typedef struct {
	int n, hw, c, sets, stat_sets;
	const float *partial;
	const float *v;                 // [T]
	const float *gamma, *beta;      // [T][c]
	float *running_mean, *running_var; // [S][c], updated: r += m*v_s*(batch - r); var unbiased. null: left alone
	const float *momentum;          // device scalar
	float *mean, *inv, *scale, *shift; // [c]: batch mean, 1/sqrt(var+eps), gamma*inv, beta - mean*scale
	float eps;
} vk_norm_combine_args; // serial; sums in double, images in order (Chan et al.)
typedef struct {
	int c, sets, stat_sets;
	const float *v, *gamma, *beta, *running_mean, *running_var;
	float *scale, *shift;
	float eps;
} vk_norm_eval_args; // serial: scale and shift from running statistics; v one-hot where stat_sets > 1
// a = act(scale*y + shift + shortcut), act(x) = max(x, 0) where relu and min(max(x, 0), cap) where cap > 0 as well; y, a inside their
// borders. scale null: 1 and 0.
// The shortcut tensor is read at (p*stride, q*stride), channel k - offset, and is 0 outside its channels
// (ResNet option A); identity is stride 1, offset 0.
typedef struct {
	vk_act t; // p null: none
	int stride, offset;
} vk_shortcut;
typedef struct {
	vk_act y, a;
	const float *scale, *shift; // [c]
	vk_shortcut shortcut;
	int relu;
	float cap;
} vk_norm_apply_args;
// d = da masked by a > 0 (where relu) and by a < cap (where cap > 0), written over da; dshortcut (+)= d at the shortcut's places;
// partial[image] = [2][c]: sum d, sum d*(y-mean)*inv.
typedef struct {
	vk_act da, a, y;
	const float *mean, *inv;
	vk_shortcut dshortcut;
	int relu, shortcut_accumulate; // not accumulating: places of dshortcut that d does not reach become 0
	float cap;
	float *partial; // null: no norm (y, mean, inv unused)
} vk_norm_bwd_reduce_args;
// dv[t] = sum_c (dgamma*gamma_t + dbeta*beta_t), unscaled; dgamma_t += grad_scale*v_t*dgamma; dbeta_t alike;
// coef [3][c] = A, B, C with dy = A*d + B*y + C.
typedef struct {
	int n, hw, c, sets;
	float *partial; // GPU: row 0 becomes the sum of all rows, of which a second kernel makes dv
	const float *v, *gamma, *beta, *mean, *inv, *scale, *grad_scale;
	float *dgamma, *dbeta; // [T][c], added to
	float *dv;             // [T], overwritten; null where v is constant
	float *coef;
} vk_norm_bwd_combine_args; // serial
typedef struct {
	vk_act d, y, dy; // dy may have a border; it may share no memory with y
	const float *coef;
} vk_norm_bwd_apply_args;
extern const vk_fn vk_norm_stats[VK_ISAS], vk_norm_apply[VK_ISAS], vk_norm_bwd_reduce[VK_ISAS], vk_norm_bwd_apply[VK_ISAS];
extern const vk_fn vk_norm_combine, vk_norm_eval, vk_norm_bwd_combine;

// ---- unit.cu ---- what lies between two convolutions in one pass, GPU only: norm, shortcut, relu and the input mixes of
// up to two readers. Equal to vk_norm_apply and vk_mix_input_fwd one after the other, and to their backward passes:
//   a = act(scale*y + shift + shortcut), rounded to storage;  xq_m = mix_m(a)
//   g = da + sum_m gradient of mix_m;  d = g masked as there;  dshortcut (+)= d;  dy = A*d + B*y + C, or dy (+)= d
// Every tensor has its own border. The backward passes read y and the shortcut and make a anew.
enum { VK_UNIT_MIXES = 2 };
typedef struct {
	vk_mix m;
	vk_act xq;      // forward: written; backward: its gradient, read. p null: there is no such mix
	float *partial; // backward reduce: [rows][2B] as vk_mix_input_bwd_args; null: not wanted
} vk_unit_mix;
typedef struct {
	vk_act y, a;                // a.p null: not written
	const float *scale, *shift; // [c]; null: 1 and 0
	vk_shortcut shortcut;
	vk_unit_mix mix[VK_UNIT_MIXES];
	vk_act da;               // gradient that other readers of a have; p null: none
	const float *mean, *inv; // [c]
	vk_shortcut dshortcut;   // as in vk_norm_bwd_reduce_args
	float *partial;          // [rows][2][c]: sum d, sum d*(y-mean)*inv; null: no norm
	const float *coef;       // [3][c]; null: no norm
	vk_act dy;
	int relu, shortcut_accumulate, accumulate; // accumulate: dy += where there is no norm
	float cap;               // as storage holds it
} vk_unit_args; // units: images; a block of a kernel does 1/rows of them

// ---- pool.c ---- global average, fixed order
typedef struct {
	vk_act x, y; // y: h = w = 1. Backward: x is dx (overwritten, or added to), y is dy
	int accumulate;
} vk_pool_args;
extern const vk_fn vk_avgpool_fwd[VK_ISAS], vk_avgpool_bwd[VK_ISAS];

// ---- loss.c ---- softmax cross-entropy
typedef struct {
	vk_act logits, dlogits;  // h = w = 1; dlogits = (softmax - onehot)/n; p null: no gradient
	const int32_t *labels;   // [n]
	const float *scale;      // device scalar that multiplies dlogits; null: 1
	float *partial;          // [n][2]: loss, 1 if the argmax (first of equals) is the label
	int n;
} vk_loss_args; // units: images
extern const vk_fn vk_softmax_cross_entropy;
// out[j] (+)= scale * sum over rows of in[row][j], rows in order, in double. scale null: 1.
typedef struct {
	const float *in;
	float *out;
	const float *scale;
	int rows, cols, accumulate;
} vk_sum_rows_args; // serial
extern const vk_fn vk_sum_rows;

// ---- augment.c ---- crop, flip, normalise: u8 [n][h][w][c] -> f32
// Padding is black (0) BEFORE normalisation (method.md trap 4): out = (pixel/255 - mean)/std.
typedef struct {
	const uint8_t *pixels;
	const int32_t *draw; // [n][3]: top, left of the crop in the padded image minus pad (-pad..pad), flip 0/1
	vk_act x;
	const float *mean, *std; // [c]
} vk_augment_args;
extern const vk_fn vk_augment;

// ---- gates.c ---- all gates as rows of [gates][VK_MAX_BITS], the first bits[g] columns used
typedef struct {
	int gates;
	const int32_t *bits; // [gates]
	const float *logits;
	float *logp, *pi, *z, *soft; // log softmax, softmax, sample used, soft sample (for the straight-through gradient)
	const float *temperature;    // device scalar
	const int32_t *mode;         // device scalar: VK_GATE_*
	// Device [4]: seed low, seed high, step, micro-batch. The Gumbel draw of candidate i of gate g takes word i%4 of
	// Philox with key (seed low, seed high) and counter (step, micro-batch, g, i/4): U = ((word>>8) + 0.5) * 2^-24
	// in [1e-10, 1 - 1e-7], draw = -ln(-ln U).
	const uint32_t *noise;
} vk_gate_sample_args; // serial
enum { VK_GATE_SOFTMAX, VK_GATE_GUMBEL, VK_GATE_HARD, VK_GATE_FIXED }; // HARD: one-hot forward, soft gradient; FIXED: z is left as it is
// dlogits = J_z^T dz + J_pi^T dpi; J_z is that of soft: (diag(soft) - soft soft^T)/temperature, without the
// temperature in softmax mode, 0 in fixed mode.
typedef struct {
	int gates;
	const int32_t *bits;
	const float *pi, *soft, *dz, *dpi;
	float *dlogits; // overwritten
	const float *temperature;
	const int32_t *mode;
} vk_gate_grad_args;
// Expected cost E[h] = sum_k <pi_k^w, T_k pi_k^x>; dpi (+)= weight * dE/dpi. Row of a gate, or -1 for a pinned one (pi = 1).
typedef struct {
	int layers;
	const int32_t *weight_gate, *input_gate; // [layers]
	const int32_t *bits;                     // [gates]
	const float *table;                      // [layers][VK_MAX_BITS][VK_MAX_BITS]
	const float *pi;
	float *dpi;          // added to; null: not wanted, and weight not read
	float *cost;         // scalar out
	const float *weight; // device scalar: eta
} vk_cost_args;
// Prior: VK_PRIOR_NONE, ENTROPY: value = -sum H(pi), KL: value = sum KL(pi || q), q = softmax(tilt); dpi += weight * d value / dpi
// (entropy and KL differ by the linear term only). entropy out is sum H(pi) in any case.
enum { VK_PRIOR_NONE, VK_PRIOR_ENTROPY, VK_PRIOR_KL };
typedef struct {
	int gates, prior;
	const int32_t *bits;
	const float *pi, *logp, *tilt; // tilt: [gates][VK_MAX_BITS], logits of the prior
	float *dpi;
	float *value, *entropy;
	const float *weight; // device scalar: lambda
} vk_prior_args;
// v of a conditional norm from the gate rows; and dz (added to) from
// dv. kind: VK_NORM_*. A pinned gate has no entries in v: T is 1, weight_bits*input_bits,
// 1 + bits of each gate that is not pinned, 4.
enum { VK_NORM_PLAIN, VK_NORM_PAIR, VK_NORM_GATE, VK_NORM_ETA };
typedef struct {
	int kind, weight_bits, input_bits; // 1 where pinned
	const float *zw, *zx;              // rows, null where pinned (one option, z = 1)
	const float *u;                    // device scalar, for eta: a constant, no gradient
	float *v;                          // [T]: plain 1; pair i*input_bits+j; gate 1, zw.., zx..; eta 1,u,u2,u3
	const float *dv;
	float *dzw, *dzx; // added to; null in the forward pass
} vk_norm_coef_args;
// DNAS's multiplicative cost: the task loss is multiplied by factor = (ln c / ln cmax)^gamma with c = cost * cmax.
// Backward: weight = d(factor * loss/n)/d cost.
typedef struct {
	const float *cost;
	float *factor;
	const float *loss; // sum over n images
	float *weight;
	int n;
	double log_max, gamma; // ln cmax
} vk_cost_factor_args;
extern const vk_fn vk_cost_factor, vk_cost_factor_grad;
extern const vk_fn vk_gate_sample, vk_gate_grad, vk_cost, vk_prior, vk_norm_coef_fwd, vk_norm_coef_bwd;

// ---- bitmodel.c ---- f_theta(eta): u -> tanh -> tanh -> logits - kappa*u*rank (method.md section 5)
enum { VK_MAX_HIDDEN = 256, VK_MAX_DEPTH = 4 };
typedef struct {
	int depth, hidden, gates;
	const int32_t *bits;
	// For each hidden layer W [hidden][in], b [hidden], in = 1 for the first; then W [gates*VK_MAX_BITS][in] and
	// b [gates*VK_MAX_BITS], of which rows beyond bits[gate] are neither read nor written.
	const float *theta;
	const float *u, *kappa_rank; // u device scalar; kappa*rank [gates][VK_MAX_BITS]
	float *h;              // [depth][hidden] activations
	float *logits, *tilt;  // [gates][VK_MAX_BITS]; tilt = -u*kappa_rank
	const float *dlogits;  // backward
	float *dtheta;         // added to, times grad_scale
	const float *grad_scale;
} vk_bitmodel_args;
extern const vk_fn vk_bitmodel_fwd, vk_bitmodel_bwd;

// ---- similarity.c ---- KSL = sum_{i<j} sqrt(||w_i - w_j||^2 + 1e-12), one layer; dw += weight * d KSL/dw
enum { VK_SIMILARITY_BLOCK = 4096 }; // values whose squared differences are summed in float32
typedef struct {
	const float *w; // [B][len]
	float *dw;
	float *value; // scalar out (this layer's)
	int bits;
	int64_t len;
	const float *weight; // device scalar: mu(t)
	float *partial;      // GPU: [blocks of values][pairs], between its two kernels
} vk_similarity_args; // serial
extern const vk_fn vk_similarity[VK_ISAS];

// ---- optimizer.c ---- over a flat group; units: blocks of VK_OPT_BLOCK values
enum { VK_OPT_BLOCK = 4096 };
typedef struct {
	float *p, *g, *m, *v; // value, gradient (set to 0 after use), moments
	int64_t len;
	const float *lr;     // device scalar
	float momentum, decay; // SGD: m = momentum*m + (g + decay*p); p -= lr*m
	double beta1, beta2;   // Adam: m = beta1*m + (1-beta1)*g, v alike with g^2, p -= lr*mhat/(sqrt(vhat) + eps)
	float eps;
	const float *bias; // Adam, LogAdam: device [2]: 1-beta1^t, 1-beta2^t, of step t = 1, 2, ...
} vk_optimizer_args;
extern const vk_fn vk_sgd[VK_ISAS], vk_adam, vk_logadam; // LogAdam: Adam on ln p, whose gradient is p*g (method.md section 5); p >= 1e-6

// ---- elementary.c ---- what every device must reproduce bit for bit: elementary.h and philox.h, for tests
enum { VK_EXP, VK_LOG, VK_TANH };
typedef struct {
	int op;
	const float *x;
	float *y;
} vk_elementary_args; // units: values
typedef struct {
	uint32_t key[2], counter[4]; // unit i uses counter[0] + i
	uint32_t *out;               // [units][4]
} vk_philox_args;
extern const vk_fn vk_elementary, vk_philox;

// ---- act.cu ---- GPU only: an activation, in either storage, from or to dense float32 [n][h][w][c]
typedef struct {
	vk_act act;
	float *dense;
} vk_act_copy_args; // units: images

// ---- run.c ----
typedef struct {
	vk_fn fn;
	const void *args;
} vk_call;
// Runs the calls over units begin..end-1, `block` units at a time. ns, where not null, gets the
// nanoseconds of each call added to its entry.
void vk_run(const vk_call *calls, int ncalls, int begin, int end, int block, int64_t *ns);
// Sets len floats to 0.
typedef struct {
	float *p;
	int64_t len;
} vk_zero_args; // serial
extern const vk_fn vk_zero;
void *vk_alloc(int64_t bytes); // 64-byte aligned, zeroed; null when there is no memory
void vk_free(void *p);
int vk_isa_supported(int isa);

#include "kernels_nested.h"
#include "kernels_pointwise.h"
#include "kernels_shape.h"
#endif
