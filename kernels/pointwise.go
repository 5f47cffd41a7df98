package kernels

// #include "kernels.h"
import "C"

import "fmt"

// ActivationKind is a function of [ActivateForward]. Where f has a corner its slope is that of the flat or of the negative side.
type ActivationKind int

// The functions.
const (
	ActClip        ActivationKind = C.VK_ACT_CLIP         // min(max(x, Alpha), Beta)
	ActLeaky       ActivationKind = C.VK_ACT_LEAKY        // x, or Alpha*x where x <= 0
	ActPReLU       ActivationKind = C.VK_ACT_PRELU        // x, or Slope[c]*x where x <= 0
	ActHardSigmoid ActivationKind = C.VK_ACT_HARD_SIGMOID // min(max(Alpha*x + Beta, 0), 1)
	ActHardSwish   ActivationKind = C.VK_ACT_HARD_SWISH   // x * min(max(x/6 + 1/2, 0), 1)
	ActSigmoid     ActivationKind = C.VK_ACT_SIGMOID      // 1/(1 + exp(-x))
	ActSiLU        ActivationKind = C.VK_ACT_SILU         // x/(1 + exp(-x))
	ActTanh        ActivationKind = C.VK_ACT_TANH
)

// Activation is a function and its numbers.
type Activation struct {
	Kind        ActivationKind
	Alpha, Beta float32
	Slope       Ptr // f32 [C], ActPReLU
}

func (a Activation) check(op string) {
	if a.Kind < ActClip || a.Kind > ActTanh {
		panic(fmt.Sprintf("%s: no activation function %d", op, a.Kind))
	}
	if (a.Kind == ActPReLU) != (a.Slope != nil) {
		panic(op + ": slopes are for PReLU, which needs them")
	}
}

// kernel names the form of a kernel that reads the slopes and the tensors acts.
func (a Activation) kernel(name string, acts ...Act) string {
	offset := 0
	if !aligned(a.Slope) {
		offset = 1
	}
	return actKernel(name, offset, acts...)
}

// ActivateForwardArgs are those of [ActivateForward]. Units: images.
type ActivateForwardArgs struct {
	Activation
	X, Y Act // Y may be X
}

// ActivateForward is Y = f(X).
func ActivateForward(isa ISA, a ActivateForwardArgs) Call {
	const op = "activate"
	a.check(op)
	sameShape(op, a.X, a.Y)
	return newCall(C.vk_activate_fwd[isa], C.vk_activate_fwd_args{kind: C.int(a.Kind), alpha: C.float(a.Alpha), beta: C.float(a.Beta),
		slope: f32(a.Slope), x: a.X.c(), y: a.Y.c()}).gpu(byParts(a.kernel("activate_fwd", a.X, a.Y), a.X))
}

// ActivateRows is R, the rows that [ActivateBackward] writes on a GPU for n images of x.
func ActivateRows(x Act, n int) int { return imageRows(x, n) }

// ActivateBackwardArgs are those of [ActivateBackward]. Units: images.
type ActivateBackwardArgs struct {
	Activation
	X, DY, DX  Act  // DX may be DY
	Accumulate bool // DX += instead of =
	Partial    Ptr  // f32 [N][C], on a GPU [R][C] with R of [ActivateRows]; nil but for ActPReLU
}

// ActivateBackward is DX (+)= DY * f'(X); Partial gets sums over pixels of DY*X where X <= 0, the gradient of the slopes.
func ActivateBackward(isa ISA, a ActivateBackwardArgs) Call {
	const op = "activate backward"
	a.check(op)
	sameShape(op, a.X, a.DY)
	sameShape(op, a.X, a.DX)
	if a.Partial != nil && a.Kind != ActPReLU {
		panic(op + ": only PReLU has gradients of slopes")
	}
	return newCall(C.vk_activate_bwd[isa], C.vk_activate_bwd_args{kind: C.int(a.Kind), alpha: C.float(a.Alpha), beta: C.float(a.Beta),
		accumulate: cbool(a.Accumulate), slope: f32(a.Slope), x: a.X.c(), dy: a.DY.c(), dx: a.DX.c(), partial: f32(a.Partial)}).
		gpu(byParts(a.kernel("activate_bwd", a.X, a.DY, a.DX), a.X))
}

// MultiplyArgs are those of [Multiply] and [MultiplySum]. Units: images.
type MultiplyArgs struct {
	A          Act
	B          Act  // of A's size or, in Multiply, 1x1xC
	Y          Act  // of A's size or, in MultiplySum, 1x1xC
	Accumulate bool // Y += instead of =
}

func (a MultiplyArgs) c() C.vk_multiply_args {
	return C.vk_multiply_args{a: a.A.c(), b: a.B.c(), y: a.Y.c(), accumulate: cbool(a.Accumulate)}
}

// Multiply is Y (+)= A*B. Y may be A or B.
func Multiply(isa ISA, a MultiplyArgs) Call {
	const op = "multiply"
	sameShape(op, a.A, a.Y)
	if a.B.H != 1 || a.B.W != 1 || a.B.C != a.A.C {
		sameShape(op, a.A, a.B)
	}
	return newCall(C.vk_multiply[isa], a.c()).gpu(byParts(actKernel("multiply", 0, a.A, a.B, a.Y), a.A))
}

// MultiplySum is Y (+)= the sum over the pixels of A*B, pixels in order.
func MultiplySum(isa ISA, a MultiplyArgs) Call {
	const op = "sum of products"
	sameShape(op, a.A, a.B)
	sameShape(op, Act{H: 1, W: 1, C: a.A.C}, a.Y)
	if a.A.Storage != a.B.Storage || a.A.Storage != a.Y.Storage {
		panic(op + ": tensors of different storage")
	}
	return newCall(C.vk_multiply_sum[isa], a.c()).
		gpu(func(units int) Launch { return elementwise("multiply_sum"+a.A.Storage.suffix(), units*a.A.C) })
}
