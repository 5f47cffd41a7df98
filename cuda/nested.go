package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// Nested is a quantizer whose narrower widths are part of its widest, with one parameter for all: residual (Bayesian Bits) or,
// where Truncate, the most significant bits (FN3). kernels/nested.h has the formulas.
type Nested struct {
	Truncate bool
	Bits     []int // rising; residual: each twice the one before
	Signed   bool
	// Z f32 [MaxBits] is the gate's row: residual: z_l of each level; truncate: one-hot.
	// Param f32 [1] or, for filters with one a channel, [1,K]: the upper end of the range, or the step of the widest.
	Z, Param *Tensor
	// Prune f32 [K] multiplies each filter; nil: none. DPrune is its gradient, added to.
	Prune, DPrune *Tensor
}

func (n *Nested) mode() kernels.NestedMode {
	if n.Truncate {
		return kernels.NestedTruncate
	}
	return kernels.NestedResidual
}

func (n *Nested) kernel() kernels.Nested {
	return kernels.Nested{Mode: n.mode(), Bits: n.Bits, Signed: n.Signed, Z: n.Z.p, Param: n.Param.p}
}

func (n *Nested) perTensor() bool { return len(n.Param.shape) == 1 }

// NestedInput writes y = Q(x). x, y: [N,H,W,C], borders of their own.
func NestedInput(y, x *Tensor, n *Nested) {
	y.emitImages("input mix", x, kernels.NestedInputForward(y.dev.isa, kernels.NestedInputForwardArgs{Nested: n.kernel(), X: x.act(), Y: y.act()}))
}

// NestedInputGrad writes, or where add is set adds, dx from dy and writes to rows [MixRows,len(Bits)+1] parts of the
// gradients of z and of the parameter, for [NestedReduce]. dx may be nil.
func NestedInputGrad(dx, rows, dy, x *Tensor, n *Nested, add bool) {
	x.emitImages("input mix grad", dy, kernels.NestedInputBackward(x.dev.isa, kernels.NestedInputBackwardArgs{
		Nested: n.kernel(), X: x.act(), DY: dy.act(), DX: dx.act(), Partial: rows.ptr(), Accumulate: add}))
}

// NestedWeight writes y [K,R,S,C] = prune Q(w) of filters w [1,K,R,S,C].
func NestedWeight(y, w *Tensor, n *Nested) {
	k, length := nestedShape("NestedWeight", y, w, n)
	y.dev.emit("weight mix", channels, k, 4*length, kernels.NestedWeightForward(y.dev.isa, kernels.NestedWeightForwardArgs{
		Nested: n.kernel(), W: w.p, Y: y.p, Prune: n.Prune.ptr(), K: k, Len: length, PerTensor: n.perTensor()}))
}

// NestedWeightGrad adds scale times the gradient to dw, adds to DPrune, and writes to rows [K,len(Bits)+1] each channel's part
// of the gradients of z and of the parameter, for [NestedReduce].
func NestedWeightGrad(dw, rows, dy, w *Tensor, n *Nested, scale *Tensor) {
	k, length := nestedShape("NestedWeightGrad", dy, w, n)
	dw.dev.emit("weight mix grad", channels, k, 4*length, kernels.NestedWeightBackward(dw.dev.isa, kernels.NestedWeightBackwardArgs{
		Nested: n.kernel(), W: w.p, DY: dy.p, DW: dw.p, Prune: n.Prune.ptr(), DPrune: n.DPrune.ptr(), Partial: rows.p, K: k, Len: length,
		PerTensor: n.perTensor(), GradScale: scale.p}))
}

func nestedShape(op string, y, w *Tensor, n *Nested) (k, length int) {
	k, length = y.Dim(0), y.Len()/y.Dim(0)
	if w.Len() != y.Len() || !n.perTensor() && n.Param.Len() != k {
		panic(fmt.Sprintf("cuda.%s: filters %v for quantized %v, parameters %v", op, w, y, n.Param))
	}
	return k, length
}

// NestedReduce adds the rows that the gradients left: to dz [len(Bits)], and, times scale and LSQ's gradient scale g, to dparam,
// whose shape [1] or [1,K] says whether rows share it.
func NestedReduce(dz, dparam, rows *Tensor, g float32, scale *Tensor) {
	dz.dev.emit("mix grad sum", serial, 1, 0, kernels.NestedReduce(kernels.NestedReduceArgs{
		Partial: rows.p, DZ: dz.p, DParam: dparam.p, Factor: g, Rows: rows.Dim(0), Widths: rows.Dim(1) - 1,
		PerRow: len(dparam.shape) == 2, GradScale: scale.p}))
}
