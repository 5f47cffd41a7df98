package kernels_test

import (
	"fmt"
	"testing"
	"time"

	"vimps-gpu/kernels"
)

// BenchmarkWinograd times the 3x3 layers of ResNet-20 on one core, the direct kernels beside the Winograd ones.
// GFLOP/s counts the operations of the direct sum for both, so their ratio is that of the times, and is of the
// fastest of the runs: the least disturbed one.
func BenchmarkWinograd(b *testing.B) {
	for _, isa := range []kernels.ISA{kernels.AVX2, kernels.AVX512} {
		if !isa.Supported() {
			continue
		}
		for _, w := range []winogradCase{{8, 32, 32, 16, 16, 8}, {8, 16, 16, 32, 32, 8}, {8, 8, 8, 64, 64, 8}} {
			for _, direct := range []bool{true, false} {
				calls := winogradBenchCalls(b, isa, w, direct)
				family := map[bool]string{true: "direct", false: "winograd"}[direct]
				for i, pass := range []string{"forward", "dgrad", "wgrad"} {
					b.Run(fmt.Sprintf("%v/%dx%dx%d-%d/%s/%s", isa, w.h, w.w, w.c, w.k, pass, family), func(b *testing.B) {
						least := time.Hour
						for range b.N {
							start := time.Now()
							kernels.Run([]kernels.HostCall{calls[i].Host()}, 0, w.n, 1, nil)
							least = min(least, time.Since(start))
						}
						flops := float64(w.n) * float64(kernels.ConvFLOPs(w.geom(), w.h, w.w))
						b.ReportMetric(flops/float64(least.Nanoseconds()), "GFLOP/s")
						b.ReportMetric(0, "ns/op")
					})
				}
				for _, c := range calls {
					c.Free()
				}
			}
		}
	}
}

// winogradBenchCalls is forward, dgrad and wgrad of one layer.
func winogradBenchCalls(b *testing.B, isa kernels.ISA, w winogradCase, direct bool) []kernels.Call {
	x, dy := newTensor(b, w.n, w.h, w.w, w.c, 1, normals(1, 1)).Act, newTensor(b, w.n, w.h, w.w, w.k, 1, normals(2, 1)).Act
	y, dx := newTensor(b, w.n, w.h, w.w, w.k, 0, zeros).Act, newTensor(b, w.n, w.h, w.w, w.c, 0, zeros).Act
	filters := bufferOf(b, take(w.k*9*w.c, normals(3, 1))).P
	g, size := w.geom(), kernels.WinogradPackedSize(w.c, w.k) // enough for the direct packing as well
	forward, backward, partial := newBuffer(b, size).P, newBuffer(b, size).P, newBuffer(b, size).P
	if direct {
		runCall(kernels.ConvPack(kernels.ConvPackArgs{Geom: g, W: filters, Forward: forward, Backward: backward}), w.k, w.k)
		return []kernels.Call{
			kernels.ConvForward(isa, kernels.ConvForwardArgs{Geom: g, X: x, Y: y, Packed: forward}),
			kernels.ConvDgrad(isa, kernels.ConvDgradArgs{Geom: g, DY: dy, DX: dx, Packed: backward}),
			kernels.ConvWgrad(isa, kernels.ConvWgradArgs{Geom: g, X: x, DY: dy, Partial: partial, Chunk: w.chunk}),
		}
	}
	runCall(kernels.WinogradPack(isa, kernels.WinogradPackArgs{C: w.c, K: w.k, W: filters, Forward: forward, Backward: backward}), w.k, w.k)
	return []kernels.Call{
		kernels.WinogradConv(isa, kernels.WinogradConvArgs{X: x, Y: y, U: forward}),
		kernels.WinogradConv(isa, kernels.WinogradConvArgs{X: dy, Y: dx, U: backward}),
		kernels.WinogradWgrad(isa, kernels.WinogradWgradArgs{X: x, DY: dy, Partial: partial, Chunk: w.chunk}),
	}
}
