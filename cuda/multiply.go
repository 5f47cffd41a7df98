package cuda

import "vimps-gpu/kernels"

// Multiply writes y = a*b [N,H,W,C], where b has a's size or is [N,1,1,C].
func Multiply(y, a, b *Tensor) { multiply("multiply", y, a, b, false) }

// MultiplyGrad writes, or adds, da = dy*b and db = dy*a, which for b [N,1,1,C] is summed over the pixels, in order. da or db may be nil:
// not wanted. Where a and b are one tensor, so may da and db be, with addB.
func MultiplyGrad(da, db, dy, a, b *Tensor, addA, addB bool) {
	if da != nil {
		multiply("multiply grad", da, dy, b, addA)
	}
	switch {
	case db == nil:
	case b.Dim(1) == a.Dim(1) && b.Dim(2) == a.Dim(2):
		multiply("multiply grad", db, dy, a, addB)
	default:
		db.emitImages("multiply grad", a, kernels.MultiplySum(db.dev.isa, kernels.MultiplyArgs{A: dy.act(), B: a.act(), Y: db.act(), Accumulate: addB}))
	}
}

func multiply(name string, y, a, b *Tensor, add bool) {
	y.emitImages(name, a, kernels.Multiply(y.dev.isa, kernels.MultiplyArgs{A: a.act(), B: b.act(), Y: y.act(), Accumulate: add}))
}
