package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// ActKind is an activation function of [Activate].
type ActKind int

// The functions.
const (
	ActClip        ActKind = iota // min(max(x, Alpha), Beta)
	ActLeakyReLU                  // x, or Alpha*x below 0
	ActPReLU                      // x, or Slope[c]*x below 0
	ActHardSigmoid                // min(max(Alpha*x + Beta, 0), 1)
	ActHardSwish                  // x * min(max(x/6 + 1/2, 0), 1)
	ActSigmoid                    // 1/(1 + exp(-x))
	ActSiLU                       // x/(1 + exp(-x))
	ActTanh
)

func (k ActKind) String() string {
	return [...]string{"clip", "leaky relu", "prelu", "hard sigmoid", "hard swish", "sigmoid", "silu", "tanh"}[k]
}

// Activation is a function and its numbers.
type Activation struct {
	Kind        ActKind
	Alpha, Beta float32
	Slope       *Tensor // f32 [C], ActPReLU
}

// check panics where x has not a slope a channel.
func (a Activation) check(op string, x *Tensor) {
	if a.Kind == ActPReLU && (a.Slope == nil || a.Slope.dtype != Float32 || a.Slope.Len() != x.Dim(3)) {
		panic(fmt.Sprintf("cuda.%s: slopes %v for %v", op, a.Slope, x))
	}
}

func (a Activation) kernel() kernels.Activation {
	k := kernels.Activation{Kind: kernelActivations[a.Kind], Alpha: a.Alpha, Beta: a.Beta}
	if a.Kind == ActPReLU {
		k.Slope = a.Slope.p
	}
	return k
}

var kernelActivations = [...]kernels.ActivationKind{ActClip: kernels.ActClip, ActLeakyReLU: kernels.ActLeaky, ActPReLU: kernels.ActPReLU,
	ActHardSigmoid: kernels.ActHardSigmoid, ActHardSwish: kernels.ActHardSwish, ActSigmoid: kernels.ActSigmoid, ActSiLU: kernels.ActSiLU,
	ActTanh: kernels.ActTanh}

// ActivateRows is how many rows [ActivateGrad] writes for x.
func (d *Device) ActivateRows(x *Tensor) int {
	if d.gpu {
		return kernels.ActivateRows(x.act(), x.Dim(0))
	}
	return x.Dim(0)
}

// Activate writes y = f(x), both [N,H,W,C]; y may be x.
func Activate(y, x *Tensor, a Activation) {
	a.check("Activate", x)
	y.emitImages("activate", x, kernels.ActivateForward(y.dev.isa, kernels.ActivateForwardArgs{Activation: a.kernel(), X: x.act(), Y: y.act()}))
}

// ActivateGrad writes, or adds, dx = dy * f'(x); dx may be dy where it does not add. rows f32 [ActivateRows,C] gets, for ActPReLU, sums
// over parts of the batch of the slopes' gradient, for [SumRows]; nil: not wanted. Where f has a corner f' is that of the flat or of the
// negative side.
func ActivateGrad(dx, rows, dy, x *Tensor, a Activation, add bool) {
	a.check("ActivateGrad", x)
	dx.emitImages("activate grad", x, kernels.ActivateBackward(dx.dev.isa, kernels.ActivateBackwardArgs{Activation: a.kernel(),
		X: x.act(), DY: dy.act(), DX: dx.act(), Accumulate: add, Partial: rows.ptr()}))
}
