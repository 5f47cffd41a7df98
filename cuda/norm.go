package cuda

import "vimps-gpu/kernels"

// Shortcut is a tensor that a unit adds: read at every Stride-th place of H and W, its channels moved up by
// Offset and zeros elsewhere. T nil: none.
type Shortcut struct {
	T              *Tensor
	Stride, Offset int
}

func (s Shortcut) kernel() kernels.Shortcut {
	return kernels.Shortcut{T: s.T.act(), Stride: s.Stride, Offset: s.Offset}
}

// NormTensors are the parameters of a batch norm: T sets of gamma and beta [T,C], S sets of running statistics
// [S,C], and the gradients.
type NormTensors struct {
	Gamma, Beta, DGamma, DBeta *Tensor
	Mean, Var                  *Tensor
	Eps                        float32
}

// NormCoef is what the coefficients v [T] of a norm's sets depend on: rows of the gate matrix (nil where
// pinned) and u(eta).
type NormCoef struct {
	Kind                        string // bn, pair, gate, eta
	WeightOptions, InputOptions int
	ZW, ZX, DZW, DZX, U         *Tensor
}

func normKind(name string) kernels.NormKind {
	return map[string]kernels.NormKind{"bn": kernels.NormPlain, "pair": kernels.NormPair, "gate": kernels.NormGate, "eta": kernels.NormEta}[name]
}

// NormSets is how many affine sets T and statistics sets S a norm of a kind has behind a convolution with so
// many weight and input options (1: pinned).
func NormSets(kind string, weightOptions, inputOptions int) (affine, stats int) {
	affine = normKind(kind).Sets(weightOptions, inputOptions)
	if kind == "pair" {
		return affine, affine
	}
	return affine, 1
}

func (c NormCoef) kernel(v, dv *Tensor) kernels.NormCoefArgs {
	return kernels.NormCoefArgs{Kind: normKind(c.Kind), WeightBits: c.WeightOptions, InputBits: c.InputOptions,
		ZW: c.ZW.ptr(), ZX: c.ZX.ptr(), U: c.U.ptr(), V: v.ptr(), DV: dv.ptr(), DZW: c.DZW.ptr(), DZX: c.DZX.ptr()}
}

// NormCoefficients writes v [T].
func NormCoefficients(v *Tensor, c NormCoef) {
	v.dev.emit("norm coefficients", serial, 1, 0, kernels.NormCoefForward(c.kernel(v, nil)))
}

// NormCoefficientsGrad adds to the gates' gradients what dv [T] gives them.
func NormCoefficientsGrad(dv *Tensor, c NormCoef) {
	dv.dev.emit("norm coefficients", serial, 1, 0, kernels.NormCoefBackward(c.kernel(nil, dv)))
}

// NormRows is how many rows [NormStats] writes for y: one an image, or one for each of several equal parts of it.
func (d *Device) NormRows(y *Tensor) int {
	if d.gpu {
		return kernels.NormRows(y.act(), y.Dim(0))
	}
	return y.Dim(0)
}

// NormStats writes rows [NormRows,2,C]: means and squared deviations of parts of y [N,P,Q,C].
func NormStats(rows, y *Tensor) {
	y.emitImages("norm stats", y, kernels.NormStats(y.dev.isa, kernels.NormStatsArgs{Y: y.act(), Partial: rows.p}))
}

// NormCombine turns rows into the batch's mean and inv = 1/sqrt(var+eps) [C], scale and shift [C], and moves the
// running statistics by momentum f32 [1]. y gives the shape.
func NormCombine(mean, inv, scale, shift, rows, v *Tensor, t NormTensors, momentum, y *Tensor) {
	s, n := y.shape, rows.Dim(0)
	y.dev.emit("norm combine", serial, 1, 0, kernels.NormCombine(kernels.NormCombineArgs{
		N: n, HW: s[0] * s[1] * s[2] / n, C: s[3], Sets: t.Gamma.Dim(0), StatSets: t.Mean.Dim(0),
		Partial: rows.p, V: v.p, Gamma: t.Gamma.p, Beta: t.Beta.p, RunningMean: t.Mean.p, RunningVar: t.Var.p,
		Momentum: momentum.p, Mean: mean.p, Inv: inv.p, Scale: scale.p, Shift: shift.p, Eps: t.Eps}))
}

// NormEval writes scale and shift [C] from the running statistics; v must be one-hot where there are several.
func NormEval(scale, shift, v *Tensor, t NormTensors) {
	v.dev.emit("norm eval", serial, 1, 0, kernels.NormEval(kernels.NormEvalArgs{
		C: t.Gamma.Dim(1), Sets: t.Gamma.Dim(0), StatSets: t.Mean.Dim(0), V: v.p, Gamma: t.Gamma.p, Beta: t.Beta.p,
		RunningMean: t.Mean.p, RunningVar: t.Var.p, Scale: scale.p, Shift: shift.p, Eps: t.Eps}))
}

// NormApply writes a = act(scale*y + shift + shortcut); scale and shift nil: y itself. act is, with relu, max(x, 0) or, where limit is not
// 0, min(max(x, 0), limit).
func NormApply(a, y, scale, shift *Tensor, s Shortcut, relu bool, limit float32) {
	y.emitImages("norm apply", y, kernels.NormApply(y.dev.isa, kernels.NormApplyArgs{
		Y: y.act(), A: a.act(), Scale: scale.ptr(), Shift: shift.ptr(), Shortcut: s.kernel(), ReLU: relu, Cap: limit}))
}

// NormGradStats masks da by a > 0 (where relu) and a < limit (where that is not 0), in place; gives the shortcut its gradient, added where add is
// set; and writes rows [N,2,C], each image's sums for [NormGradCombine].
func NormGradStats(rows, da, a, y, mean, inv *Tensor, dshortcut Shortcut, add, relu bool, limit float32) {
	da.emitImages("norm grad stats", y, kernels.NormBackwardReduce(y.dev.isa, kernels.NormBackwardReduceArgs{
		DA: da.act(), A: a.act(), Y: y.act(), Mean: mean.p, Inv: inv.p, DShortcut: dshortcut.kernel(),
		ReLU: relu, Cap: limit, ShortcutAccumulate: add, Partial: rows.p}))
}

// ReLUGrad is NormGradStats for a unit without a norm.
func ReLUGrad(da, a *Tensor, dshortcut Shortcut, add, relu bool, limit float32) {
	da.emitImages("relu grad", a, kernels.NormBackwardReduce(da.dev.isa, kernels.NormBackwardReduceArgs{
		DA: da.act(), A: a.act(), DShortcut: dshortcut.kernel(), ReLU: relu, Cap: limit, ShortcutAccumulate: add}))
}

// NormGradCombine adds the gradients of gamma and beta, times gradScale, writes dv [T] (nil: not wanted) and
// coef [3,C] with dy = coef0*d + coef1*y + coef2.
func NormGradCombine(coef, dv, rows, v *Tensor, t NormTensors, mean, inv, scale, gradScale, y *Tensor) {
	s, n := y.shape, rows.Dim(0)
	args := kernels.NormBackwardCombineArgs{
		N: n, HW: s[0] * s[1] * s[2] / n, C: s[3], Sets: t.Gamma.Dim(0), Partial: rows.p, V: v.p, Gamma: t.Gamma.p, Beta: t.Beta.p,
		Mean: mean.p, Inv: inv.p, Scale: scale.p, GradScale: gradScale.p, DGamma: t.DGamma.p, DBeta: t.DBeta.p,
		DV: dv.ptr(), Coef: coef.p}
	y.dev.emit("norm grad combine", serial, 1, 0, kernels.NormBackwardCombine(args))
	if dv != nil && y.dev.gpu {
		y.dev.emit("norm grad sets", serial, 1, 0, kernels.NormBackwardSets(args))
	}
}

// NormGradApply writes dy from d, the gradient behind the norm.
func NormGradApply(dy, d, y, coef *Tensor) {
	dy.emitImages("norm grad apply", y, kernels.NormBackwardApply(dy.dev.isa, kernels.NormBackwardApplyArgs{
		D: d.act(), Y: y.act(), DY: dy.act(), Coef: coef.p}))
}
