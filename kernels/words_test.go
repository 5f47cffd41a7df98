package kernels_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"vimps-gpu/kernels"
)

// words is guarded memory (see buffer) of numbers that need not be floats.
type words[T float32 | int32 | uint32] struct {
	p kernels.Ptr
	v []T
}

func newWords[T float32 | int32 | uint32](t testing.TB, v ...T) words[T] {
	t.Helper()
	b := newBuffer(t, len(v))
	w := words[T]{b.P, unsafe.Slice((*T)(b.P), len(v))}
	copy(w.v, v)
	return w
}

func supportedISAs() []kernels.ISA {
	return slices.DeleteFunc([]kernels.ISA{kernels.Portable, kernels.AVX2, kernels.AVX512},
		func(i kernels.ISA) bool { return !i.Supported() })
}

func gaussians(r *rand.Rand, n int, scale float64) []float32 {
	return take(n, func() float32 { return float32(scale * r.NormFloat64()) })
}

func filledWith(n int, v float32) []float32 { return take(n, func() float32 { return v }) }

// centralDifference is the numeric gradient of f at x, in float64; x is left as it was.
func centralDifference(f func() float64, x []float64) []float64 {
	const h = 1e-5
	g := make([]float64, len(x))
	for i, old := range x {
		x[i] = old + h
		up := f()
		x[i] = old - h
		g[i] = (up - f()) / (2 * h)
		x[i] = old
	}
	return g
}

// usedColumns picks the columns of gate rows that have a candidate.
func usedColumns(rows []float32, bits []int32) []float32 {
	var v []float32
	for g, n := range bits {
		v = append(v, rows[g*kernels.MaxBits:g*kernels.MaxBits+int(n)]...)
	}
	return v
}

// wantUntouched fails if a column behind the candidates of a gate is not what it was.
func wantUntouched(t *testing.T, what string, rows []float32, bits []int32, was float32) {
	t.Helper()
	for i, v := range rows {
		if i%kernels.MaxBits >= int(bits[i/kernels.MaxBits]) && v != was {
			t.Fatalf("%s: column %d of gate %d was touched: %g", what, i%kernels.MaxBits, i/kernels.MaxBits, v)
		}
	}
}
