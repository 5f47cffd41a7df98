package kernels

// #include "kernels.h"
import "C"

import "fmt"

// WinogradFits tells whether the Winograd kernels do a convolution over [H, W] images: 3x3, stride 1, padding 1
// all round, dense, even H and W, channels in multiples of 16 up to 128 (their scratch lies on the stack).
func WinogradFits(g ConvGeom, h, w int) bool {
	ok := func(channels int) bool { return channels%16 == 0 && channels <= C.VK_WINO_CHANNELS }
	return g.R == 3 && g.S == 3 && g.Stride == 1 && g.PadTop == 1 && g.PadLeft == 1 && g.Dilation == 1 && g.Groups == 1 &&
		h%2 == 0 && w%2 == 0 && ok(g.C) && ok(g.K)
}

// WinogradPackedSize is the floats of each packing and of one chunk of the partial sums.
func WinogradPackedSize(c, k int) int { return 16 * c * k }

// WinogradPackArgs: W [K,3,3,C] f32 becomes Forward [16,C,K] and, unless nil, Backward [16,K,C].
type WinogradPackArgs struct {
	C, K                 int
	W, Forward, Backward Ptr
}

// WinogradPack transforms filters, u = G g G'. Units: output channels.
func WinogradPack(isa ISA, a WinogradPackArgs) Call {
	return newCall(C.vk_wino_pack[isa], C.vk_wino_pack_args{c: C.int(a.C), k: C.int(a.K), w: f32(a.W), forward: f32(a.Forward), backward: f32(a.Backward)})
}

// WinogradConvArgs: Y [N,H,W,K] = X [N,H,W,C] (border 1 or more) * filters packed as U [16,C,K]. With the backward
// packing, X = dY and Y = dX.
type WinogradConvArgs struct {
	X, Y Act
	U    Ptr
}

// WinogradConv convolves (Lavin and Gray 2016, F(2x2,3x3)). Units: images.
func WinogradConv(isa ISA, a WinogradConvArgs) Call {
	checkWinograd("WinogradConv", a.X, a.Y)
	return newCall(C.vk_wino_conv[isa], C.vk_wino_conv_args{x: a.X.c(), y: a.Y.c(), u: f32(a.U)})
}

// WinogradWgradArgs: Partial holds, for each chunk of Chunk images, their transformed filter gradient [16,C,K].
type WinogradWgradArgs struct {
	X, DY   Act
	Partial Ptr
	Chunk   int
}

// WinogradWgrad is the filter gradient. Units: images; one caller does the images of a chunk, first to last.
func WinogradWgrad(isa ISA, a WinogradWgradArgs) Call {
	checkWinograd("WinogradWgrad", a.X, a.DY)
	if a.Chunk < 1 {
		panic(fmt.Sprintf("WinogradWgrad: chunk of %d images", a.Chunk))
	}
	return newCall(C.vk_wino_wgrad[isa], C.vk_wino_wgrad_args{x: a.X.c(), dy: a.DY.c(), partial: f32(a.Partial), chunk: C.int(a.Chunk)})
}

// WinogradWgradReduceArgs: DW [K,3,3,C] f32 is overwritten.
type WinogradWgradReduceArgs struct {
	C, K, Chunks int
	Partial, DW  Ptr
}

// WinogradWgradReduce adds the chunks in order and transforms back, dg = G' s G. Units: input channels.
func WinogradWgradReduce(isa ISA, a WinogradWgradReduceArgs) Call {
	return newCall(C.vk_wino_wgrad_reduce[isa], C.vk_wino_wgrad_reduce_args{c: C.int(a.C), k: C.int(a.K), chunks: C.int(a.Chunks), partial: f32(a.Partial), dw: f32(a.DW)})
}

func checkWinograd(op string, x, y Act) {
	if x.H != y.H || x.W != y.W || x.H%2 != 0 || x.W%2 != 0 || x.C%16 != 0 || y.C%16 != 0 || x.Border < 1 || max(x.C, y.C) > C.VK_WINO_CHANNELS {
		panic(fmt.Sprintf("%s: input [%d,%d,%d] border %d and output [%d,%d,%d] do not fit", op, x.H, x.W, x.C, x.Border, y.H, y.W, y.C))
	}
}
