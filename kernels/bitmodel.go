package kernels

// #include "kernels.h"
import "C"

import "fmt"

// BitModelArgs: logits = W h + b - kappa*u*rank with h = tanh(... tanh(W1 u + b1)), a net of Depth hidden
// layers of Hidden units (method.md section 5). Depth 0 is a linear function of u. All f32; serial, 1 unit.
//
// Theta holds for each hidden layer W [Hidden, in] and b [Hidden], in being 1 for the first, then W
// [Gates*MaxBits, in] and b [Gates*MaxBits]; rows of unused candidates are neither read nor written.
// U is [1], KappaRank [Gates, MaxBits] is kappa times the rank of each candidate (-1 for the fewest bits,
// +1 for the most), H [Depth, Hidden], Logits and Tilt [Gates, MaxBits], Tilt = -u * KappaRank: the
// logits of the prior. Bits is i32 [Gates]. Backward: DTheta += GradScale [1] * gradient for DLogits; it
// reads H of the forward pass.
type BitModelArgs struct {
	Depth, Hidden, Gates int
	Bits, Theta          Ptr
	U, KappaRank         Ptr
	H, Logits, Tilt      Ptr
	DLogits, DTheta      Ptr
	GradScale            Ptr
}

// BitModelSize is the number of floats of Theta.
func BitModelSize(depth, hidden, gates int) int {
	n, in := 0, 1
	for range depth {
		n += hidden * (in + 1)
		in = hidden
	}
	return n + gates*MaxBits*(in+1)
}

func (a BitModelArgs) c() C.vk_bitmodel_args {
	if a.Depth < 0 || a.Depth > C.VK_MAX_DEPTH || a.Hidden < 1 || a.Hidden > C.VK_MAX_HIDDEN {
		panic(fmt.Sprintf("kernels.BitModel: %d layers of %d units, want at most %d of 1 to %d", a.Depth, a.Hidden, C.VK_MAX_DEPTH, C.VK_MAX_HIDDEN))
	}
	return C.vk_bitmodel_args{depth: C.int(a.Depth), hidden: C.int(a.Hidden), gates: C.int(a.Gates), bits: i32(a.Bits),
		theta: f32(a.Theta), u: f32(a.U), kappa_rank: f32(a.KappaRank), h: f32(a.H), logits: f32(a.Logits), tilt: f32(a.Tilt),
		dlogits: f32(a.DLogits), dtheta: f32(a.DTheta), grad_scale: f32(a.GradScale)}
}

// BitModelForward writes H, Logits and Tilt.
func BitModelForward(a BitModelArgs) Call {
	return newCall(C.vk_bitmodel_fwd, a.c()).gpu(oneBlock("bitmodel_fwd", 256))
}

// BitModelBackward adds to DTheta.
func BitModelBackward(a BitModelArgs) Call {
	return newCall(C.vk_bitmodel_bwd, a.c()).gpu(oneBlock("bitmodel_bwd", 256))
}
