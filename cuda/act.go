package cuda

import (
	"fmt"
	"slices"

	"vimps-gpu/kernels"
)

// CopyAct copies an activation tensor into another of the same shape, whose border and type may differ; of two types
// one is dense f32.
func CopyAct(dst, src *Tensor) {
	switch {
	case !slices.Equal(dst.shape, src.shape):
		panic(fmt.Sprintf("cuda.CopyAct: %v from %v", dst, src))
	case dst.dtype == src.dtype:
		MixInput(dst, src, nil)
	case src.dtype == Float32 && src.border == 0:
		dst.emitImages("copy", src, kernels.ActLoad(dst.act(), src.p))
	case dst.dtype == Float32 && dst.border == 0:
		dst.emitImages("copy", src, kernels.ActStore(dst.p, src.act()))
	default:
		panic(fmt.Sprintf("cuda.CopyAct: %v with border %d from %v with border %d", dst, dst.border, src, src.border))
	}
}

// setAct sets an activation tensor of a GPU: values are dense f32, the tensor has a border or another type.
func (t *Tensor) setAct(values []float32) {
	dense := t.dev.New(Float32, t.shape...)
	defer dense.Free()
	dense.Set(values)
	CopyAct(t, dense)
}

// getAct is the reverse of setAct.
func (t *Tensor) getAct(dst []float32) []float32 {
	dense := t.dev.New(Float32, t.shape...)
	defer dense.Free()
	CopyAct(dense, t)
	return dense.Get(dst)
}
