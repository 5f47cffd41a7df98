package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// Window is the geometry of [Pool]: R x S windows, Stride apart, the first PadTop above and PadLeft left of the image. A maximum reads only
// the pixels there are; an average divides by R*S where CountPad, else by the pixels there are.
type Window struct {
	Max             bool // else average
	R, S, Stride    int
	PadTop, PadLeft int
	CountPad        bool
}

func (w Window) kernel() kernels.Window { return kernels.Window(w) }

// Pool writes y [N,P,Q,C], the maximum, NaN where there is one, or average of x [N,H,W,C] over windows. Each window must have a pixel of x.
func Pool(y, x *Tensor, w Window) {
	sameImages("Pool", y, x)
	y.emitImages("pool", x, kernels.WindowForward(y.dev.isa, kernels.WindowForwardArgs{X: x.act(), Y: y.act(), Window: w.kernel()}))
}

// PoolGrad writes, or adds, dx from dy; of a maximum's window the first largest in row order of x gets it. x is not read, and may be nil,
// for an average.
func PoolGrad(dx, dy, x *Tensor, w Window, add bool) {
	sameImages("PoolGrad", dx, dy)
	if !w.Max {
		x = nil
	} else {
		sameImages("PoolGrad", dx, x)
	}
	dx.emitImages("pool grad", dy, kernels.WindowBackward(dx.dev.isa, kernels.WindowBackwardArgs{
		X: x.act(), DY: dy.act(), DX: dx.act(), Window: w.kernel(), Accumulate: add}))
}

// sameImages wants activation tensors of as many images.
func sameImages(op string, a, b *Tensor) {
	if len(a.shape) != 4 || len(b.shape) != 4 || a.shape[0] != b.shape[0] {
		panic(fmt.Sprintf("cuda.%s: %v and %v", op, a, b))
	}
}
