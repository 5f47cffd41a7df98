package bitmixer

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func testSpace(t testing.TB, n int, p quant.Policy) *quant.Space {
	t.Helper()
	var layers []quant.Layer
	for k := range n {
		layers = append(layers, quant.Layer{Name: fmt.Sprint("conv", k), MACs: int64(1000 * (1 + (k*5)%7)), Weights: 9, OutChannels: 3})
	}
	s, err := quant.NewSpace(layers, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func policy(bits ...int) quant.Policy {
	return quant.Policy{WeightBits: bits, InputBits: bits, First: quant.Pin{Weight: 8, Input: 8}}
}

// Stage I varies the inputs under the widest weights, stage II touches only equal widths all over, stage III every
// transition from one layer to the next, more and more often.
func TestStages(t *testing.T) {
	s := testSpace(t, 4, policy(2, 4, 8))
	d := &stages{space: s, searched: s.Searched(), widths: 3, seed: 4, first: 0.25, second: 0.25}
	const steps = 8000
	type transition struct{ from, to int }
	var seen [4]map[transition]int // of quarters of the steps, from layer 1's weights to layer 2's input
	var mixed [4]int
	for q := range seen {
		seen[q] = map[transition]int{}
	}
	for step := range steps {
		a, quarter := d.child(step, steps), 4*step/steps
		w1, x1 := a.Bits(1)
		w2, x2 := a.Bits(2)
		_, x3 := a.Bits(3)
		if w0, x0 := a.Bits(0); w0 != 8 || x0 != 8 {
			t.Fatalf("the pinned layer has %d/%d bits", w0, x0)
		}
		if quarter == 0 && (w1 != 8 || w2 != 8 || x1 != x2 || x2 != x3) || quarter > 0 && (w1 != x1 || w2 != x2) {
			t.Fatalf("step %d: %v", step, a)
		}
		seen[quarter][transition{w1, x2}]++
		if x1 != x2 || x2 != x3 {
			mixed[quarter]++
		}
	}
	for q, want := range [4]int{3, 3, 9, 9} {
		if len(seen[q]) != want {
			t.Errorf("quarter %d touches %d transitions, want %d: %v", q, len(seen[q]), want, seen[q])
		}
	}
	for from, n := range seen[1] {
		if from.from != from.to || math.Abs(float64(n)-steps/12.0) > 90 {
			t.Errorf("stage II: %d times from %d to %d bits, want a third of %d on the diagonal", n, from.from, from.to, steps/4)
		}
	}
	// Three layers of own widths all agree with probability 1/9; the mean of the ramp is 1/4 in the third quarter, 3/4 in the last.
	for q, ramp := range [4]float64{0, 0, 0.25, 0.75} {
		if got, want := float64(mixed[q])/(steps/4), ramp*8/9; math.Abs(got-want) > 0.03 {
			t.Errorf("quarter %d mixes widths in a share of %.3f of the steps, want %.3f", q, got, want)
		}
	}
}

// A quadratic's eigenvalues are known.
func TestPowerIteration(t *testing.T) {
	const n = 40
	for _, top := range []float64{7, -7, 0} {
		values := make([]float64, n)
		for i := range values {
			values[i] = 3 * math.Cos(float64(i)) * math.Min(1, math.Abs(top))
		}
		values[n/3] = top
		// H = R diag(values) R with R = I - 2uu, so that no eigenvector is along an axis.
		u := make([]float64, n)
		for i := range u {
			u[i] = math.Sin(float64(3*i + 1))
		}
		length := math.Sqrt(dot(u, u))
		reflect := func(v []float64) {
			p := 2 * dot(u, v) / (length * length)
			for i := range v {
				v[i] -= p * u[i]
			}
		}
		e := powerIteration(n, func(out, v []float64) {
			copy(out, v)
			reflect(out)
			for i := range out {
				out[i] *= values[i]
			}
			reflect(out)
		}, 1, 2, 100, 1e-6)
		if math.Abs(e.Value-top) > 1e-4*math.Abs(top) || e.Products > 60 || top != 0 && e.Change > 1e-6 {
			t.Errorf("%+v, want %g", e, top)
		}
	}
	// The cap holds.
	if e := powerIteration(2, func(out, v []float64) { out[0], out[1] = v[1], -v[0] }, 1, 2, 9, 0); e.Products != 9 {
		t.Errorf("%+v, want 9 products", e)
	}
}

// The path falls in cost, each step is the best there is, and the child of a budget is within it and as dear as the path
// allows.
func TestLowering(t *testing.T) {
	s := testSpace(t, 9, policy(2, 3, 4, 8))
	cost := quant.BOPs(s)
	l := &lowering{space: s, cost: cost, harm: func(layer, from, to int) float64 {
		return float64(1+(layer*3)%5) * (math.Pow(4, float64(from-to)) - 1) * math.Pow(4, float64(-to))
	}}
	path := l.path()
	if len(path) != 1+8*3 || path[0].Key() != quant.MaxAssignment(s).Key() || path[24].Key() != quant.Cheapest(cost).Key() {
		t.Fatalf("%d children from %v to %v", len(path), path[0], path[len(path)-1])
	}
	for n := 1; n < len(path); n++ {
		best, did := math.Inf(1), math.Inf(1)
		for k := 1; k < 9; k++ {
			was, x := s.Choice(path[n-1], k)
			is, _ := s.Choice(path[n], k)
			if w, x := path[n].Bits(k); w != x {
				t.Fatalf("child %d: %d/%d bits", n, w, x)
			}
			if was == 0 {
				continue
			}
			rate := l.harm(k, was, was-1) / (cost.Layers[k][was][x] - cost.Layers[k][was-1][was-1])
			best = math.Min(best, rate)
			if is != was {
				did = rate
			}
		}
		if did != best {
			t.Errorf("step %d lowers a layer of rate %g, the least is %g", n, did, best)
		}
	}
	for i := range 200 {
		budget := cheapestTied(cost) + float64(i)/199*(1-cheapestTied(cost))
		a := within(path, cost, []float64{budget})[0]
		if cost.Relative(a) > budget {
			t.Errorf("budget %g: %v costs %g", budget, a, cost.Relative(a))
		}
		for _, b := range path {
			if r := cost.Relative(b); r <= budget && r > cost.Relative(a) {
				t.Errorf("budget %g: took %g, the path has %g", budget, cost.Relative(a), r)
			}
		}
	}
}

func TestChanges(t *testing.T) {
	w := []float32{0.9, -2.6, 0.24, 1.5}
	if got := quantize(w, []float32{0.5, 1}, quant.Signed(2)); fmt.Sprint(got) != "[0.5 -1 0 1]" {
		t.Errorf("two channels at 2 bits: %v", got)
	}
	if got := quantize(w, []float32{0.5}, quant.Signed(4)); fmt.Sprint(got) != "[1 -2.5 0 1.5]" { // 1.8, -5.2, .48, 3
		t.Errorf("one step at 4 bits: %v", got)
	}
}

func TestCheckTied(t *testing.T) {
	ok := testSpace(t, 3, policy(2, 4, 8))
	if err := checkTied(ok); err != nil {
		t.Error(err)
	}
	uneven := policy(2, 4, 8)
	uneven.InputBits = []int{2, 8}
	half := testSpace(t, 3, policy(2, 4, 8))
	half.Input[2] = []int{8}
	for _, s := range []*quant.Space{testSpace(t, 3, uneven), half} {
		if checkTied(s) == nil {
			t.Errorf("%v / %v was taken", s.Weight, s.Input)
		}
	}
	d := New().Defaults(onesot.ModelSettings("resnet20"))
	if d.Norm != nn.NormTransition || !d.SharedWeights {
		t.Errorf("defaults %+v", d)
	}
}
