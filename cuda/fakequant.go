package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// MaxBits is the row length of gate matrices: no gate has more candidate bit widths.
const MaxBits = kernels.MaxBits

// Mix is the candidate bit widths of one gate: code ranges Min..Max, the gate's row Z f32 [MaxBits], and the
// LSQ steps, f32 [B] or, for filters with a step a channel, [B,K].
type Mix struct {
	Min, Max []float32
	Z, Step  *Tensor
}

func (m *Mix) kernel() kernels.Mix {
	if m == nil {
		return kernels.Mix{}
	}
	return kernels.Mix{QMin: m.Min, QMax: m.Max, Z: m.Z.p, Step: m.Step.p}
}

func (m *Mix) perTensor() bool { return len(m.Step.shape) == 1 }

// MixInput writes y = sum_b z_b Q_b(x), with Q_b(x) = s_b rint(clamp(x/s_b, min_b, max_b)) (LSQ, Esser et al.
// 2020); y = x where m is nil. x, y: [N,H,W,C], borders of their own.
func MixInput(y, x *Tensor, m *Mix) {
	y.emitImages("input mix", x, kernels.MixInputForward(y.dev.isa, kernels.MixInputForwardArgs{Mix: m.kernel(), X: x.act(), Y: y.act()}))
}

// MixInputGrad writes, or where add is set adds, dx from dy, the gradient of the mixed tensor, and writes to rows
// [N,2B] each image's part of the gradients of z and of the steps, for [MixReduce]. dx may be nil, and rows
// where m is.
func MixInputGrad(dx, rows, dy, x *Tensor, m *Mix, add bool) {
	x.emitImages("input mix grad", dy, kernels.MixInputBackward(x.dev.isa, kernels.MixInputBackwardArgs{
		Mix: m.kernel(), X: x.act(), DY: dy.act(), DX: dx.act(), Partial: rows.ptr(), Accumulate: add}))
}

// MixWeight writes y [K,R,S,C] = sum_b z_b Q_b(w_b) of filters w [B,K,R,S,C]; shared: w is [1,K,R,S,C] and each
// bit width quantizes the same.
func MixWeight(y, w *Tensor, m *Mix, shared bool) {
	k, n := filterShape("MixWeight", y, w, m, shared)
	y.dev.emit("weight mix", channels, k, 4*n, kernels.MixWeightForward(y.dev.isa, kernels.MixWeightForwardArgs{
		Mix: m.kernel(), W: w.p, Y: y.p, K: k, Len: n, Shared: shared, StepPerTensor: m.perTensor()}))
}

// MixWeightGrad adds scale times the gradient to dw, from dy, the gradient of the mixed filters, and writes to
// rows [K,2B] each channel's part of the gradients of z and of the steps, for [MixReduce].
func MixWeightGrad(dw, rows, dy, w *Tensor, m *Mix, shared bool, scale *Tensor) {
	k, n := filterShape("MixWeightGrad", dy, w, m, shared)
	dw.dev.emit("weight mix grad", channels, k, 4*n, kernels.MixWeightBackward(dw.dev.isa, kernels.MixWeightBackwardArgs{
		Mix: m.kernel(), W: w.p, DY: dy.p, DW: dw.p, Partial: rows.p, K: k, Len: n,
		Shared: shared, StepPerTensor: m.perTensor(), GradScale: scale.p}))
}

func filterShape(op string, y, w *Tensor, m *Mix, shared bool) (k, n int) {
	k, n = y.Dim(0), y.Len()/y.Dim(0)
	want := len(m.Min)
	if shared {
		want = 1
	}
	if w.Len() != want*y.Len() {
		panic(fmt.Sprintf("cuda.%s: filters %v for mixed %v and %d candidates", op, w, y, len(m.Min)))
	}
	return k, n
}

// MixReduce adds the rows that the mixes' gradients left: to dz, and, times scale and LSQ's gradient scale
// g [B], to dstep, whose shape [B] or [B,K] says whether rows share their steps.
func MixReduce(dz, dstep, rows *Tensor, g []float32, scale *Tensor) {
	dz.dev.emit("mix grad sum", serial, 1, 0, kernels.MixReduce(kernels.MixReduceArgs{
		Partial: rows.p, DZ: dz.p, DStep: dstep.p, StepFactor: g, Rows: rows.Dim(0), PerRow: len(dstep.shape) == 2, GradScale: scale.p}))
}

// StepMSE is the step with the least squared quantization error of x for codes lo..hi (method.md, section 5).
func StepMSE(x *Tensor, lo, hi float32) float32 {
	if x.border == 0 {
		return kernels.StepMSE(x.p, 1, x.Len(), x.Len(), lo, hi)
	}
	// Zeros quantize without error at every step, so the border may be searched along.
	n := x.act().Elems(x.Dim(0))
	return kernels.StepMSE(x.p, 1, n, n, lo, hi)
}
