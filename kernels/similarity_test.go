package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// similarity64 is the kernel similarity loss and its gradient, in float64.
func similarity64(w []float64, bits int) (value float64, dw []float64) {
	n := len(w) / bits
	dw = make([]float64, len(w))
	for i := range bits {
		for j := i + 1; j < bits; j++ {
			sum := 1e-12
			for k := range n {
				sum += (w[i*n+k] - w[j*n+k]) * (w[i*n+k] - w[j*n+k])
			}
			d := math.Sqrt(sum)
			value += d
			for k := range n {
				g := (w[i*n+k] - w[j*n+k]) / d
				dw[i*n+k] += g
				dw[j*n+k] -= g
			}
		}
	}
	return value, dw
}

func runSimilarity(t *testing.T, isa kernels.ISA, w, dw []float32, bits int, weight float32) (float32, []float32) {
	t.Helper()
	in, grad, value, mu := newWords(t, w...), newWords(t, dw...), newWords[float32](t, -1), newWords(t, weight)
	runCall(kernels.Similarity(isa, kernels.SimilarityArgs{W: in.p, DW: grad.p, Value: value.p, Bits: bits, Len: len(w) / bits, Weight: mu.p}), 1, 1)
	return value.v[0], slices.Clone(grad.v)
}

func TestSimilarity(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, bits := range []int{1, 2, 3, 8} {
		for _, n := range []int{1, 15, 16, 17, 4095, 4097, 10007} {
			w, start := gaussians(r, bits*n, 0.1), gaussians(r, bits*n, 1)
			value, want := similarity64(float64s(w), bits)
			for i := range want {
				want[i] = float64(start[i]) + 0.3*want[i]
			}
			var wide [][]float32
			for _, isa := range supportedISAs() {
				name := fmt.Sprintf("%v bits=%d len=%d", isa, bits, n)
				got, dw := runSimilarity(t, isa, w, start, bits, 0.3)
				near(t, name+" value", []float32{got}, []float64{value}, 1e-6)
				near(t, name+" dw", dw, want, 1e-6)
				if isa != kernels.Portable {
					wide = append(wide, append(dw, got))
				}
			}
			if len(wide) == 2 && !slices.Equal(wide[0], wide[1]) {
				t.Errorf("bits=%d len=%d: AVX2 and AVX-512 differ", bits, n)
			}
		}
	}
}

// The reference's gradient is itself checked by central differences.
func TestSimilarityReference(t *testing.T) {
	w := float64s(gaussians(rand.New(rand.NewPCG(5, 6)), 3*7, 1))
	_, analytic := similarity64(w, 3)
	numeric := centralDifference(func() float64 { v, _ := similarity64(w, 3); return v }, w)
	for i := range w {
		if math.Abs(analytic[i]-numeric[i]) > 1e-8 {
			t.Fatalf("entry %d: %g, by differences %g", i, analytic[i], numeric[i])
		}
	}
}

// At the start of a run all kernels are copies of one: sqrt has an infinite slope there.
func TestSimilarityOfEqualKernels(t *testing.T) {
	one := gaussians(rand.New(rand.NewPCG(7, 8)), 100, 1)
	for _, isa := range supportedISAs() {
		value, dw := runSimilarity(t, isa, slices.Concat(one, one, one), make([]float32, 300), 3, 1)
		if math.Abs(float64(value)-3e-6) > 1e-11 {
			t.Errorf("%v: value %g, want 3 sqrt(1e-12)", isa, value)
		}
		for i, d := range dw {
			if d != 0 {
				t.Fatalf("%v: gradient %g at %d, want 0", isa, d, i)
			}
		}
	}
}
