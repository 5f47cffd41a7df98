package kernels

// #include "kernels.h"
import "C"

import (
	"fmt"
	"math"
)

// ConvWgradSplits is into how many runs the pixels of n images of [p,q] are cut for [ConvWgradGPU], each with a partial
// sum of K*FilterLen floats of its own: enough to keep a large GPU busy. It follows from the shape alone, and with it
// the order of all sums.
func ConvWgradSplits(g ConvGeom, n, p, q int) int {
	tiles, stage := 0, 32 // a run is 4 stages of pixels or more
	if g.depthwise() {
		vectors := g.C
		if g.C%8 == 0 {
			vectors /= 8
		}
		tiles, stage = ceilDiv(vectors, 32)*g.R, 256/min(vectors, 32)
	} else {
		t := wgradTileOf(g)
		tiles = ceilDiv(g.K/g.Groups, t.m) * ceilDiv(g.FilterLen(), t.n) * g.Groups
	}
	return max(1, min(ceilDiv(fewBlocks, tiles), n*p*q/(4*stage)))
}

// wgradTile is a tile of conv_wgrad.cu: output channels by taps and input channels.
type wgradTile struct {
	m, n int
	cost float64 // of a weight, next to those of the largest tile, which reads its pixels least often
}

var wgradTiles = []wgradTile{{64, 128, 1}, {64, 64, 1.15}, {32, 128, 1.2}, {16, 128, 1.7}}

func wgradTileOf(g ConvGeom) wgradTile {
	var best wgradTile
	least := math.Inf(1)
	for _, t := range wgradTiles {
		if cost := float64(roundUp(g.K/g.Groups, t.m)*roundUp(g.FilterLen(), t.n)) * t.cost; cost < least {
			best, least = t, cost
		}
	}
	return best
}

// ConvWgradGPU is [ConvWgrad] of n images on a GPU, with Partial [splits, K, R, S, C/Groups] f32; Chunk has no meaning.
// Units: images.
func ConvWgradGPU(a ConvWgradArgs, operand Storage, n, splits int) Call {
	g := a.Geom
	g.check("ConvWgradGPU", a.X, a.DY)
	checkBorder("ConvWgradGPU", "input", a.X, ConvXBorder(g, a.X.H, a.X.W, a.DY.H, a.DY.W))
	checkStorage("ConvWgradGPU", operand, a.X, a.DY)
	if splits < 1 {
		panic(fmt.Sprintf("ConvWgradGPU: %d splits", splits))
	}
	checkSize("ConvWgradGPU", n, a.X, a.DY)
	args := C.vk_conv_wgrad_args{g: g.c(), x: a.X.c(), dy: a.DY.c(), partial: f32(a.Partial), chunk: 1}
	l := wgradLaunch(g, operand, splits)
	if g.depthwise() {
		l = depthwiseWgradLaunch(g, operand, splits)
	}
	return newGPUCall(args, func(int) Launch { return l })
}

func wgradLaunch(g ConvGeom, operand Storage, splits int) Launch {
	cg, kg := g.C/g.Groups, g.K/g.Groups
	t := wgradTileOf(g)
	name := fmt.Sprintf("conv_wgrad_%dx%d", t.m, t.n)
	if cg%operand.lanes() != 0 || kg%operand.lanes() != 0 {
		t, name = wgradTile{m: 32, n: 64}, "conv_wgrad_values"
	}
	stage := 64 / operand.Size() // pixels, whose places stand in tables for x and dy
	return Launch{Kernel: name + operand.suffix(), Block: 128, Shared: gemmStages * (64*(t.m+t.n) + 2*4*stage),
		Grid: [3]int{ceilDiv(kg, t.m) * ceilDiv(g.FilterLen(), t.n), g.Groups, splits}}
}

func depthwiseWgradLaunch(g ConvGeom, operand Storage, splits int) Launch {
	l := Launch{Kernel: "conv_depthwise_wgrad", Block: 256}
	vectors, rows := g.C/operand.lanes(), g.R*g.S
	switch {
	case g.C%operand.lanes() != 0:
		l.Kernel, vectors = l.Kernel+"_values", g.C
	case g.S == 3:
		l.Kernel, rows = l.Kernel+"_row3", g.R
	}
	l.Kernel += operand.suffix()
	l.Grid = [3]int{ceilDiv(vectors, min(vectors, 32)), rows, splits}
	return l
}

// ConvWgradReduceGPU is [ConvWgradReduce] on a GPU: Chunks is the splits of [ConvWgradGPU], added in a fixed order.
// Units: output channels.
func ConvWgradReduceGPU(a ConvWgradReduceArgs) Call {
	if a.Chunks < 1 {
		panic(fmt.Sprintf("ConvWgradReduceGPU: %d chunks", a.Chunks))
	}
	args := C.vk_conv_wgrad_reduce_args{g: a.Geom.c(), partial: f32(a.Partial), dw: f32(a.DW), chunks: C.int(a.Chunks)}
	columns := 256 / reduceChains(a.Chunks)
	return newGPUCall(args, func(int) Launch {
		return Launch{Kernel: "conv_wgrad_reduce", Grid: [3]int{ceilDiv(a.Geom.K*a.Geom.FilterLen(), columns), 1, 1}, Block: 256}
	})
}

// reduceChains is the function of the same name in conv_pack.cu.
func reduceChains(chunks int) int {
	switch {
	case chunks >= 64:
		return 16
	case chunks >= 8:
		return 4
	}
	return 1
}
