package compare

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// space is that of a net whose layers differ in cost as those of ResNet-20 do.
func space(t interface{ Fatal(...any) }, layers int) *quant.Space {
	var list []quant.Layer
	for k := range layers {
		list = append(list, quant.Layer{Name: string(rune('a' + k)), MACs: int64(1000 * (1 + k%5)), Weights: 100, OutChannels: 4})
	}
	s, err := quant.NewSpace(list, quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEqualCost: children of the wanted cost, distinct, the same for a seed, of many mixes of weight and input bits.
func TestEqualCost(t *testing.T) {
	bops := quant.BOPs(space(t, 20))
	for _, at := range []float64{0.2, 0.25, 0.5, 0.8} {
		const tolerance = 0.03
		list, err := EqualCost(bops, 40, at, tolerance, 7)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := EqualCost(bops, 40, at, tolerance, 7)
		seen := map[string]bool{}
		heavyWeights, heavyInputs := 0, 0
		for i, a := range list {
			if c := bops.Relative(a); math.Abs(c/at-1) > tolerance {
				t.Errorf("at %g: child %d costs %g", at, i, c)
			}
			if seen[a.Key()] {
				t.Errorf("at %g: child %d is there twice", at, i)
			}
			seen[a.Key()] = true
			if !again[i].Equal(a) {
				t.Fatalf("at %g: the same seed gave another child %d", at, i)
			}
			var w, x int
			for k := range a.Len() {
				wb, xb := a.Bits(k)
				w, x = w+wb, x+xb
			}
			if float64(w) > 1.15*float64(x) {
				heavyWeights++
			}
			if float64(x) > 1.15*float64(w) {
				heavyInputs++
			}
		}
		if at < 0.6 && (heavyWeights < 5 || heavyInputs < 5) {
			t.Errorf("at %g: of 40 children %d have much wider weights, %d much wider inputs; want some of each", at, heavyWeights, heavyInputs)
		}
	}
	if other, _ := EqualCost(bops, 40, 0.25, 0.03, 8); other[0].Key() == mustEqual(t, bops, 7)[0].Key() {
		t.Error("another seed gave the same first child")
	}
}

func mustEqual(t *testing.T, bops *quant.CostTable, seed uint64) []quant.Assignment {
	list, err := EqualCost(bops, 40, 0.25, 0.03, seed)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestEqualCostRefuses(t *testing.T) {
	bops := quant.BOPs(space(t, 4))
	for _, c := range []struct {
		n        int
		at, tol  float64
		contains string
	}{{3, 0.001, 0.03, "the cheapest child costs"}, {5000, 0.8, 0.1, "distinct ones were found, want 5000"}} {
		if _, err := EqualCost(bops, c.n, c.at, c.tol, 1); err == nil || !strings.Contains(err.Error(), c.contains) {
			t.Errorf("%d children at %g: %v, want %q", c.n, c.at, err, c.contains)
		}
	}
}

// TestSpread: as many points as wanted, ascending, both ends among them, whatever the points.
func TestSpread(t *testing.T) {
	s := space(t, 12)
	bops := quant.BOPs(s)
	rapid.Check(t, func(t *rapid.T) {
		var points []onesot.Point
		for _, a := range quantChildren(t, s) {
			points = append(points, onesot.Point{Assignment: a, Cost: bops.Cost(a)})
		}
		n := rapid.IntRange(1, 30).Draw(t, "n")
		got := Spread(points, n)
		if len(got) != min(n, len(points)) {
			t.Fatalf("%d of %d points, want %d", len(got), len(points), n)
		}
		lo, hi := math.Inf(1), 0.0
		for _, p := range points {
			lo, hi = min(lo, p.Cost), max(hi, p.Cost)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Cost < got[i-1].Cost || got[i].Assignment.Key() == got[i-1].Assignment.Key() {
				t.Fatalf("points %d and %d: %g, %g", i-1, i, got[i-1].Cost, got[i].Cost)
			}
		}
		if n > 1 && (got[0].Cost != lo || got[len(got)-1].Cost != hi) {
			t.Fatalf("from %g to %g, want %g to %g", got[0].Cost, got[len(got)-1].Cost, lo, hi)
		}
	})
}

func quantChildren(t *rapid.T, s *quant.Space) []quant.Assignment {
	var out []quant.Assignment
	for range rapid.IntRange(1, 25).Draw(t, "points") {
		w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
		for k := range s.Layers {
			w[k] = rapid.IntRange(0, len(s.Weight[k])-1).Draw(t, "w")
			x[k] = rapid.IntRange(0, len(s.Input[k])-1).Draw(t, "x")
		}
		out = append(out, quant.Choose(s, w, x))
	}
	return distinct(out)
}

// TestOvershoot: by the budget that a point was asked for, else by the least that there is.
func TestOvershoot(t *testing.T) {
	at := func(cost, eta float64) onesot.Point { return onesot.Point{Cost: cost, Eta: eta} }
	for _, c := range []struct {
		points  []onesot.Point
		budgets []float64
		want    float64
	}{
		{[]onesot.Point{at(9, 0.1), at(19, 0.2)}, []float64{0.1, 0.2}, 0},
		{[]onesot.Point{at(9, 0.1), at(22, 0.2)}, []float64{0.1, 0.2}, 0.1},
		{[]onesot.Point{at(15, 0), at(19, 0)}, []float64{0.1, 0.2}, 0.5},
	} {
		if got := overshoot(c.points, c.budgets, 100); math.Abs(*got-c.want) > 1e-12 {
			t.Errorf("%v within %v: %g, want %g", c.points, c.budgets, *got, c.want)
		}
	}
}

// TestShare: one point takes one training, all points all trainings, and a system with a fixed part pays by the point.
func TestShare(t *testing.T) {
	penalties := &Method{AskedBy: onesot.AskPenalties.String(), Asked: make([]float64, 24)}
	budgets := &Method{AskedBy: onesot.AskBudgets.String(), Asked: make([]float64, 24)}
	for _, c := range []struct {
		m        *Method
		n, found int
		want     float64
	}{
		{penalties, 1, 12, 1.0 / 24}, {penalties, 12, 12, 1}, {penalties, 24, 24, 1}, {penalties, 1, 1, 1.0 / 24}, {penalties, 2, 1, 1},
		{penalties, 23, 12, 47.0 / 24}, {budgets, 3, 12, 0.25}, {budgets, 24, 12, 2},
	} {
		if got := c.m.share(c.n, c.found); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s, %d of %d points: %g, want %g", c.m.AskedBy, c.n, c.found, got, c.want)
		}
	}
}
