package fn3

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"vimps-gpu/quant"
)

func testSpace(t testing.TB, n int, bits ...int) *quant.Space {
	t.Helper()
	var layers []quant.Layer
	for k := range n {
		layers = append(layers, quant.Layer{Name: fmt.Sprint("conv", k), MACs: int64(1000 * (1 + (k*5)%7)), Weights: 9, OutChannels: 3})
	}
	s, err := quant.NewSpace(layers, quant.Policy{WeightBits: bits, InputBits: bits, First: quant.Pin{Weight: 8, Input: 8}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// toyLoss is the sum over the gates of sensitivity x 4^-bits; coupled, its exponential: what a removal adds then grows
// with every removal before it.
func toyLoss(coupled bool) func(a quant.Assignment) float64 {
	return func(a quant.Assignment) float64 {
		sum := 0.0
		for k := range a.Len() {
			w, x := a.Bits(k)
			sum += float64(2+(k*3)%5)*math.Pow(4, -float64(w)) + float64(1+(k*7)%4)*math.Pow(4, -float64(x))
		}
		if coupled {
			return math.Exp(0.3 * sum)
		}
		return sum
	}
}

// counted is a removal that evaluates each child once and counts.
func counted(s *quant.Space, most int, f func(quant.Assignment) float64) (r *removal, calls *int) {
	calls = new(int)
	known := map[string]float64{}
	return &removal{space: s, cost: quant.BOPs(s), most: most, after: func() error { return nil }, loss: func(a quant.Assignment) (float64, error) {
		if v, ok := known[a.Key()]; ok {
			return v, nil
		}
		*calls++
		known[a.Key()] = f(a)
		return known[a.Key()], nil
	}}, calls
}

// naive evaluates the narrowing of every gate for every removal.
func naive(s *quant.Space, f func(quant.Assignment) float64) (path []quant.Assignment, calls int) {
	cost := quant.BOPs(s)
	at := [2][]int{make([]int, len(s.Layers)), make([]int, len(s.Layers))}
	for k := range s.Layers {
		at[0][k], at[1][k] = len(s.Weight[k])-1, len(s.Input[k])-1
	}
	for {
		now := quant.Choose(s, at[0], at[1])
		path = append(path, now)
		best, rate, saved := (*int)(nil), math.Inf(1), 0.0
		for _, g := range s.Gates() {
			place := &at[g.Kind][g.Layer]
			if *place == 0 {
				continue
			}
			*place--
			child := quant.Choose(s, at[0], at[1])
			*place++
			calls++
			less := cost.Cost(now) - cost.Cost(child)
			r := math.Max(0, f(child)-f(now)) / less
			if r < rate || r == rate && less > saved {
				best, rate, saved = place, r, less
			}
		}
		if best == nil {
			return path, calls
		}
		*best--
	}
}

// The lazy search walks the path of the naive one by a fraction of its evaluations, where rises never fall as more is
// removed.
func TestLazyIsNaive(t *testing.T) {
	s := testSpace(t, 16, 2, 3, 4, 8)
	for _, coupled := range []bool{false, true} {
		f := toyLoss(coupled)
		want, all := naive(s, f)
		r, calls := counted(s, 0, f)
		got, err := r.path()
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != 1+15*2*3 || len(got) != len(want) {
			t.Fatalf("paths of %d and %d children, want %d", len(got), len(want), 1+15*2*3)
		}
		for i := range want {
			if !got[i].Equal(want[i]) {
				t.Fatalf("coupled %t: child %d is %v, naive %v", coupled, i, got[i], want[i])
			}
		}
		t.Logf("coupled %t: %d evaluations, naive %d", coupled, *calls, all)
		if *calls > all/4 {
			t.Errorf("coupled %t: %d evaluations, naive %d", coupled, *calls, all)
		}
	}
}

// With a bound on what is measured anew the path still falls in cost from the widest to the narrowest, and evaluations
// stay below (most + 1) a removal beside one for each gate.
func TestBoundedRemoval(t *testing.T) {
	s := testSpace(t, 10, 2, 4, 8)
	noise := func(a quant.Assignment) float64 { // unrelated to anything, as where accuracy saturates
		h := uint64(14695981039346656037)
		for _, b := range []byte(a.Key()) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		return float64(h>>40) / (1 << 24)
	}
	const most = 3
	r, calls := counted(s, most, noise)
	path, err := r.path()
	if err != nil {
		t.Fatal(err)
	}
	gates, removals := len(s.Gates()), len(path)-1
	if limit := 1 + gates + removals*(most+1); *calls > limit || removals != 2*gates {
		t.Errorf("%d evaluations for %d removals, want at most %d for %d", *calls, removals, limit, 2*gates)
	}
	cost := quant.BOPs(s)
	if path[0].Key() != quant.MaxAssignment(s).Key() || path[removals].Key() != quant.Cheapest(cost).Key() {
		t.Errorf("the path goes from %v to %v", path[0], path[removals])
	}
	for i := range removals {
		if cost.Cost(path[i+1]) >= cost.Cost(path[i]) {
			t.Errorf("child %d costs no less than the one before", i+1)
		}
	}
}

// Gates whose narrowing saves nothing stay as wide as they are.
func TestNothingSaved(t *testing.T) {
	s := testSpace(t, 4, 2, 4, 8)
	r, _ := counted(s, 0, toyLoss(false))
	r.cost = quant.SizeBytes(s) // does not depend on input bits
	path, err := r.path()
	if err != nil {
		t.Fatal(err)
	}
	last := path[len(path)-1]
	for k := 1; k < 4; k++ {
		if w, x := last.Bits(k); w != 2 || x != 8 {
			t.Errorf("conv%d ends at %d/%d bits, want 2/8", k, w, x)
		}
	}
}

// A search that is cut off and begun again with the losses remembered walks the same path by no more evaluations.
func TestRemovalResumes(t *testing.T) {
	s, f := testSpace(t, 6, 2, 4, 8), toyLoss(true)
	whole, total := counted(s, 2, f)
	want, err := whole.path()
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	for _, cut := range []int{0, 1, 10, 11, 12, *total - 1} {
		r, calls := counted(s, 2, f)
		inner := r.loss
		r.loss = func(a quant.Assignment) (float64, error) {
			before := *calls
			v, err := inner(a)
			if *calls > before && before == cut {
				return 0, stop
			}
			return v, err
		}
		if _, err := r.path(); !errors.Is(err, stop) {
			t.Fatalf("it was not cut: %v", err)
		}
		again := &removal{space: s, cost: r.cost, most: 2, loss: inner, after: r.after}
		got, err := again.path()
		if err != nil || len(got) != len(want) || *calls != *total {
			t.Fatalf("cut at %d: %d children by %d evaluations, want %d by %d (%v)", cut, len(got), *calls, len(want), *total, err)
		}
		for i := range want {
			if !got[i].Equal(want[i]) {
				t.Fatalf("cut at %d: child %d differs", cut, i)
			}
		}
	}
}
