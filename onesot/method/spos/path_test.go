package spos

import (
	"math"
	"testing"

	"vimps-gpu/quant"
)

// Every option of every gate is drawn equally often, whatever the other gates draw and the step before drew.
func TestUniformPath(t *testing.T) {
	s := testSpace(t, 4)
	p := newSampler(s, quant.BOPs(s), 3, 0)
	const steps = 9000
	joint := map[[3]int]int{} // weights of layers 1 and 2, weights of layer 1 a step later
	last := -1
	for step := range steps {
		a := p.child(step, steps)
		if w, x := a.Bits(0); w != 8 || x != 8 {
			t.Fatalf("the pinned layer has %d/%d bits", w, x)
		}
		first, _ := s.Choice(a, 1)
		second, _ := s.Choice(a, 2)
		if last >= 0 {
			joint[[3]int{last, first, second}]++
		}
		last = first
	}
	const want = steps / 27.0
	chi2 := 0.0
	for i := range 27 {
		d := float64(joint[[3]int{i / 9, i / 3 % 3, i % 3}]) - want
		chi2 += d * d / want
	}
	if chi2 > 54 { // 26 degrees of freedom: exceeded with probability 0.1 %
		t.Errorf("chi square %.1f over 27 cells", chi2)
	}
}

// With bins the relative costs are spread evenly over them; without, they gather in the middle.
func TestBinnedPath(t *testing.T) {
	s := testSpace(t, 4)
	const steps, bins = 3000, 5
	spread := func(p *sampler) (worst float64) {
		of := *p
		of.bins, of.wide = bins, (1-of.lo)/bins
		counts := make([]float64, bins)
		for step := range steps {
			counts[of.bin(p.child(step, steps))]++
		}
		t.Logf("%v of %d", counts, steps)
		for _, n := range counts {
			worst = math.Max(worst, math.Abs(n*bins/steps-1))
		}
		return worst
	}
	cost := quant.BOPs(s)
	if even, plain := spread(newSampler(s, cost, 3, bins)), spread(newSampler(s, cost, 3, 0)); even > 0.12 || plain < 0.5 {
		t.Errorf("bins are off by up to %.2f of an even share with --bins, by %.2f without", even, plain)
	}
}
