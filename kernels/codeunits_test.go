package kernels_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// A filter becomes codes and, its quantizer's step another, a filter again that has the same codes; the step's gradient is that of the
// scale of what is rounded, g sum dy r; and weights that had left the range are at its end, where they have a gradient.
func TestCodeUnits(t *testing.T) {
	const k, length, scale = 5, 27, 0.5
	lo, hi := ranges(true, 2, 4, 8)
	factors := []float32{0.3, 0.2, 0.1}
	for name, filters := range map[string]int{"a step a filter": k, "a step a tensor": 1} {
		t.Run(name, func(t *testing.T) {
			length := k * length / filters
			nb, values := len(lo), k*27
			steps := make([]float32, nb*filters)
			for i := range steps {
				steps[i] = []float32{0.8, 0.2, 0.011}[i/filters] * (1 + float32(i%filters)/8)
			}
			before := take(nb*values, normals(1, 1))
			dy := bufferOf(t, take(values, normals(2, 1)))
			w, dw, step, dstep := bufferOf(t, slices.Clone(before)), newBuffer(t, nb*values), bufferOf(t, steps), newBuffer(t, nb*filters)
			one := bufferOf(t, []float32{1, 1, 1})
			partial, half := newBuffer(t, filters*2*nb), bufferOf(t, []float32{scale})
			mix := kernels.Mix{QMin: lo, QMax: hi, Z: one.P, Step: step.P}
			backward := func() {
				runCall(kernels.MixWeightBackward(kernels.Portable, kernels.MixWeightBackwardArgs{Mix: mix, W: w.P, DY: dy.P, DW: dw.P, Partial: partial.P,
					K: filters, Len: length, GradScale: half.P}), filters, 2)
			}
			backward()
			runCall(kernels.MixReduce(kernels.MixReduceArgs{Partial: partial.P, DZ: newBuffer(t, nb).P, DStep: dstep.P, StepFactor: factors, Rows: filters,
				PerRow: true, GradScale: half.P}), 1, 1)
			args := kernels.CodeUnitsArgs{QMin: lo, QMax: hi, StepFactor: factors, W: w.P, DW: dw.P, Step: step.P, DStep: dstep.P, K: filters, Len: length}
			runCall(kernels.ToCodeUnits(args), filters, 2)

			want := make([]float64, len(steps))
			for i, v := range before {
				b, f := i/values, i%values/length
				code, _, _ := quantize(v, steps[b*filters+f], lo[b], hi[b])
				want[b*filters+f] += scale * float64(factors[b]) * float64(dy.F[i%values]) * float64(code)
				if got := w.F[i]; got != v/steps[b*filters+f] {
					t.Fatalf("weight %d, %g, is %g steps of %g", i, v, got, steps[b*filters+f])
				}
			}
			near(t, "gradient of the steps", dstep.F, want, 1e-5)

			codes := slices.Clone(w.F)
			codes[0], w.F[0] = float32(math.NaN()), float32(math.NaN())
			for i := range step.F {
				step.F[i] *= 1.7
			}
			runCall(kernels.FromCodeUnits(args), filters, 2)
			clear(dw.F)
			backward()
			clamped := 0
			for i, c := range codes[1:] {
				i++
				b, f := i/values, i%values/length
				s := step.F[b*filters+f]
				wantCode, _, in := quantize(c, 1, lo[b], hi[b])
				got, _, still := quantize(w.F[i], s, lo[b], hi[b])
				at := fmt.Sprintf("candidate %d, weight %d, code %g", b, i, c)
				if in && math.Abs(float64(w.F[i]-c*s)) > 0 || !in && math.Abs(float64(w.F[i]/s/wantCode-1)) > 1e-6 {
					t.Errorf("%s: became %g with a step of %g", at, w.F[i], s)
				}
				if !still || dw.F[i] != scale*dy.F[i%values] {
					t.Errorf("%s: beyond the range, or gradient %g of %g", at, dw.F[i], dy.F[i%values])
				}
				if got != wantCode && math.Abs(math.Abs(float64(c)-math.Trunc(float64(c)))-0.5) > 1e-5 {
					t.Errorf("%s: rounded to %g, want %g", at, got, wantCode)
				}
				if !in {
					clamped++
				}
			}
			if w.F[0] == w.F[0] || clamped == 0 {
				t.Errorf("a NaN became %g; %d weights were beyond the range", w.F[0], clamped)
			}
		})
	}
}
