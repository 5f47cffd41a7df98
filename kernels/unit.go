package kernels

// #include "kernels.h"
import "C"

import "fmt"

// UnitMixes is how many mixes a unit can have.
const UnitMixes = C.VK_UNIT_MIXES

// UnitMixArgs is the input mix of one reader of a unit's output.
type UnitMixArgs struct {
	Mix       Mix
	Out, Grad Act // [N,H,W,C]: the mixed tensor, and in the backward ops its gradient
	Partial   Ptr // f32 [R][2B], R of [UnitRows], as in [MixInputBackwardArgs]
}

// UnitArgs are those of [UnitForward], [UnitBackwardReduce] and [UnitBackwardApply]. All tensors have the shape of Y,
// but for the shortcuts, and the same storage; borders are their own. Units: images.
type UnitArgs struct {
	N                       int // images, with which UnitRows was asked
	Y, A                    Act // A.P nil: not written. The backward ops make it anew
	Scale, Shift, Mean, Inv Ptr // f32 [C] from [NormCombine]; nil without a norm
	Shortcut                Shortcut
	ReLU                    bool
	Cap                     float32       // as in [NormApplyArgs]
	Mixes                   []UnitMixArgs // at most UnitMixes

	DA                 Act      // gradient of A from others than the mixes; P nil: none. Read only
	DShortcut          Shortcut // reduce: gets d, as in [NormBackwardReduceArgs]
	ShortcutAccumulate bool
	Partial            Ptr  // reduce: f32 [R][2][C], R of [UnitRows], as in [NormBackwardReduceArgs]; nil without a norm
	Coef               Ptr  // apply: from [NormBackwardCombine]; nil without a norm
	DY                 Act  // apply: out
	Accumulate         bool // apply, without a norm: DY += instead of =
}

// call binds the arguments of a kernel that touches the tensors acts, of Y's shape, and in each mix the tensor of mixes.
func (a UnitArgs) call(kernel string, mixes []Act, shortcuts []Shortcut, acts ...Act) Call {
	acts = append(append([]Act{a.Y}, acts...), mixes...)
	for _, t := range acts {
		if t.P != nil {
			sameShape(kernel, a.Y, t)
		}
	}
	offset := 0 // of the shortcuts' channels: any that 16 bytes do not divide will do
	for _, s := range shortcuts {
		acts = append(acts, s.T)
		offset |= s.Offset
	}
	if !aligned(a.Scale, a.Shift, a.Mean, a.Inv, a.Coef) {
		offset = 1
	}
	launch := byParts(actKernel(kernel, offset, acts...), a.Y)
	return newGPUCall(a.c(kernel, mixes), func(units int) Launch {
		if units != a.N {
			panic(fmt.Sprintf("kernels.%s: %d images, and rows for %d", kernel, units, a.N))
		}
		return launch(units)
	})
}

func (a UnitArgs) c(op string, mixes []Act) C.vk_unit_args {
	c := C.vk_unit_args{y: a.Y.c(), a: a.A.c(), scale: f32(a.Scale), shift: f32(a.Shift), shortcut: a.Shortcut.c(op, a.Y),
		da: a.DA.c(), mean: f32(a.Mean), inv: f32(a.Inv), dshortcut: a.DShortcut.c(op, a.Y), partial: f32(a.Partial),
		coef: f32(a.Coef), dy: a.DY.c(), relu: cbool(a.ReLU), shortcut_accumulate: cbool(a.ShortcutAccumulate), accumulate: cbool(a.Accumulate),
		cap: upperBound(a.ReLU, a.Cap, a.Y.Storage)}
	if len(a.Mixes) > UnitMixes {
		panic(fmt.Sprintf("kernels.%s: %d mixes, want at most %d", op, len(a.Mixes), UnitMixes))
	}
	for i, m := range a.Mixes {
		c.mix[i] = C.vk_unit_mix{m: m.Mix.c(op), xq: mixes[i].c(), partial: f32(m.Partial)}
	}
	return c
}

// UnitForward is A = act(Scale*Y + Shift + shortcut) and, for each mix, Out = sum_b z_b Q_b(A): [NormApply] and
// [MixInputForward] in one pass, for GPUs.
func UnitForward(a UnitArgs) Call {
	var outs []Act
	for _, m := range a.Mixes {
		outs = append(outs, m.Out)
	}
	return a.call("unit_fwd", outs, []Shortcut{a.Shortcut}, a.A)
}

// UnitBackwardReduce is the first backward pass: with g = DA + sum over mixes, the last first, of [MixInputBackward] and d = g
// where 0 < A < Cap (without ReLU: everywhere) it gives d to the shortcut and writes the partial sums of norm and mixes.
func UnitBackwardReduce(a UnitArgs) Call {
	kernel := "unit_bwd_reduce"
	if len(a.Mixes) > 1 {
		kernel = "unit_bwd_reduce2"
	}
	return a.call(kernel, a.grads(), []Shortcut{a.Shortcut, a.DShortcut}, a.DA)
}

// UnitBackwardApply is the second: DY = A*d + B*Y + C with [A, B, C] = Coef, as [NormBackwardApply], or d without a norm.
func UnitBackwardApply(a UnitArgs) Call {
	return a.call("unit_bwd_apply", a.grads(), []Shortcut{a.Shortcut}, a.DA, a.DY)
}

func (a UnitArgs) grads() []Act {
	var grads []Act
	for _, m := range a.Mixes {
		grads = append(grads, m.Grad)
	}
	return grads
}
