package cuda

import "vimps-gpu/kernels"

// DepthToSpace writes y [N,H*block,W*block,C] of x [N,H,W,C*block^2]: y[n, h*block+i, w*block+j, c] = x[n, h, w, c*block^2 + i*block + j],
// which is PyTorch's pixel shuffle and ONNX CRD, or, dcr, x[n, h, w, (i*block+j)*C + c].
func DepthToSpace(y, x *Tensor, block int, dcr bool) {
	sameImages("DepthToSpace", y, x)
	y.emitImages("shuffle", x, kernels.ShuffleForward(kernels.ShuffleArgs{X: x.act(), Y: y.act(), Block: block, DCR: dcr}))
}

// DepthToSpaceGrad writes, or adds, dx from dy.
func DepthToSpaceGrad(dx, dy *Tensor, block int, dcr bool, add bool) {
	sameImages("DepthToSpaceGrad", dx, dy)
	dx.emitImages("shuffle grad", dy, kernels.ShuffleBackward(kernels.ShuffleArgs{
		X: dx.act(), Y: dy.act(), Block: block, DCR: dcr, Accumulate: add}))
}
