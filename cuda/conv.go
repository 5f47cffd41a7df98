package cuda

import "vimps-gpu/kernels"

// ConvGeom is a 2-D convolution of C to K channels with an R x S filter and the same zero padding on
// all four sides.
type ConvGeom struct{ C, K, R, S, Stride, Pad, Dilation, Groups int }

func (g ConvGeom) kernel() kernels.ConvGeom {
	return kernels.ConvGeom{C: g.C, K: g.K, R: g.R, S: g.S, Stride: g.Stride, PadTop: g.Pad, PadLeft: g.Pad, Dilation: g.Dilation, Groups: g.Groups}
}

// Filter is a layer's filters in the forms in which the kernels read them; [ConvPack] writes them.
type Filter struct {
	Forward, Backward *Tensor // packed; Backward nil for inference
	geom              ConvGeom
	dev               *Device
	h, w, p, q        int // input and output size
	winograd          bool
}

// NewFilter allocates the packed filters of a convolution over [N,h,w,C], and decides by its shape which kernels
// do it.
func (d *Device) NewFilter(g ConvGeom, h, w int, bias, train bool) *Filter {
	f := &Filter{geom: g, dev: d, h: h, w: w, winograd: !d.gpu && kernels.WinogradFits(g.kernel(), h, w) && !bias,
		p: kernels.ConvOut(h, g.R, g.Stride, g.Pad, g.Pad, g.Dilation),
		q: kernels.ConvOut(w, g.S, g.Stride, g.Pad, g.Pad, g.Dilation)}
	forward, backward := f.packedBytes()
	f.Forward = d.New(Uint8, forward)
	if train {
		f.Backward = d.New(Uint8, backward)
	}
	return f
}

func (f *Filter) packedBytes() (forward, backward int) {
	switch {
	case f.dev.gpu:
		return kernels.ConvPackedBytes(f.geom.kernel(), f.dev.operand())
	case f.winograd:
		n := kernels.WinogradPackedSize(f.geom.C, f.geom.K)
		return 4 * n, 4 * n
	}
	forward, backward = kernels.ConvPackedSize(f.geom.kernel())
	return 4 * forward, 4 * backward
}

// operand is the type in which a GPU's convolutions take their operands: f32 means tf32.
func (d *Device) operand() kernels.Storage {
	if d.storage == BFloat16 {
		return kernels.BF16
	}
	return kernels.F32
}

// DyBorder is the border that the gradient of the output needs in [ConvInputGrad].
func (f *Filter) DyBorder() int { return kernels.ConvDyBorder(f.geom.kernel(), f.h, f.w, f.p, f.q) }

// PartialLen is how many floats [ConvFilterGrad] needs for a batch of n.
func (f *Filter) PartialLen(n int) int {
	if f.dev.gpu {
		return f.splits(n) * f.geom.K * f.geom.kernel().FilterLen()
	}
	return chunks(n) * f.Forward.Len() / 4
}

// splits is into how many parts a GPU cuts the pixels of a filter gradient.
func (f *Filter) splits(n int) int { return kernels.ConvWgradSplits(f.geom.kernel(), n, f.p, f.q) }

func chunks(n int) int { return (n + hostChunk(n) - 1) / hostChunk(n) }

// ConvPack packs w [K,R,S,C/groups] for the convolution and its input gradient.
func ConvPack(f *Filter, w *Tensor) {
	args := kernels.ConvPackArgs{Geom: f.geom.kernel(), W: w.p, Forward: f.Forward.p, Backward: f.Backward.ptr()}
	var call kernels.Call
	switch {
	case f.dev.gpu:
		call = kernels.ConvPackGPU(args, f.dev.operand())
	case f.winograd:
		call = kernels.WinogradPack(w.dev.isa, kernels.WinogradPackArgs{C: f.geom.C, K: f.geom.K, W: w.p, Forward: f.Forward.p, Backward: f.Backward.ptr()})
	default:
		call = kernels.ConvPack(args)
	}
	w.dev.emit("filter pack", channels, f.geom.K, 4*w.Len()/f.geom.K, call)
}

// Conv writes y [N,P,Q,K] = x [N,H,W,C] * f + bias [K] (nil: none); x has a border of Pad or more.
func Conv(y, x *Tensor, f *Filter, bias *Tensor) {
	args := kernels.ConvForwardArgs{Geom: f.geom.kernel(), X: x.act(), Y: y.act(), Packed: f.Forward.p, Bias: bias.ptr()}
	var call kernels.Call
	switch {
	case f.dev.gpu:
		call = kernels.ConvForwardGPU(args, f.dev.operand())
	case f.winograd:
		call = kernels.WinogradConv(y.dev.isa, kernels.WinogradConvArgs{X: x.act(), Y: y.act(), U: f.Forward.p})
	default:
		call = kernels.ConvForward(y.dev.isa, args)
	}
	y.emitImages("conv", x, call)
}

// ConvInputGrad writes dx [N,H,W,C] from dy [N,P,Q,K], which has a border of DyBorder or more.
func ConvInputGrad(dx, dy *Tensor, f *Filter) {
	args := kernels.ConvDgradArgs{Geom: f.geom.kernel(), DY: dy.act(), DX: dx.act(), Packed: f.Backward.p}
	var call kernels.Call
	switch {
	case f.dev.gpu:
		call = kernels.ConvDgradGPU(args, f.dev.operand())
	case f.winograd:
		call = kernels.WinogradConv(dx.dev.isa, kernels.WinogradConvArgs{X: dy.act(), Y: dx.act(), U: f.Backward.p})
	default:
		call = kernels.ConvDgrad(dx.dev.isa, args)
	}
	dx.emitImages("conv dgrad", dy, call)
}

// ConvFilterGrad writes to partial, PartialLen floats, what [ConvFilterGradReduce] sums up.
func ConvFilterGrad(partial, x, dy *Tensor, f *Filter) {
	n := x.Dim(0)
	args := kernels.ConvWgradArgs{Geom: f.geom.kernel(), X: x.act(), DY: dy.act(), Partial: partial.p, Chunk: hostChunk(n)}
	var call kernels.Call
	switch {
	case f.dev.gpu:
		call = kernels.ConvWgradGPU(args, f.dev.operand(), n, f.splits(n))
	case f.winograd:
		call = kernels.WinogradWgrad(x.dev.isa, kernels.WinogradWgradArgs{X: x.act(), DY: dy.act(), Partial: partial.p, Chunk: args.Chunk})
	default:
		call = kernels.ConvWgrad(x.dev.isa, args)
	}
	x.emitImages("conv wgrad", dy, call)
}

// ConvFilterGradReduce writes dw [K,R,S,C/groups] of a batch of n.
func ConvFilterGradReduce(dw, partial *Tensor, f *Filter, n int) {
	if f.winograd {
		dw.dev.emit("conv wgrad sum", inputChannels, f.geom.C, 0, kernels.WinogradWgradReduce(dw.dev.isa, kernels.WinogradWgradReduceArgs{
			C: f.geom.C, K: f.geom.K, Chunks: chunks(n), Partial: partial.p, DW: dw.p}))
		return
	}
	args := kernels.ConvWgradReduceArgs{Geom: f.geom.kernel(), Partial: partial.p, DW: dw.p, Chunks: chunks(n)}
	call := kernels.Call{}
	if f.dev.gpu {
		args.Chunks = f.splits(n)
		call = kernels.ConvWgradReduceGPU(args)
	} else {
		call = kernels.ConvWgradReduce(args)
	}
	dw.dev.emit("conv wgrad sum", channels, f.geom.K, 4*dw.Len()/f.geom.K, call)
}

// BiasRows is how many rows [BiasGrad] writes for dy.
func (d *Device) BiasRows(dy *Tensor) int {
	if d.gpu {
		return kernels.BiasRowsGPU(dy.act(), dy.Dim(0))
	}
	return dy.Dim(0)
}

// BiasGrad writes rows [BiasRows,K], each the sum of a part of dy; [SumRows] adds them up.
func BiasGrad(rows, dy *Tensor) {
	args := kernels.BiasGradArgs{DY: dy.act(), Partial: rows.p}
	if dy.dev.gpu {
		dy.emitImages("bias grad", dy, kernels.BiasGradGPU(args, dy.Dim(0)))
		return
	}
	dy.emitImages("bias grad", dy, kernels.BiasGrad(dy.dev.isa, args))
}

// emitImages puts a call over the batch on the queue; t and other are its largest tensors.
func (t *Tensor) emitImages(name string, other *Tensor, c kernels.Call) {
	n := t.Dim(0)
	t.dev.emit(name, images, n, max(t.Bytes(), other.Bytes())/n, c)
}

// Border is the width of the zero border round H and W.
func (t *Tensor) Border() int { return t.border }
