package kernels

// #include "kernels.h"
import "C"

import "fmt"

// Mix is what a gate needs to mix the B candidate bit widths of a tensor. QMin and QMax are the range of the
// integer codes of each width; B = len(QMin), at most [MaxBits]; B = 0 leaves the tensor as it is.
type Mix struct {
	QMin, QMax []float32
	Z          Ptr // f32 [B]: the gate's sample
	Step       Ptr // f32 [B]; of filters [B][K], unless StepPerTensor
}

func (m Mix) c(op string) C.vk_mix {
	if len(m.QMin) != len(m.QMax) || len(m.QMin) > MaxBits {
		panic(fmt.Sprintf("%s: %d lower and %d upper bounds, want equal and at most %d", op, len(m.QMin), len(m.QMax), MaxBits))
	}
	c := C.vk_mix{bits: C.int(len(m.QMin)), z: f32(m.Z), step: f32(m.Step)}
	for b := range m.QMin {
		c.qmin[b], c.qmax[b] = C.float(m.QMin[b]), C.float(m.QMax[b])
	}
	return c
}

// sameShape panics where two activations differ in height, width or channels.
func sameShape(op string, a, b Act) {
	if a.H != b.H || a.W != b.W || a.C != b.C {
		panic(fmt.Sprintf("%s: shapes differ: %dx%dx%d and %dx%dx%d", op, a.H, a.W, a.C, b.H, b.W, b.C))
	}
}

// MixInputForwardArgs are those of [MixInputForward]. Units: images.
type MixInputForwardArgs struct {
	Mix  Mix
	X, Y Act // of one shape; borders may differ
}

// MixInputForward is y = sum_b z_b Q_b(x), Q_b(x) = s_b rint(clamp(x/s_b, qmin_b, qmax_b)) (LSQ, Esser et al.
// 2020), b in order; candidates with z_b == 0 cost nothing. NaN stays NaN.
func MixInputForward(isa ISA, a MixInputForwardArgs) Call {
	sameShape("mix input forward", a.X, a.Y)
	return newCall(C.vk_mix_input_fwd[isa], C.vk_mix_input_fwd_args{m: a.Mix.c("mix input forward"), x: a.X.c(), y: a.Y.c()}).
		gpu(byParts(actKernel("mix_input_fwd", 0, a.X, a.Y), a.X))
}

// MixInputBackwardArgs are those of [MixInputBackward]. Units: images.
type MixInputBackwardArgs struct {
	Mix        Mix
	X, DY, DX  Act  // DX.P nil: not wanted
	Partial    Ptr  // f32 [N][2B], on a GPU [R][2B] with R of MixRows: dz_b, then ds_b without the LSQ gradient scale; nil: not wanted
	Accumulate bool // DX += instead of =
}

// MixInputBackward is, with v = x/s_b, r = rint(clamp(v)) and in_b = [clamp(v) == v] (bounds included),
// dx = dy sum_b z_b in_b, dz_b = sum dy s_b r and ds_b = z_b sum dy (r - v in_b).
func MixInputBackward(isa ISA, a MixInputBackwardArgs) Call {
	sameShape("mix input backward", a.X, a.DY)
	if a.DX.P != nil {
		sameShape("mix input backward", a.X, a.DX)
	}
	return newCall(C.vk_mix_input_bwd[isa], C.vk_mix_input_bwd_args{m: a.Mix.c("mix input backward"), x: a.X.c(), dy: a.DY.c(),
		dx: a.DX.c(), partial: f32(a.Partial), accumulate: cbool(a.Accumulate)}).
		gpu(byParts(actKernel("mix_input_bwd", 0, a.X, a.DY, a.DX), a.X))
}

// MixWeightForwardArgs are those of [MixWeightForward]. Units: filters (output channels).
type MixWeightForwardArgs struct {
	Mix           Mix
	W             Ptr  // f32 [B][K][Len], or [K][Len] where Shared
	Y             Ptr  // f32 [K][Len]
	K, Len        int  // Len = R*S*C/groups
	Shared        bool // all candidates quantize one tensor (EdMIPS)
	StepPerTensor bool // Mix.Step is [B], else [B][K]
}

// MixWeightForward is y = sum_b z_b Q_b(w_b), as [MixInputForward].
func MixWeightForward(isa ISA, a MixWeightForwardArgs) Call {
	return newCall(C.vk_mix_weight_fwd[isa], C.vk_mix_weight_fwd_args{m: a.Mix.c("mix weight forward"), w: f32(a.W), y: f32(a.Y),
		k: C.int(a.K), len: C.int(a.Len), shared: cbool(a.Shared), step_per_tensor: cbool(a.StepPerTensor)}).
		gpu(byFilters("mix_weight_fwd", a.Len, a.W, a.Y))
}

// MixWeightBackwardArgs are those of [MixWeightBackward]. Units: filters.
type MixWeightBackwardArgs struct {
	Mix                   Mix
	W                     Ptr // as in [MixWeightForwardArgs]
	DY                    Ptr // f32 [K][Len]: gradient of the mixed filters
	DW                    Ptr // shape of W; added to, times GradScale
	Partial               Ptr // f32 [K][2B], as in [MixInputBackwardArgs], without GradScale; nil: not wanted
	K, Len                int
	Shared, StepPerTensor bool
	GradScale             Ptr // f32 scalar
}

// MixWeightBackward is the gradient of [MixWeightForward]: dw_b += GradScale dy z_b in_b.
func MixWeightBackward(isa ISA, a MixWeightBackwardArgs) Call {
	return newCall(C.vk_mix_weight_bwd[isa], C.vk_mix_weight_bwd_args{m: a.Mix.c("mix weight backward"), w: f32(a.W), dy: f32(a.DY),
		dw: f32(a.DW), partial: f32(a.Partial), k: C.int(a.K), len: C.int(a.Len), shared: cbool(a.Shared),
		step_per_tensor: cbool(a.StepPerTensor), grad_scale: f32(a.GradScale)}).
		gpu(byFilters("mix_weight_bwd", a.Len, a.W, a.DY, a.DW))
}

// byFilters launches a kernel with a block a filter of so many weights, which moves 16 bytes at a time where it can.
func byFilters(kernel string, length int, ptrs ...Ptr) func(int) Launch {
	if length%4 != 0 || !aligned(ptrs...) {
		kernel += scalarSuffix
	}
	return func(units int) Launch { return Launch{Kernel: kernel, Grid: [3]int{units, 1, 1}, Block: partBlock} }
}

// MixReduceArgs are those of [MixReduce]. Serial: one unit.
type MixReduceArgs struct {
	Partial    Ptr       // f32 [Rows][2B]
	DZ         Ptr       // f32 [B], added to
	DStep      Ptr       // f32 [B], or [B][Rows] where PerRow; added to
	StepFactor []float32 // [B]: LSQ's gradient scale g_b
	Rows       int
	PerRow     bool // each row has its own steps (filters with a step per channel)
	GradScale  Ptr  // f32 scalar
}

// MixReduce sums the partial gradients over the rows, in order (a GPU: in another, fixed one), in float64:
// dz_b += sum, ds_b += GradScale g_b sum.
func MixReduce(a MixReduceArgs) Call {
	if len(a.StepFactor) > MaxBits {
		panic(fmt.Sprintf("mix reduce: %d candidates, want at most %d", len(a.StepFactor), MaxBits))
	}
	c := C.vk_mix_reduce_args{partial: f32(a.Partial), dz: f32(a.DZ), dstep: f32(a.DStep), rows: C.int(a.Rows),
		bits: C.int(len(a.StepFactor)), per_row: cbool(a.PerRow), grad_scale: f32(a.GradScale)}
	for b, g := range a.StepFactor {
		c.g[b] = C.float(g)
	}
	return newCall(C.vk_mix_reduce, c).gpu(oneBlock("mix_reduce", 2*MaxBits*32))
}

// StepMSE is the step among max|x|/max(-qmin, qmax) * i/60, i = 1..60, with the least squared error of the
// quantized values; the first of equals. x holds `rows` rows of `length` floats, `stride` floats apart.
func StepMSE(x Ptr, rows, length, stride int, qmin, qmax float32) float32 {
	return float32(C.vk_step_mse(f32(x), C.int64_t(rows), C.int64_t(length), C.int64_t(stride), C.float(qmin), C.float(qmax)))
}

func cbool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
