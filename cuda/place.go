package cuda

import "vimps-gpu/kernels"

// Place writes x [N,H,W,C] into y [N,P,Q,K]: y[n,h+top,w+left,c+channel] = x[n,h,w,c]. clear: everything else of y becomes 0.
func Place(y, x *Tensor, top, left, channel int, clear bool) {
	sameImages("Place", y, x)
	y.emitImages("place", x, kernels.PlaceForward(kernels.PlaceArgs{X: x.act(), Y: y.act(), Top: top, Left: left, Channel: channel, Clear: clear}))
}

// PlaceGrad writes, or adds, dx[n,h,w,c] = dy[n,h+top,w+left,c+channel].
func PlaceGrad(dx, dy *Tensor, top, left, channel int, add bool) {
	sameImages("PlaceGrad", dx, dy)
	dx.emitImages("place grad", dy, kernels.PlaceBackward(kernels.PlaceArgs{
		X: dx.act(), Y: dy.act(), Top: top, Left: left, Channel: channel, Accumulate: add}))
}
