package kernels

// #include "kernels.h"
import "C"

import (
	"fmt"
	"math"
)

// The convolutions of a GPU take their operands as bf16 or, where operand is F32, as tf32: f32 rounded to 10 bits of
// fraction. Sums are f32. Activations are stored in the operand's type; an output may be F32 throughout (logits).
// Depthwise convolutions multiply in f32.

// ConvPackedBytes is the bytes of the filters that [ConvPackGPU] packs.
func ConvPackedBytes(g ConvGeom, operand Storage) (forward, backward int) {
	taps := g.R * g.S
	if g.depthwise() {
		n := 4 * taps * roundUp(g.C, 8)
		return n, n
	}
	return 16 * g.K * filterChunks(taps*g.C/g.Groups, operand), 16 * g.C * filterChunks(taps*g.K/g.Groups, operand)
}

func filterChunks(weights int, operand Storage) int { return ceilDiv(weights, operand.lanes()) }

// lanes is the values in a 16-byte copy.
func (s Storage) lanes() int { return 16 / s.Size() }

func roundUp(n, to int) int { return ceilDiv(n, to) * to }

// ConvPackGPU packs operands from filters, padding included. Units: output channels.
func ConvPackGPU(a ConvPackArgs, operand Storage) Call {
	g := a.Geom
	args := C.vk_conv_pack_args{g: g.c(), w: f32(a.W), forward: f32(a.Forward), backward: f32(a.Backward)}
	forward, backward := ConvPackedBytes(g, operand)
	if g.depthwise() {
		return newGPUCall(args, func(int) Launch { return elementwise("conv_depthwise_pack", forward/4) })
	}
	return newGPUCall(args, func(int) Launch { return elementwise("conv_pack"+operand.suffix(), (forward+backward)/16) })
}

// ConvForwardGPU is [ConvForward] on a GPU. Units: images.
func ConvForwardGPU(a ConvForwardArgs, operand Storage) Call {
	g := a.Geom
	g.check("ConvForwardGPU", a.X, a.Y)
	checkBorder("ConvForwardGPU", "input", a.X, ConvXBorder(g, a.X.H, a.X.W, a.Y.H, a.Y.W))
	checkStorage("ConvForwardGPU", operand, a.X)
	if a.Y.Storage != F32 || g.depthwise() {
		checkStorage("ConvForwardGPU", operand, a.Y)
	}
	args := C.vk_conv_fwd_args{g: g.c(), x: a.X.c(), y: a.Y.c(), packed: f32(a.Packed), bias: f32(a.Bias)}
	return newGPUCall(args, func(units int) Launch {
		checkSize("ConvForwardGPU", units, a.X, a.Y)
		if g.depthwise() {
			return depthwiseLaunch("conv_depthwise_fwd", operand, g.C, units*a.Y.H, a.Y.W, 1)
		}
		logits := ""
		if a.Y.Storage != operand {
			logits = "logits"
		}
		chunks := g.C/g.Groups%operand.lanes() == 0
		return gemmLaunch("conv_fwd", logits, operand, chunks, units*a.Y.H*a.Y.W, g.K/g.Groups, g.Groups)
	})
}

// ConvDgradGPU is [ConvDgrad] on a GPU. Units: images.
func ConvDgradGPU(a ConvDgradArgs, operand Storage) Call {
	g := a.Geom
	g.check("ConvDgradGPU", a.DX, a.DY)
	checkBorder("ConvDgradGPU", "output gradient", a.DY, ConvDyBorder(g, a.DX.H, a.DX.W, a.DY.H, a.DY.W))
	checkStorage("ConvDgradGPU", operand, a.DX, a.DY)
	args := C.vk_conv_dgrad_args{g: g.c(), dy: a.DY.c(), dx: a.DX.c(), packed: f32(a.Packed)}
	phases := g.Stride * g.Stride
	rows, cols := ceilDiv(a.DX.H, g.Stride), ceilDiv(a.DX.W, g.Stride) // of the largest phase
	return newGPUCall(args, func(units int) Launch {
		checkSize("ConvDgradGPU", units, a.DX, a.DY)
		if g.depthwise() {
			return depthwiseLaunch("conv_depthwise_dgrad", operand, g.C, units*rows, cols, phases)
		}
		chunks := g.K/g.Groups%operand.lanes() == 0
		return gemmLaunch("conv_dgrad", "", operand, chunks, units*rows*cols, g.C/g.Groups, g.Groups*phases)
	})
}

// The tiles of conv_gemm.h: pixels by channels. cost is of a channel, next to those of a larger tile, which reads
// its pixels less often.
var gemmTiles = []struct {
	channels int
	cost     float64
}{{128, 1}, {64, 1.1}, {32, 1.35}, {16, 1.8}}

const (
	gemmPixels = 128
	gemmBlock  = 128
	gemmStages = 3 // of 64 bytes a row of the tiles
	fewBlocks  = 2 * 132
)

// gemmLaunch is the launch of a product with the given numbers of pixels and channels, `planes` times over. variant
// names a kernel with a tile of 32 channels of its own.
func gemmLaunch(kernel, variant string, operand Storage, chunks bool, pixels, channels, planes int) Launch {
	tile := gemmTiles[2]
	pixelTiles := ceilDiv(pixels, gemmPixels)
	switch {
	case !chunks && variant != "":
		variant += "_values"
	case !chunks:
		variant = "values"
	case variant == "":
		best := math.Inf(1)
		for _, t := range gemmTiles {
			n := ceilDiv(channels, t.channels)
			if t.channels == 128 && pixelTiles*n*planes < fewBlocks {
				continue
			}
			if cost := float64(n*t.channels) * t.cost; cost < best {
				tile, best = t, cost
			}
		}
		variant = fmt.Sprintf("%dx%d", gemmPixels, tile.channels)
	}
	return Launch{Kernel: kernel + "_" + variant + operand.suffix(), Block: gemmBlock, Shared: gemmShared(tile.channels),
		Grid: [3]int{pixelTiles * ceilDiv(channels, tile.channels), 1, planes}}
}

func gemmShared(channels int) int { return gemmStages*64*(gemmPixels+channels) + 2*4*gemmPixels }

// depthwiseLaunch gives each thread four pixels of a row and 16 bytes of channels, or one channel.
func depthwiseLaunch(kernel string, storage Storage, c, rows, cols, phases int) Launch {
	vectors := c / storage.lanes()
	if c%storage.lanes() != 0 {
		kernel, vectors = kernel+"_values", c
	}
	l := elementwise(kernel+storage.suffix(), rows*ceilDiv(cols, 4)*vectors)
	l.Grid[1] = phases
	return l
}

// intConvLaunch is the launch of [IntConv].
func intConvLaunch(a IntConvArgs) func(units int) Launch {
	g := a.Geom
	return func(units int) Launch {
		checkSize("IntConv", units, a.X.Act(), a.Y)
		if g.depthwise() {
			return elementwise("int_conv_depthwise", units*a.Y.H*a.Y.W*g.K)
		}
		kernel, channels := "int_conv_128x32", 32
		switch {
		case g.C/g.Groups%16 != 0:
			kernel = "int_conv_values"
		case g.K/g.Groups > 32:
			kernel, channels = "int_conv_128x64", 64
		}
		suffix := "_u8"
		if a.X.Signed {
			suffix = "_s8"
		}
		tiles := ceilDiv(units*a.Y.H*a.Y.W, gemmPixels) * ceilDiv(g.K/g.Groups, channels)
		return Launch{Kernel: kernel + suffix, Grid: [3]int{tiles, 1, g.Groups}, Block: gemmBlock, Shared: gemmShared(channels)}
	}
}

// BiasRowsGPU is the rows of [BiasGradGPU] for n images of dy.
func BiasRowsGPU(dy Act, n int) int { return min(max(1, n*dy.H*dy.W/256), fewBlocks) }

// BiasGradGPU writes Partial [BiasRowsGPU, C], each row the sum of DY over a run of pixels. Units: images.
func BiasGradGPU(a BiasGradArgs, n int) Call {
	args := C.vk_bias_grad_args{dy: a.DY.c(), partial: f32(a.Partial)}
	grid := [3]int{ceilDiv(a.DY.C, 32), BiasRowsGPU(a.DY, n), 1}
	return newGPUCall(args, func(units int) Launch {
		return Launch{Kernel: "bias_grad" + a.DY.Storage.suffix(), Grid: grid, Block: 256}
	})
}

func checkStorage(op string, want Storage, acts ...Act) {
	for _, a := range acts {
		if a.Storage != want {
			panic(fmt.Sprintf("%s: activation [%d,%d,%d] is stored as %s, want %s", op, a.H, a.W, a.C, a.Storage.suffix()[1:], want.suffix()[1:]))
		}
	}
}

const maxValues = math.MaxInt32 - 1024 // a thread beyond the last value must not wrap round

// checkSize panics unless the kernels can count the values of n images in 31 bits.
func checkSize(op string, n int, acts ...Act) {
	for _, a := range acts {
		if a.Elems(n) > maxValues {
			panic(fmt.Sprintf("%s: %d images of [%d,%d,%d] are %d values, want %d at most", op, n, a.H, a.W, a.C, a.Elems(n), maxValues))
		}
	}
}
