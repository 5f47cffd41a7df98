package kernels_test

import (
	"fmt"
	"testing"

	"vimps-gpu/kernels"
)

// bench times a call over `images` images of 32x32x16, one core, and reports ns a value and GB/s of the streams it
// reads and writes, each counted once. One image stays in the second-level cache, 64 do not.
func bench(b *testing.B, name string, streams int, call func(isa kernels.ISA, images int) kernels.Call) {
	for _, isa := range []kernels.ISA{kernels.AVX2, kernels.AVX512} {
		for _, images := range []int{1, 64} {
			if !isa.Supported() {
				continue
			}
			b.Run(fmt.Sprintf("%s/%v/images=%d", name, isa, images), func(b *testing.B) {
				c := call(isa, images)
				defer c.Free()
				b.ResetTimer()
				for range b.N {
					for range 64 / images {
						kernels.Run([]kernels.HostCall{c.Host()}, 0, images, 1, nil)
					}
				}
				values := float64(b.N) * 64 * 32 * 32 * 16
				ns := float64(b.Elapsed().Nanoseconds())
				b.ReportMetric(ns/values, "ns/value")
				b.ReportMetric(4*float64(streams)*values/ns, "GB/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchTensor(b *testing.B, n, border int) kernels.Act {
	b.Helper()
	return newTensor(b, n, 32, 32, 16, border, normals(1, 1)).Act
}

func BenchmarkMixInput(b *testing.B) {
	lo, hi := ranges(false, 2, 4, 8)
	step := bufferOf(b, []float32{.6, .13, .009}).P
	for name, z := range map[string][]float32{"3": {.2, .5, .3}, "one-hot": {0, 1, 0}} {
		mix := kernels.Mix{QMin: lo, QMax: hi, Z: bufferOf(b, z).P, Step: step}
		bench(b, "forward "+name, 2, func(isa kernels.ISA, n int) kernels.Call {
			return kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: mix, X: benchTensor(b, n, 0), Y: benchTensor(b, n, 1)})
		})
		bench(b, "backward "+name, 3, func(isa kernels.ISA, n int) kernels.Call {
			return kernels.MixInputBackward(isa, kernels.MixInputBackwardArgs{Mix: mix, X: benchTensor(b, n, 0), DY: benchTensor(b, n, 0),
				DX: benchTensor(b, n, 0), Partial: newBuffer(b, n*6).P})
		})
	}
}

func BenchmarkNorm(b *testing.B) {
	coef := bufferOf(b, take(48, normals(1, 1))).P
	bench(b, "stats", 1, func(isa kernels.ISA, n int) kernels.Call {
		return kernels.NormStats(isa, kernels.NormStatsArgs{Y: benchTensor(b, n, 0), Partial: newBuffer(b, n*32).P})
	})
	bench(b, "apply", 3, func(isa kernels.ISA, n int) kernels.Call {
		return kernels.NormApply(isa, kernels.NormApplyArgs{Y: benchTensor(b, n, 0), A: benchTensor(b, n, 0), Scale: coef, Shift: coef, ReLU: true,
			Shortcut: kernels.Shortcut{T: benchTensor(b, n, 0), Stride: 1}})
	})
	bench(b, "backward reduce", 6, func(isa kernels.ISA, n int) kernels.Call {
		return kernels.NormBackwardReduce(isa, kernels.NormBackwardReduceArgs{DA: benchTensor(b, n, 0), A: benchTensor(b, n, 0), Y: benchTensor(b, n, 0),
			Mean: coef, Inv: coef, DShortcut: kernels.Shortcut{T: benchTensor(b, n, 0), Stride: 1}, ReLU: true, Partial: newBuffer(b, n*32).P})
	})
	bench(b, "backward apply", 3, func(isa kernels.ISA, n int) kernels.Call {
		return kernels.NormBackwardApply(isa, kernels.NormBackwardApplyArgs{D: benchTensor(b, n, 0), Y: benchTensor(b, n, 0), DY: benchTensor(b, n, 1), Coef: coef})
	})
}
