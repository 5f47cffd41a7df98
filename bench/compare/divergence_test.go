package compare

import (
	"math"
	"testing"
)

// TestDivergence: by hand, 0 of equal answers, and never below 0.
func TestDivergence(t *testing.T) {
	ln := func(p ...float64) (out []float32) {
		for _, v := range p {
			out = append(out, float32(math.Log(v)))
		}
		return out
	}
	p, q := ln(0.5, 0.5, 0.9, 0.1), ln(0.25, 0.75, 0.9, 0.1)
	want := (0.5*math.Log(2) + 0.5*math.Log(0.5/0.75)) / 2 // the second image's is 0
	if got := divergence(p, q, 2); math.Abs(got-want) > 1e-6 {
		t.Errorf("divergence %g, want %g", got, want)
	}
	if got := divergence(p, p, 2); got != 0 {
		t.Errorf("divergence from itself %g", got)
	}
}
