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
	Forward, Backward *Tensor // f32, packed; Backward nil for inference
	geom              ConvGeom
	h, w, p, q        int // input and output size
	winograd          bool
}

// NewFilter allocates the packed filters of a convolution over [N,h,w,C], and decides by its shape which kernels
// do it.
func (d *Device) NewFilter(g ConvGeom, h, w int, bias, train bool) *Filter {
	f := &Filter{geom: g, h: h, w: w, winograd: kernels.WinogradFits(g.kernel(), h, w) && !bias,
		p: kernels.ConvOut(h, g.R, g.Stride, g.Pad, g.Pad, g.Dilation),
		q: kernels.ConvOut(w, g.S, g.Stride, g.Pad, g.Pad, g.Dilation)}
	forward, backward := kernels.ConvPackedSize(g.kernel())
	if f.winograd {
		forward = kernels.WinogradPackedSize(g.C, g.K)
		backward = forward
	}
	f.Forward = d.New(Float32, forward)
	if train {
		f.Backward = d.New(Float32, backward)
	}
	return f
}

// DyBorder is the border that the gradient of the output needs in [ConvInputGrad].
func (f *Filter) DyBorder() int { return kernels.ConvDyBorder(f.geom.kernel(), f.h, f.w, f.p, f.q) }

// FilterPartial is how many floats [ConvFilterGrad] needs for a batch of n.
func (d *Device) FilterPartial(f *Filter, n int) int {
	return chunks(n) * f.Forward.Len()
}

func chunks(n int) int { return (n + hostChunk(n) - 1) / hostChunk(n) }

// ConvPack packs w [K,R,S,C/groups] for the convolution and its input gradient.
func ConvPack(f *Filter, w *Tensor) {
	call := kernels.ConvPack(kernels.ConvPackArgs{Geom: f.geom.kernel(), W: w.p, Forward: f.Forward.p, Backward: f.Backward.ptr()})
	if f.winograd {
		call = kernels.WinogradPack(w.dev.isa, kernels.WinogradPackArgs{C: f.geom.C, K: f.geom.K, W: w.p, Forward: f.Forward.p, Backward: f.Backward.ptr()})
	}
	w.dev.emit("filter pack", channels, f.geom.K, 4*w.Len()/f.geom.K, call)
}

// Conv writes y [N,P,Q,K] = x [N,H,W,C] * f + bias [K] (nil: none); x has a border of Pad or more.
func Conv(y, x *Tensor, f *Filter, bias *Tensor) {
	if f.winograd {
		y.emitImages("conv", x, kernels.WinogradConv(y.dev.isa, kernels.WinogradConvArgs{X: x.act(), Y: y.act(), U: f.Forward.p}))
		return
	}
	y.emitImages("conv", x, kernels.ConvForward(y.dev.isa, kernels.ConvForwardArgs{
		Geom: f.geom.kernel(), X: x.act(), Y: y.act(), Packed: f.Forward.p, Bias: bias.ptr()}))
}

// ConvInputGrad writes dx [N,H,W,C] from dy [N,P,Q,K], which has a border of DyBorder or more.
func ConvInputGrad(dx, dy *Tensor, f *Filter) {
	if f.winograd {
		dx.emitImages("conv dgrad", dy, kernels.WinogradConv(dx.dev.isa, kernels.WinogradConvArgs{X: dy.act(), Y: dx.act(), U: f.Backward.p}))
		return
	}
	dx.emitImages("conv dgrad", dy, kernels.ConvDgrad(dx.dev.isa, kernels.ConvDgradArgs{
		Geom: f.geom.kernel(), DY: dy.act(), DX: dx.act(), Packed: f.Backward.p}))
}

// ConvFilterGrad writes to partial, FilterPartial floats, what [ConvFilterGradReduce] sums up.
func ConvFilterGrad(partial, x, dy *Tensor, f *Filter) {
	chunk := hostChunk(x.Dim(0))
	if f.winograd {
		x.emitImages("conv wgrad", dy, kernels.WinogradWgrad(x.dev.isa, kernels.WinogradWgradArgs{X: x.act(), DY: dy.act(), Partial: partial.p, Chunk: chunk}))
		return
	}
	x.emitImages("conv wgrad", dy, kernels.ConvWgrad(x.dev.isa, kernels.ConvWgradArgs{
		Geom: f.geom.kernel(), X: x.act(), DY: dy.act(), Partial: partial.p, Chunk: chunk}))
}

// ConvFilterGradReduce writes dw [K,R,S,C/groups] of a batch of n.
func ConvFilterGradReduce(dw, partial *Tensor, f *Filter, n int) {
	if f.winograd {
		dw.dev.emit("conv wgrad sum", inputChannels, f.geom.C, 0, kernels.WinogradWgradReduce(dw.dev.isa, kernels.WinogradWgradReduceArgs{
			C: f.geom.C, K: f.geom.K, Chunks: chunks(n), Partial: partial.p, DW: dw.p}))
		return
	}
	dw.dev.emit("conv wgrad sum", channels, f.geom.K, 4*dw.Len()/f.geom.K, kernels.ConvWgradReduce(kernels.ConvWgradReduceArgs{
		Geom: f.geom.kernel(), Partial: partial.p, DW: dw.p, Chunks: chunks(n)}))
}

// BiasGrad writes rows [N,K], each image's sum of dy; [SumRows] adds them up.
func BiasGrad(rows, dy *Tensor) {
	dy.emitImages("bias grad", dy, kernels.BiasGrad(dy.dev.isa, kernels.BiasGradArgs{DY: dy.act(), Partial: rows.p}))
}

// emitImages puts a call over the batch on the queue; t and other are its largest tensors.
func (t *Tensor) emitImages(name string, other *Tensor, c kernels.Call) {
	n := t.Dim(0)
	t.dev.emit(name, images, n, max(t.Bytes(), other.Bytes())/n, c)
}

// Border is the width of the zero border round H and W.
func (t *Tensor) Border() int { return t.border }
