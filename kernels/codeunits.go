package kernels

// #include "kernels.h"
import "C"

import "fmt"

// CodeUnitsArgs are filters W f32 [B][K][Len] with steps and code ranges of their own, B = len(QMin), at most [MaxBits]. Units: K. A step
// for a whole tensor is K = 1.
type CodeUnitsArgs struct {
	QMin, QMax []float32
	StepFactor []float32 // [B]: LSQ's gradient scale g_b, of ToCodeUnits
	W          Ptr
	DW         Ptr // as W: its gradient, of ToCodeUnits
	Step       Ptr // f32 [B][K]
	DStep      Ptr // as Step: its gradient as [MixReduce] leaves it, added to; of ToCodeUnits
	K, Len     int
}

func (a CodeUnitsArgs) c(op string) C.vk_code_units_args {
	if len(a.QMin) != len(a.QMax) || len(a.QMin) > MaxBits || len(a.StepFactor) > len(a.QMin) {
		panic(fmt.Sprintf("%s: %d lower and %d upper bounds, %d factors, want equal and at most %d", op, len(a.QMin), len(a.QMax), len(a.StepFactor), MaxBits))
	}
	c := C.vk_code_units_args{bits: C.int(len(a.QMin)), k: C.int(a.K), len: C.int(a.Len), w: f32(a.W), dw: f32(a.DW), step: f32(a.Step), dstep: f32(a.DStep)}
	for b := range a.QMin {
		c.qmin[b], c.qmax[b] = C.float(a.QMin[b]), C.float(a.QMax[b])
	}
	for b, g := range a.StepFactor {
		c.g[b] = C.float(g)
	}
	return c
}

func (a CodeUnitsArgs) launch(kernel string) func(int) Launch {
	return func(units int) Launch { return Launch{Kernel: kernel, Grid: [3]int{units, len(a.QMin), 1}, Block: 256} }
}

// ToCodeUnits is c_b = w_b / s_b in place, after which Q_b(w_b) = s_b rint(clamp(c_b)) has the gradient ds_b = sum dy r_b: what c_b's
// dependence on s_b had taken from it, sum dy v_b in_b, is given back: ds_b += g_b sum w_b dw_b / s_b. DW stays that of w_b.
func ToCodeUnits(a CodeUnitsArgs) Call {
	return newCall(C.vk_to_code_units, a.c("to code units")).gpu(a.launch("to_code_units"))
}

// FromCodeUnits is w_b = clamp(c_b s_b, s_b qmin_b, s_b qmax_b) in place. A weight at the end of the range has a gradient in
// [MixWeightBackward], beyond it none. NaN stays NaN.
func FromCodeUnits(a CodeUnitsArgs) Call {
	return newCall(C.vk_from_code_units, a.c("from code units")).gpu(a.launch("from_code_units"))
}
