package cuda

import (
	"math"

	"vimps-gpu/kernels"
)

// UnitMix is the mix of a unit's output that a convolution reads. Grad and Rows are for the backward pass.
type UnitMix struct {
	Mix  *Mix
	Out  *Tensor // [N,H,W,C], mixed, with a border of its own
	Grad *Tensor // [N,H,W,C], the gradient of Out
	Rows *Tensor // [R,2B] with R of UnitRows: parts of the gradients of z and of the steps, for MixReduce
}

// Unit is what stands between convolutions: A = act(norm(Y) + shortcut), and its mixes. On a GPU it is one kernel
// forward and two backward, which compute A anew from Y rather than read it: A may then be nil where nothing else
// reads it.
type Unit struct {
	Y, A                    *Tensor // [N,H,W,C]
	Scale, Shift, Mean, Inv *Tensor // [C], nil without a norm; see NormCombine
	Shortcut                Shortcut
	ReLU                    bool
	Cap                     float32 // with ReLU: min(max(x, 0), Cap); 0: no upper bound
	Mixes                   []UnitMix
}

// FusedMixes is how many mixes a unit can have on the device beside the reading of A by others.
func (d *Device) FusedMixes() int {
	if d.gpu {
		return kernels.UnitMixes
	}
	return math.MaxInt
}

// RecomputesUnits tells whether a unit's A may be nil.
func (d *Device) RecomputesUnits() bool { return d.gpu }

// UnitRows is how many rows [UnitGradReduce] writes for y.
func (d *Device) UnitRows(y *Tensor) int {
	if d.gpu {
		return kernels.UnitRows(y.act(), y.Dim(0))
	}
	return y.Dim(0)
}

func (u *Unit) emit(name string, c kernels.Call) { u.Y.emitImages(name, u.Y, c) }

func (u *Unit) kernel() kernels.UnitArgs {
	a := kernels.UnitArgs{N: u.Y.Dim(0), Y: u.Y.act(), A: u.A.act(), Scale: u.Scale.ptr(), Shift: u.Shift.ptr(), Mean: u.Mean.ptr(),
		Inv: u.Inv.ptr(), Shortcut: u.Shortcut.kernel(), ReLU: u.ReLU, Cap: u.Cap}
	for _, m := range u.Mixes {
		a.Mixes = append(a.Mixes, kernels.UnitMixArgs{Mix: m.Mix.kernel(), Out: m.Out.act(), Grad: m.Grad.act(), Partial: m.Rows.ptr()})
	}
	return a
}

func (u *Unit) gradKernel(g *UnitGrad) kernels.UnitArgs {
	a := u.kernel()
	a.DA, a.DShortcut, a.ShortcutAccumulate = g.DA.act(), g.DShortcut.kernel(), g.AddShortcut
	a.Partial, a.Coef, a.DY, a.Accumulate = g.Rows.ptr(), g.Coef.ptr(), g.DY.act(), g.AddDY
	return a
}

// UnitForward writes A and the mixes.
func UnitForward(u *Unit) {
	if u.Y.dev.gpu {
		u.emit("unit", kernels.UnitForward(u.kernel()))
		return
	}
	NormApply(u.A, u.Y, u.Scale, u.Shift, u.Shortcut, u.ReLU, u.Cap)
	for _, m := range u.Mixes {
		MixInput(m.Out, u.A, m.Mix)
	}
}

// UnitGrad is the backward pass of a unit.
type UnitGrad struct {
	// DA [N,H,W,C] is the gradient of A that others than the mixes gave, where HasDA; the host leaves the whole
	// gradient in front of the relu in it, a GPU wants it nil where there is none.
	DA          *Tensor
	HasDA       bool
	DShortcut   Shortcut // the shortcut's gradient: written, or added to where AddShortcut
	AddShortcut bool
	Rows        *Tensor // [R,2,C] sums for NormGradCombine; nil without a norm
	Coef        *Tensor // [3,C] from NormGradCombine
	DY          *Tensor // [N,H,W,C] the gradient of Y
	AddDY       bool    // without a norm: DY is added to
}

// UnitGradReduce gives the shortcut its gradient and writes the rows of the norm and of the mixes.
func UnitGradReduce(u *Unit, g *UnitGrad) {
	if u.Y.dev.gpu {
		u.emit("unit grad sums", kernels.UnitBackwardReduce(u.gradKernel(g)))
		return
	}
	has := g.HasDA
	for i := len(u.Mixes) - 1; i >= 0; i-- {
		m := u.Mixes[i]
		MixInputGrad(g.DA, m.Rows, m.Grad, u.A, m.Mix, has)
		has = true
	}
	if g.Rows == nil {
		ReLUGrad(g.DA, u.A, g.DShortcut, g.AddShortcut, u.ReLU, u.Cap)
		return
	}
	NormGradStats(g.Rows, g.DA, u.A, u.Y, u.Mean, u.Inv, g.DShortcut, g.AddShortcut, u.ReLU, u.Cap)
}

// UnitGradApply writes DY, after UnitGradReduce and NormGradCombine.
func UnitGradApply(u *Unit, g *UnitGrad) {
	switch {
	case u.Y.dev.gpu:
		u.emit("unit grad", kernels.UnitBackwardApply(u.gradKernel(g)))
	case g.Rows == nil:
		MixInputGrad(g.DY, nil, g.DA, u.Y, nil, g.AddDY)
	default:
		NormGradApply(g.DY, g.DA, u.Y, g.Coef)
	}
}
