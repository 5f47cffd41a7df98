package cuda

import "vimps-gpu/kernels"

// PixelLoss writes each image's mean |d| (l1) or mean d^2, d = y - target, and its mean d^2 to rows f32 [N,2], and, unless dy is nil, the
// gradient of the batch's mean loss times scale f32 [1] (nil: 1). y, target and dy are f32 [N,H,W,C].
func PixelLoss(rows, dy, y, target *Tensor, l1 bool, scale *Tensor) {
	y.emitImages("loss", target, kernels.PixelLoss(kernels.PixelLossArgs{Y: y.act(), Target: target.act(), DY: dy.act(), L1: l1,
		Scale: scale.ptr(), Partial: rows.p, N: y.Dim(0)}))
}
