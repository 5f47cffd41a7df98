// The rest of kernels.h, and read through it: arguments of what only systems beside the supernet's own need, nested quantizers,
// their gates, and gates over pairs.
#ifndef VK_KERNELS_NESTED_H
#define VK_KERNELS_NESTED_H
#include "kernels.h"

// ---- nested.c ---- nested quantizers, residual (Bayesian Bits) and truncate (FN3): nested.h has the formulas. One
// parameter for all widths: the upper end of the range, or the step of the widest. Of truncate's z the first that is not
// 0 is on.
enum { VK_NESTED_RESIDUAL, VK_NESTED_TRUNCATE };
enum { VK_NESTED_LEVELS = 4, VK_NESTED_BITS = 16 }; // residual: widths at most; the widest
typedef struct {
	int mode, is_signed, widths, bits[VK_MAX_BITS]; // rising; residual: each twice the one before
	const float *z;     // [widths]
	const float *param; // [1] or, for filters, [k]
} vk_nested;
typedef struct {
	vk_nested n;
	vk_act x, y;
} vk_nested_input_fwd_args; // units: images
// dx (+)= dy * g * in. partial[image] [widths+1]: dz_l, zeros for truncate; then the parameter's, without LSQ's scale.
typedef struct {
	vk_nested n;
	vk_act x, dy, dx;
	float *partial; // GPU: [rows][widths+1], each the sum over a part of an image
	int accumulate; // dx += instead of =
} vk_nested_input_bwd_args; // units: images
// y[k] = prune[k] * Q(w[k])
typedef struct {
	vk_nested n;
	const float *w, *prune; // [k][len]; [k] or null: 1
	float *y;               // [k][len]
	int k, len, per_tensor; // per_tensor: n.param is [1]
} vk_nested_weight_fwd_args; // units: k
typedef struct {
	vk_nested n;
	const float *w, *prune, *dy;
	float *dw;      // [k][len], added to, times grad_scale
	float *dprune;  // [k], added to, unscaled; null where prune is
	float *partial; // [k][widths+1], as above, unscaled
	int k, len, per_tensor;
	const float *grad_scale; // device scalar, 1/G
} vk_nested_weight_bwd_args; // units: k
// dz[l] += sum_rows partial[row][l]; dparam += grad_scale * g * sum_rows partial[row][widths], rows in order, in double.
// per_row: dparam is [rows] and each row adds to its own entry.
typedef struct {
	const float *partial; // [rows][widths+1]
	float *dz, *dparam;   // [widths], [1] or [rows]
	float g;              // LSQ gradient scale
	int rows, widths, per_row;
	const float *grad_scale;
} vk_nested_reduce_args; // serial
extern const vk_fn vk_nested_input_fwd[VK_ISAS], vk_nested_input_bwd[VK_ISAS];
extern const vk_fn vk_nested_weight_fwd[VK_ISAS], vk_nested_weight_bwd[VK_ISAS];
extern const vk_fn vk_nested_reduce;

// ---- hardconcrete.c ---- gates of a residual quantizer: row g's gate l lets level l through where gates 0..l-1 are open;
// gate 0 is always open and has no phi
enum { VK_CONCRETE_SAMPLE, VK_CONCRETE_CHILD }; // a draw; 1 or 0: open as long as P(z = 0) < 0.34 in it and all below
typedef struct {
	int gates;
	const int32_t *bits; // [gates]
	const float *phi;    // [gates][VK_MAX_BITS], as all below
	float *logp, *pi;    // of l: that gates 0..l are open (z > 0) and l+1, where there is one, is closed
	float *z, *slope;    // slope = dz/dphi
	const int32_t *mode; // device scalar: VK_CONCRETE_*
	const uint32_t *noise; // as in vk_gate_sample_args, and the same U
} vk_hard_concrete_args; // serial
// penalty = sum over gates and l of cost[g][l] * P(gates 0..l are open); dphi = slope*dz + mu * dpenalty/dphi, overwritten.
typedef struct {
	int gates;
	const int32_t *bits;
	const float *phi, *cost, *dz, *slope;
	float *dphi;
	float *penalty;  // scalar out
	const float *mu; // device scalar
} vk_hard_concrete_grad_args; // serial
// Gates of output channels (pruning): channels first[i] to first[i+1]-1 are those of the i-th layer, whose filters' row of hard-concrete gates
// is row[i]. The mean over them of P(z > 0) multiplies what that row adds to the penalty.
typedef struct {
	int layers;
	const int32_t *first, *row; // [layers+1], [layers]; no row twice
	const float *phi;           // [channels], as z and slope
	float *z, *slope;           // slope = dz/dphi
	const float *cost;          // [gates][VK_MAX_BITS]
	float *shared;              // the same: rows row[i] become cost times the mean, the others stay what they are
	const int32_t *mode;        // device scalar: VK_CONCRETE_*
	const uint32_t *noise;      // as in vk_gate_sample_args, and the same U
} vk_channel_gates_args; // serial
// dphi = slope*dz + mu * dpenalty/dphi, overwritten; pi and bits are those of vk_hard_concrete.
typedef struct {
	int layers;
	const int32_t *first, *row, *bits;
	const float *phi, *slope, *dz, *cost, *pi;
	float *dphi;
	const float *mu; // device scalar
} vk_channel_gates_grad_args; // serial
extern const vk_fn vk_hard_concrete, vk_hard_concrete_grad, vk_channel_gates, vk_channel_gates_grad;

// ---- pairs.c ---- gates over pairs of weight and input options: a row of pairs a layer
typedef struct {
	int rows;
	const int32_t *pairs;                        // [rows] of each
	const int32_t *weight_gate, *input_gate;     // [rows] rows of z, -1 where pinned; no row twice
	const int32_t *weight_option, *input_option; // [rows][VK_MAX_BITS] of each pair
	const int32_t *bits;                         // [gates]
	const float *pair_z; // [rows][VK_MAX_BITS]
	float *z;            // [gates][VK_MAX_BITS]; z_i = sum of pair_z over the pairs with option i, overwritten
	const float *dz;
	float *dpair_z;      // sum of dz at the two options of each pair, overwritten
} vk_pair_args; // serial
extern const vk_fn vk_pair_marginals, vk_pair_marginals_grad;
#endif
