package bitmixer

import (
	"math"

	"vimps-gpu/kernels"
)

// eigen is an estimate of the Hessian's eigenvalue of largest magnitude.
type eigen struct {
	Value float64 `json:"value"`
	// Products is the Hessian-vector products that it took.
	Products int `json:"products"`
	// Change is the relative change of the value at the last product; 1 where the cap came before a second one.
	Change float64 `json:"change"`
}

// powerIteration finds the eigenvalue of largest magnitude of a symmetric n x n matrix that is known by its products: v
// <- Hv / |Hv|, value = v.Hv, until the value changes by less than tolerance of itself, products at most. It starts
// from signs drawn by seed and stream. product writes Hv to out.
func powerIteration(n int, product func(out, v []float64), seed uint64, stream uint32, products int, tolerance float64) eigen {
	v, out := randomSigns(n, seed, stream), make([]float64, n)
	found := eigen{Change: 1}
	for found.Products < products {
		product(out, v)
		found.Products++
		value, length := dot(v, out), math.Sqrt(dot(out, out))
		if found.Products > 1 {
			found.Change = relativeChange(found.Value, value)
		}
		found.Value = value
		if length == 0 || found.Change < tolerance {
			return found
		}
		for i := range v {
			v[i] = out[i] / length
		}
	}
	return found
}

// relativeChange is |b - a| as a share of the larger of both, 0 where both are 0.
func relativeChange(a, b float64) float64 {
	if a == b {
		return 0
	}
	return math.Abs(b-a) / max(math.Abs(a), math.Abs(b))
}

// philoxSigns keeps the start of power iteration apart from other draws under the same seed.
const philoxSigns = 0xB4

// randomSigns is a unit vector of entries +-1/sqrt(n).
func randomSigns(n int, seed uint64, stream uint32) []float64 {
	v, size := make([]float64, n), 1/math.Sqrt(float64(n))
	for i := range v {
		r := kernels.Philox([4]uint32{uint32(i / 128), stream, 0, philoxSigns}, [2]uint32{uint32(seed), uint32(seed >> 32)})
		v[i] = size
		if r[i/32%4]>>(i%32)&1 == 0 {
			v[i] = -size
		}
	}
	return v
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
