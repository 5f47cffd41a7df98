package cuda

import "vimps-gpu/kernels"

// Zero sets a f32 tensor to 0.
func Zero(t *Tensor) { t.dev.emit("zero", serial, 1, 0, kernels.Zero(t.p, t.Bytes()/4)) }

// SumRows writes, or adds, to out [cols] the sum of the rows of in [rows,...], times scale f32 [1] (nil: 1).
func SumRows(out, in, scale *Tensor, add bool) {
	cols := out.Len()
	out.dev.emit("sum rows", serial, 1, 0, kernels.SumRows(kernels.SumRowsArgs{
		In: in.p, Out: out.p, Scale: scale.ptr(), Rows: in.Len() / cols, Cols: cols, Accumulate: add}))
}

// AddScaled adds scale f32 [1] times src to dst, of the same length.
func AddScaled(dst, src, scale *Tensor) { SumRows(dst, src, scale, true) }

// AvgPool writes y [N,1,1,C], the mean of x [N,H,W,C] over H and W.
func AvgPool(y, x *Tensor) {
	y.emitImages("avgpool", x, kernels.AvgPoolForward(y.dev.isa, kernels.PoolArgs{X: x.act(), Y: y.act()}))
}

// AvgPoolGrad writes, or adds, dx from dy.
func AvgPoolGrad(dx, dy *Tensor, add bool) {
	dx.emitImages("avgpool grad", dx, kernels.AvgPoolBackward(dx.dev.isa, kernels.PoolArgs{X: dx.act(), Y: dy.act(), Accumulate: add}))
}

// SoftmaxCrossEntropy writes each image's loss and whether its largest logit is the label's to rows [N,2], and,
// unless dlogits is nil, the gradient of the batch's mean loss times scale f32 [1] (nil: 1).
func SoftmaxCrossEntropy(rows, dlogits, logits, labels, scale *Tensor) {
	n := logits.Dim(0)
	logits.emitImages("loss", logits, kernels.SoftmaxCrossEntropy(kernels.SoftmaxCrossEntropyArgs{
		Logits: logits.act(), DLogits: dlogits.act(), Labels: labels.p, Partial: rows.p, N: n, Scale: scale.ptr()}))
}

// Augment writes x [N,H,W,C] = (pixel/255 - mean)/std of pixels u8 [N,H,W,C], cropped and flipped by draws
// i32 [N,3]; what a crop takes from outside is black.
func Augment(x, pixels, draws, mean, std *Tensor) {
	x.emitImages("augment", x, kernels.Augment(kernels.AugmentArgs{Pixels: pixels.p, Draw: draws.p, X: x.act(), Mean: mean.p, Std: std.p}))
}
