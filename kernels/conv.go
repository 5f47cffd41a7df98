package kernels

// #include "kernels.h"
import "C"

import "fmt"

// ConvGeom is the shape of a 2-D convolution: C input and K output channels, filter R x S, one stride
// and dilation for both axes, zero padding above and left (below and right follow from the output
// size). C and K are divisible by Groups. Groups == C == K is depthwise and has kernels of its own.
type ConvGeom struct{ C, K, R, S, Stride, PadTop, PadLeft, Dilation, Groups int }

func (g ConvGeom) c() C.vk_conv_geom {
	return C.vk_conv_geom{c: C.int(g.C), k: C.int(g.K), r: C.int(g.R), s: C.int(g.S), stride: C.int(g.Stride),
		pad_top: C.int(g.PadTop), pad_left: C.int(g.PadLeft), dilation: C.int(g.Dilation), groups: C.int(g.Groups)}
}

func (g ConvGeom) depthwise() bool { return g.Groups == g.C && g.C == g.K }

// FilterLen is R*S*C/Groups, the weights of one output channel: filters are [K, R, S, C/Groups].
func (g ConvGeom) FilterLen() int { return g.R * g.S * g.C / g.Groups }

// ConvOut is the output size of one axis: input size h, filter size r. It is 0 or less where the
// dilated filter is larger than the padded input.
func ConvOut(h, r, stride, padTop, padBottom, dilation int) int {
	room := h + padTop + padBottom - (r-1)*dilation - 1
	if room < 0 {
		return 0
	}
	return room/stride + 1
}

// ConvXBorder is the border of zeros that the input [H, W] of a convolution with output [P, Q] needs.
func ConvXBorder(g ConvGeom, h, w, p, q int) int {
	bottom := (p-1)*g.Stride + (g.R-1)*g.Dilation - g.PadTop - (h - 1)
	right := (q-1)*g.Stride + (g.S-1)*g.Dilation - g.PadLeft - (w - 1)
	return max(0, g.PadTop, g.PadLeft, bottom, right)
}

// ConvDyBorder is the border of zeros that the gradient of the output [P, Q] needs for [ConvDgrad] of an
// input [H, W].
func ConvDyBorder(g ConvGeom, h, w, p, q int) int {
	axis := func(size, filter, pad, out int) int {
		before := floorDiv((filter-1)*g.Dilation-pad+g.Stride-1, g.Stride)
		after := (size-1+pad)/g.Stride - (out - 1)
		return max(before, after)
	}
	return max(0, axis(h, g.R, g.PadTop, p), axis(w, g.S, g.PadLeft, q))
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

func up16(n int) int { return (n + 15) / 16 * 16 }

// ConvPackedSize is the number of floats of the packed forward and backward filters; one chunk of the
// wgrad partial sums takes as many as the forward ones.
func ConvPackedSize(g ConvGeom) (forward, backward int) {
	taps, cg, kg := g.R*g.S, g.C/g.Groups, g.K/g.Groups
	if g.depthwise() {
		return taps * up16(g.C), taps * up16(g.C)
	}
	return g.Groups * taps * cg * up16(kg), g.Groups * taps * kg * up16(cg)
}

// ConvPartialSize is the number of floats of ConvWgradArgs.Partial for n images in chunks of `chunk`.
func ConvPartialSize(g ConvGeom, n, chunk int) int {
	forward, _ := ConvPackedSize(g)
	return (n + chunk - 1) / chunk * forward
}

// ConvFLOPs is 2 a multiply-add: the work of one image, the same forward, dgrad and wgrad. Taps
// that fall on padding count.
func ConvFLOPs(g ConvGeom, p, q int) int64 {
	return 2 * int64(p) * int64(q) * int64(g.K) * int64(g.FilterLen())
}

// check panics unless the geometry is sound and x and y are its input and output.
func (g ConvGeom) check(op string, x, y Act) {
	if min(g.C, g.K, g.R, g.S, g.Stride, g.Dilation, g.Groups) < 1 || min(g.PadTop, g.PadLeft) < 0 ||
		g.C%g.Groups != 0 || g.K%g.Groups != 0 {
		panic(fmt.Sprintf("%s: impossible geometry %+v", op, g))
	}
	xs, ys := fmt.Sprintf("[%d,%d,%d]", x.H, x.W, x.C), fmt.Sprintf("[%d,%d,%d]", y.H, y.W, y.C)
	if x.C != g.C || y.C != g.K || min(x.H, x.W, y.H, y.W) < 1 {
		panic(fmt.Sprintf("%s: input %s and output %s do not fit %+v", op, xs, ys, g))
	}
	if y.H < ConvOut(x.H, g.R, g.Stride, g.PadTop, 0, g.Dilation) || y.W < ConvOut(x.W, g.S, g.Stride, g.PadLeft, 0, g.Dilation) {
		panic(fmt.Sprintf("%s: output %s is too small for input %s and %+v", op, ys, xs, g))
	}
}

func checkBorder(op, name string, a Act, want int) {
	if a.Border < want {
		panic(fmt.Sprintf("%s: %s [%d,%d,%d] has border %d, needs %d", op, name, a.H, a.W, a.C, a.Border, want))
	}
}

// ConvForwardArgs: Y[n,p,q,k] = sum of X[n, p*stride+r*dilation-pad, ...] * w[k,r,s,c], then + Bias[k].
// X is [N,H,W,C] with a border of at least ConvXBorder, Y is [N,P,Q,K]; Packed is from [ConvPack]; Bias
// [K] or nil. All f32.
type ConvForwardArgs struct {
	Geom         ConvGeom
	X, Y         Act
	Packed, Bias Ptr
}

// ConvForward convolves. Units: images. Each output is one chain of fused multiply-adds over r, s, c.
func ConvForward(isa ISA, a ConvForwardArgs) Call {
	a.Geom.check("ConvForward", a.X, a.Y)
	checkBorder("ConvForward", "input", a.X, ConvXBorder(a.Geom, a.X.H, a.X.W, a.Y.H, a.Y.W))
	return newCall(C.vk_conv_fwd[isa], C.vk_conv_fwd_args{g: a.Geom.c(), x: a.X.c(), y: a.Y.c(),
		packed: f32(a.Packed), bias: f32(a.Bias)})
}

// ConvDgradArgs: DX = the gradient with respect to the input, from DY, the one with respect to the
// output. DX [N,H,W,C] is overwritten inside its border; DY is [N,P,Q,K] with a border of at least
// ConvDyBorder; Packed is the backward packing. All f32.
type ConvDgradArgs struct {
	Geom   ConvGeom
	DY, DX Act
	Packed Ptr
}

// ConvDgrad is the input gradient. Units: images. Each element is one chain over r, s, k.
func ConvDgrad(isa ISA, a ConvDgradArgs) Call {
	a.Geom.check("ConvDgrad", a.DX, a.DY)
	checkBorder("ConvDgrad", "output gradient", a.DY, ConvDyBorder(a.Geom, a.DX.H, a.DX.W, a.DY.H, a.DY.W))
	return newCall(C.vk_conv_dgrad[isa], C.vk_conv_dgrad_args{g: a.Geom.c(), dy: a.DY.c(), dx: a.DX.c(), packed: f32(a.Packed)})
}

// ConvWgradArgs: Partial holds, for each chunk of Chunk images, the sum of their filter gradients:
// ConvPartialSize floats. X as forward, DY any border. All f32.
type ConvWgradArgs struct {
	Geom    ConvGeom
	X, DY   Act
	Partial Ptr
	Chunk   int
}

// ConvWgrad is the filter gradient. Units: images, in order within a chunk: one caller does the images
// of a chunk, first to last. Each image is one chain over its pixels, and the images are added in order.
func ConvWgrad(isa ISA, a ConvWgradArgs) Call {
	a.Geom.check("ConvWgrad", a.X, a.DY)
	checkBorder("ConvWgrad", "input", a.X, ConvXBorder(a.Geom, a.X.H, a.X.W, a.DY.H, a.DY.W))
	if a.Chunk < 1 {
		panic(fmt.Sprintf("ConvWgrad: chunk of %d images", a.Chunk))
	}
	return newCall(C.vk_conv_wgrad[isa], C.vk_conv_wgrad_args{g: a.Geom.c(), x: a.X.c(), dy: a.DY.c(),
		partial: f32(a.Partial), chunk: C.int(a.Chunk)})
}

// ConvWgradReduceArgs: DW [K,R,S,C/Groups] f32 is overwritten with the sum of Chunks partial sums.
type ConvWgradReduceArgs struct {
	Geom        ConvGeom
	Partial, DW Ptr
	Chunks      int
}

// ConvWgradReduce adds the chunks in order. Units: output channels (fastest in blocks of 16).
func ConvWgradReduce(a ConvWgradReduceArgs) Call {
	if a.Chunks < 1 {
		panic(fmt.Sprintf("ConvWgradReduce: %d chunks", a.Chunks))
	}
	return newCall(C.vk_conv_wgrad_reduce, C.vk_conv_wgrad_reduce_args{g: a.Geom.c(), partial: f32(a.Partial),
		dw: f32(a.DW), chunks: C.int(a.Chunks)})
}

// ConvPackArgs: W [K,R,S,C/Groups] f32 is copied to the two packings of ConvPackedSize floats each,
// whose lanes of padding are left alone (Alloc zeroed them). Backward may be nil.
type ConvPackArgs struct {
	Geom                 ConvGeom
	W, Forward, Backward Ptr
}

// ConvPack packs filters for ConvForward and ConvDgrad. Units: output channels.
func ConvPack(a ConvPackArgs) Call {
	return newCall(C.vk_conv_pack, C.vk_conv_pack_args{g: a.Geom.c(), w: f32(a.W), forward: f32(a.Forward), backward: f32(a.Backward)})
}

// BiasGradArgs: Partial [N,C] f32 = sum of DY [N,H,W,C] over the pixels of each image.
type BiasGradArgs struct {
	DY      Act
	Partial Ptr
}

// BiasGrad sums each image's pixels in row order. Units: images.
func BiasGrad(isa ISA, a BiasGradArgs) Call {
	return newCall(C.vk_bias_grad[isa], C.vk_bias_grad_args{dy: a.DY.c(), partial: f32(a.Partial)})
}
