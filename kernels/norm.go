package kernels

// #include "kernels.h"
import "C"

import (
	"fmt"
	"math"
)

// Batch norm with affine sets: gamma = sum_t v_t gamma_t and beta alike over T sets with coefficients v; the running
// statistics have S sets, T for a `pair` norm and 1 otherwise (method.md section 5, BN).

// NormStatsArgs are those of [NormStats]. Units: images.
type NormStatsArgs struct {
	Y       Act
	Partial Ptr // f32 [N][2][C], on a GPU [R][2][C] with R of NormRows: mean of the pixels, sum of squared deviations from it
}

// NormStats takes the statistics of each image in two passes: mean, then squared deviations; a GPU those of each part of
// an image in one pass.
func NormStats(isa ISA, a NormStatsArgs) Call {
	return newCall(C.vk_norm_stats[isa], C.vk_norm_stats_args{y: a.Y.c(), partial: f32(a.Partial)}).
		gpu(byParts(actKernel("norm_stats", 0, a.Y), a.Y))
}

// byChannels launches a kernel that gives eight channels a block (norm.cu).
func byChannels(kernel string, channels int) func(int) Launch {
	return func(int) Launch { return Launch{Kernel: kernel, Grid: [3]int{ceilDiv(channels, 8), 1, 1}, Block: 512} }
}

// NormCombineArgs are those of [NormCombine]. Serial: one unit.
type NormCombineArgs struct {
	N, HW, C, Sets, StatSets int     // rows of Partial and pixels of each; T = Sets, S = StatSets
	Partial                  Ptr     // from NormStats
	V                        Ptr     // f32 [T]
	Gamma, Beta              Ptr     // f32 [T][C]
	RunningMean, RunningVar  Ptr     // f32 [S][C]; both nil: left alone
	Momentum                 Ptr     // f32 scalar
	Mean, Inv, Scale, Shift  Ptr     // f32 [C], out: batch mean, 1/sqrt(var+eps), gamma*inv, beta-mean*scale
	Eps                      float32 // added to the variance
}

// NormCombine joins the statistics of the images (Chan et al.) in float64, images in order, normalises by the biased
// variance and moves the running statistics: r += momentum v_s (batch - r), v_s = 1 where S == 1, with the unbiased variance.
func NormCombine(a NormCombineArgs) Call {
	checkSets("norm combine", a.Sets, a.StatSets)
	return newCall(C.vk_norm_combine, C.vk_norm_combine_args{n: C.int(a.N), hw: C.int(a.HW), c: C.int(a.C), sets: C.int(a.Sets),
		stat_sets: C.int(a.StatSets), partial: f32(a.Partial), v: f32(a.V), gamma: f32(a.Gamma), beta: f32(a.Beta),
		running_mean: f32(a.RunningMean), running_var: f32(a.RunningVar), momentum: f32(a.Momentum), mean: f32(a.Mean),
		inv: f32(a.Inv), scale: f32(a.Scale), shift: f32(a.Shift), eps: C.float(a.Eps)}).gpu(byChannels("norm_combine", a.C))
}

// NormEvalArgs are those of [NormEval]. Serial: one unit.
type NormEvalArgs struct {
	C, Sets, StatSets                       int
	V, Gamma, Beta, RunningMean, RunningVar Ptr // as in [NormCombineArgs]; V one-hot where StatSets > 1
	Scale, Shift                            Ptr // f32 [C], out
	Eps                                     float32
}

// NormEval makes scale and shift from the running statistics, of the set whose v is largest.
func NormEval(a NormEvalArgs) Call {
	checkSets("norm eval", a.Sets, a.StatSets)
	return newCall(C.vk_norm_eval, C.vk_norm_eval_args{c: C.int(a.C), sets: C.int(a.Sets), stat_sets: C.int(a.StatSets), v: f32(a.V),
		gamma: f32(a.Gamma), beta: f32(a.Beta), running_mean: f32(a.RunningMean), running_var: f32(a.RunningVar),
		scale: f32(a.Scale), shift: f32(a.Shift), eps: C.float(a.Eps)}).
		gpu(func(int) Launch { return elementwise("norm_eval", a.C) })
}

func checkSets(op string, sets, statSets int) {
	if sets < 1 || sets > MaxBits*MaxBits || (statSets != 1 && statSets != sets) {
		panic(fmt.Sprintf("%s: %d affine sets (want 1 to %d) and %d sets of running statistics (want 1 or as many)", op, sets, MaxBits*MaxBits, statSets))
	}
}

// Shortcut places a tensor T beside a larger one: pixel (p,q) and channel k of the larger are pixel (p*Stride,
// q*Stride) and channel k-Offset of T; channels outside T are 0 (ResNet option A). T.P nil: no shortcut. Stride
// 1 and Offset 0 make the identity.
type Shortcut struct {
	T              Act
	Stride, Offset int
}

func (s Shortcut) c(op string, a Act) C.vk_shortcut {
	if s.T.P != nil && (s.Stride < 1 || (a.H-1)*s.Stride >= s.T.H || (a.W-1)*s.Stride >= s.T.W) {
		panic(fmt.Sprintf("%s: shortcut %dx%dx%d at stride %d does not cover %dx%dx%d", op, s.T.H, s.T.W, s.T.C, s.Stride, a.H, a.W, a.C))
	}
	return C.vk_shortcut{t: s.T.c(), stride: C.int(s.Stride), offset: C.int(s.Offset)}
}

// NormApplyArgs are those of [NormApply]. Units: images.
type NormApplyArgs struct {
	Y, A         Act
	Scale, Shift Ptr // f32 [C]; both nil: 1 and 0
	Shortcut     Shortcut
	ReLU         bool
	Cap          float32 // with ReLU: min(max(x, 0), Cap); 0: no upper bound
}

// upperBound is the Cap of a relu as activations hold it.
func upperBound(relu bool, limit float32, s Storage) C.float {
	if !relu || limit == 0 {
		return 0
	}
	if !(limit > 0) {
		panic(fmt.Sprintf("kernels: a relu capped at %g", limit))
	}
	if s == BF16 { // to nearest, ties to even
		bits := math.Float32bits(limit)
		limit = math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
	}
	return C.float(limit)
}

// NormApply is a = act(scale*y + shift + shortcut). NaN stays NaN.
func NormApply(isa ISA, a NormApplyArgs) Call {
	sameShape("norm apply", a.Y, a.A)
	return newCall(C.vk_norm_apply[isa], C.vk_norm_apply_args{y: a.Y.c(), a: a.A.c(), scale: f32(a.Scale), shift: f32(a.Shift),
		shortcut: a.Shortcut.c("norm apply", a.A), relu: cbool(a.ReLU), cap: upperBound(a.ReLU, a.Cap, F32)})
}

// NormBackwardReduceArgs are those of [NormBackwardReduce]. Units: images.
type NormBackwardReduceArgs struct {
	DA                 Act      // gradient of A; overwritten with the masked gradient d where ReLU
	A                  Act      // output of NormApply; read where ReLU only
	Y                  Act      // its input
	Mean, Inv          Ptr      // from NormCombine
	DShortcut          Shortcut // gets d; without ShortcutAccumulate its other places become 0
	ReLU               bool
	Cap                float32 // as in NormApply; the mask is then 0 < A < Cap
	ShortcutAccumulate bool
	Partial            Ptr // f32 [N][2][C]: sum d, sum d*(y-mean)*inv; nil: no norm, and Y, Mean, Inv are not read
}

// NormBackwardReduce is the first of the two backward passes.
func NormBackwardReduce(isa ISA, a NormBackwardReduceArgs) Call {
	const op = "norm backward reduce"
	if a.ReLU {
		sameShape(op, a.DA, a.A)
	}
	if a.Partial != nil {
		sameShape(op, a.DA, a.Y)
	}
	return newCall(C.vk_norm_bwd_reduce[isa], C.vk_norm_bwd_reduce_args{da: a.DA.c(), a: a.A.c(), y: a.Y.c(), mean: f32(a.Mean), inv: f32(a.Inv),
		dshortcut: a.DShortcut.c(op, a.DA), relu: cbool(a.ReLU), cap: upperBound(a.ReLU, a.Cap, F32),
		shortcut_accumulate: cbool(a.ShortcutAccumulate), partial: f32(a.Partial)})
}

// NormBackwardCombineArgs are those of [NormBackwardCombine]. Serial: one unit.
type NormBackwardCombineArgs struct {
	N, HW, C, Sets                   int // rows of Partial and pixels of each; T = Sets
	Partial                          Ptr // from NormBackwardReduce; a GPU leaves the sum of the rows in row 0
	V, Gamma, Beta, Mean, Inv, Scale Ptr // as in [NormCombineArgs]
	GradScale                        Ptr // f32 scalar
	DGamma, DBeta                    Ptr // f32 [T][C], added to, times GradScale
	DV                               Ptr // f32 [T], overwritten (by a GPU in NormBackwardSets); nil where v is constant
	Coef                             Ptr // f32 [3][C], out, for NormBackwardApply
}

// NormBackwardCombine makes the gradients of the sets and of v, and the coefficients A, B, C of dy = A*d + B*y + C.
func NormBackwardCombine(a NormBackwardCombineArgs) Call {
	return newCall(C.vk_norm_bwd_combine, a.c()).gpu(byChannels("norm_bwd_combine", a.C))
}

// NormBackwardSets is the second half of NormBackwardCombine on a GPU, with the same arguments: DV.
func NormBackwardSets(a NormBackwardCombineArgs) Call {
	return newGPUCall(a.c(), func(int) Launch { return Launch{Kernel: "norm_bwd_sets", Grid: [3]int{a.Sets, 1, 1}, Block: 256} })
}

func (a NormBackwardCombineArgs) c() C.vk_norm_bwd_combine_args {
	checkSets("norm backward combine", a.Sets, 1)
	return C.vk_norm_bwd_combine_args{n: C.int(a.N), hw: C.int(a.HW), c: C.int(a.C), sets: C.int(a.Sets),
		partial: f32(a.Partial), v: f32(a.V), gamma: f32(a.Gamma), beta: f32(a.Beta), mean: f32(a.Mean), inv: f32(a.Inv),
		scale: f32(a.Scale), grad_scale: f32(a.GradScale), dgamma: f32(a.DGamma), dbeta: f32(a.DBeta), dv: f32(a.DV), coef: f32(a.Coef)}
}

// NormBackwardApplyArgs are those of [NormBackwardApply]. Units: images.
type NormBackwardApplyArgs struct {
	D, Y, DY Act // DY shares no memory with Y
	Coef     Ptr // from NormBackwardCombine
}

// NormBackwardApply is dy = A*d + B*y + C, channel by channel.
func NormBackwardApply(isa ISA, a NormBackwardApplyArgs) Call {
	sameShape("norm backward apply", a.D, a.Y)
	sameShape("norm backward apply", a.D, a.DY)
	return newCall(C.vk_norm_bwd_apply[isa], C.vk_norm_bwd_apply_args{d: a.D.c(), y: a.Y.c(), dy: a.DY.c(), coef: f32(a.Coef)})
}
