package cuda

import (
	"fmt"
	"unsafe"

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

// MixRows is how many rows [MixInputGrad] writes for x.
func (d *Device) MixRows(x *Tensor) int {
	if d.gpu {
		return kernels.MixRows(x.act(), x.Dim(0))
	}
	return x.Dim(0)
}

// MixInputGrad writes, or where add is set adds, dx from dy, the gradient of the mixed tensor, and writes to rows
// [MixRows,2B] parts of the gradients of z and of the steps, for [MixReduce]. dx may be nil, and rows
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

// CodeUnits are filters W [B,K,R,S,C] of B candidates with code ranges Min..Max, their gradients DW, and their steps [B,K] or, one a tensor,
// [B], with LSQ's gradient scales Factor [B].
type CodeUnits struct {
	Min, Max, Factor      []float32
	W, DW, Step, StepGrad *Tensor
}

func (u *CodeUnits) emit(name string, call func(kernels.CodeUnitsArgs) kernels.Call) {
	k, n := u.Step.Len()/u.Step.Dim(0), u.W.Len()/u.Step.Len()
	if u.W.Dim(0) != len(u.Min) || u.Step.Dim(0) != len(u.Min) || (k != 1 && k != u.W.Dim(1)) {
		panic(fmt.Sprintf("cuda.CodeUnits: %s of filters %v with steps %v for %d candidates", name, u.W, u.Step, len(u.Min)))
	}
	u.W.dev.emit(name, channels, k, 4*n*len(u.Min), call(kernels.CodeUnitsArgs{QMin: u.Min, QMax: u.Max, StepFactor: u.Factor,
		W: u.W.p, DW: u.DW.p, Step: u.Step.p, DStep: u.StepGrad.p, K: k, Len: n}))
}

// To makes filters codes that are not rounded, w/s, and completes the gradients of the steps, which then scale the filters:
// kernels.ToCodeUnits.
func (u *CodeUnits) To() { u.emit("to code units", kernels.ToCodeUnits) }

// From makes codes filters again, within the ranges of their quantizers.
func (u *CodeUnits) From() { u.emit("from code units", kernels.FromCodeUnits) }

// Values are a f32 or activation tensor's values in host memory, to search steps in.
type Values struct {
	p     kernels.Ptr
	n     int
	owned bool
}

// Values copies a tensor's values, unless they already lie in host memory; there a border counts as values, since zeros
// quantize without error at every step. It waits for the work on the queue.
func (t *Tensor) Values() Values {
	if !t.dev.gpu {
		n := t.Len()
		if t.border != 0 {
			n = t.act().Elems(t.Dim(0))
		}
		return Values{p: t.p, n: n}
	}
	v := Values{n: t.Len(), owned: true}
	var err error
	if v.p, err = kernels.Alloc(4 * v.n); err != nil {
		panic(OutOfMemory{What: "values to search steps in", Wanted: int64(4 * v.n)})
	}
	t.Get(unsafe.Slice((*float32)(v.p), v.n))
	return v
}

// Free returns the memory of a copy.
func (v Values) Free() {
	if v.owned {
		kernels.Free(v.p)
	}
}

// Part is n of the values from the at-th on.
func (v Values) Part(at, n int) Values {
	if at < 0 || at+n > v.n {
		panic(fmt.Sprintf("cuda.Values: %d at %d of %d", n, at, v.n))
	}
	return Values{p: unsafe.Add(v.p, 4*at), n: n}
}

// StepMSE is the step with the least squared quantization error for codes lo..hi (method.md, section 5).
func (v Values) StepMSE(lo, hi float32) float32 { return kernels.StepMSE(v.p, 1, v.n, v.n, lo, hi) }
