package fisher

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// every visits all choices of a small space.
func every(layers [][]Option, visit func(choice []int, cost, value float64)) {
	choice := make([]int, len(layers))
	var walk func(k int, cost, value float64)
	walk = func(k int, cost, value float64) {
		if k == len(layers) {
			visit(choice, cost, value)
			return
		}
		for o, option := range layers[k] {
			choice[k] = o
			walk(k+1, cost+option.Cost, value+option.Value)
		}
	}
	walk(0, 0, 0)
}

// best is the least value within a budget, and the least cost that has it.
func best(layers [][]Option, budget float64) (cost, value float64) {
	cost, value = math.Inf(1), math.Inf(1)
	every(layers, func(_ []int, c, v float64) {
		if c <= budget && (v < value || v == value && c < cost) {
			cost, value = c, v
		}
	})
	return cost, value
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-11*max(1, math.Abs(a), math.Abs(b)) }

// check tells whether a solution is what it says and within its budget.
func check(t interface{ Fatalf(string, ...any) }, layers [][]Option, s Solution, budget float64) {
	cost, value := 0.0, 0.0
	for k, o := range s.Choice {
		cost += layers[k][o].Cost
		value += layers[k][o].Value
	}
	if len(s.Choice) != len(layers) || cost != s.Cost || value != s.Value || cost > budget || s.Gap != 0 {
		t.Fatalf("budget %g: %+v sums to cost %g, value %g", budget, s, cost, value)
	}
}

// space draws layers whose costs and values are as hard as kind says.
func space(t *rapid.T, layers, options int) [][]Option {
	kind := rapid.SampledFrom([]string{"free", "bits", "ties", "equal", "huge", "same"}).Draw(t, "kind")
	out := make([][]Option, rapid.IntRange(1, layers).Draw(t, "layers"))
	for k := range out {
		for range rapid.IntRange(1, options).Draw(t, "options") {
			o := Option{rapid.Float64Range(0, 1).Draw(t, "cost"), rapid.Float64Range(-1, 1).Draw(t, "value")}
			switch kind {
			case "bits":
				o.Cost = float64(rapid.SampledFrom([]int{4, 8, 16, 32, 64}).Draw(t, "w*x") * 2359296)
			case "ties":
				o = Option{float64(rapid.IntRange(0, 3).Draw(t, "cost")), float64(rapid.IntRange(0, 3).Draw(t, "value"))}
			case "equal": // value says nothing that cost does not
				o = Option{float64(rapid.IntRange(0, 1000).Draw(t, "cost")), 0}
				o.Value = -o.Cost
			case "huge":
				o.Cost = math.Floor(1e14 * o.Cost)
			case "same":
				o.Value = 0
			}
			out[k] = append(out[k], o)
		}
	}
	return out
}

func TestSolveIsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := space(t, 6, 5)
		var costs []float64
		every(layers, func(_ []int, c, _ float64) { costs = append(costs, c) })
		budget := rapid.SampledFrom(costs).Draw(t, "budget") + rapid.SampledFrom([]float64{0, 0, 1e-9, 0.5}).Draw(t, "more")
		s, err := Solve(layers, budget)
		if err != nil {
			t.Fatal(err)
		}
		check(t, layers, s, budget)
		if _, want := best(layers, budget); !near(s.Value, want) {
			t.Fatalf("budget %g: value %g, the best is %g", budget, s.Value, want)
		}
	})
}

// Six layers of nine options, as {2,4,8} for weights and inputs make.
func TestSolveIsBruteForceOnNineOptions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		layers := bops(random, 6)
		for _, share := range []float64{0.07, 0.1, 0.25, 0.5, 1} {
			budget := share * total(layers)
			s, err := Solve(layers, budget)
			if err != nil {
				t.Fatal(err)
			}
			check(t, layers, s, budget)
			if cost, value := best(layers, budget); !near(s.Value, value) || s.Cost != cost {
				t.Errorf("share %g: cost %g value %g, the best is %g, %g", share, s.Cost, s.Value, cost, value)
			}
		}
	}
}

// bops are layers of random MACs with the costs of {2,4,8} x {2,4,8} bits and sensitivities that fall with the bits.
func bops(random *rand.Rand, n int) [][]Option {
	layers := make([][]Option, n)
	for k := range layers {
		macs := float64(8 * (1 + random.IntN(1<<22)))
		ws, xs := random.ExpFloat64(), random.ExpFloat64()
		for _, w := range []int{2, 4, 8} {
			for _, x := range []int{2, 4, 8} {
				v := ws*math.Exp2(-2*float64(w)) + xs*math.Exp2(-2*float64(x))
				layers[k] = append(layers[k], Option{macs * float64(w*x), v * (1 + 0.2*random.Float64())})
			}
		}
	}
	return layers
}

func total(layers [][]Option) (sum float64) {
	for _, options := range layers {
		sum += options[len(options)-1].Cost
	}
	return sum
}

func TestFrontAnswersEveryBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := space(t, 5, 5)
		front, err := Front(layers)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range front {
			check(t, layers, f, f.Cost)
			if i > 0 && (f.Cost <= front[i-1].Cost || f.Value >= front[i-1].Value) {
				t.Fatalf("%+v follows %+v", f, front[i-1])
			}
		}
		every(layers, func(choice []int, c, v float64) {
			for _, f := range front {
				if f.Cost <= c && f.Value <= v {
					return
				}
			}
			t.Fatalf("%v of cost %g and value %g is beaten by none of the front", choice, c, v)
		})
	})
}

func TestSolveIsFast(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, share := range []float64{0.07, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.35, 0.5, 0.7, 0.99} {
		layers := bops(random, 53)
		began := time.Now()
		s, err := Solve(layers, share*total(layers))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		check(t, layers, s, share*total(layers))
		t.Logf("share %.2f: %v", share, took)
		if took > time.Second { // some 5 ms on an idle machine
			t.Errorf("53 layers of 9 options took %v at %g", took, share)
		}
	}
}

// Where costs equal values there is no bound to speak of: the answer fits, and says how far it may be from the best.
func TestSolveWithoutRoomTellsItsGap(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	layers, sum := make([][]Option, 30), 0.0
	for k := range layers {
		for range 9 {
			c := math.Floor(1e12 * random.Float64())
			layers[k] = append(layers[k], Option{c, -c})
			sum += c / 9
		}
	}
	budget := math.Floor(sum)
	s, err := Solve(layers, budget)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("value %.0f of %.0f, gap %.0f", s.Value, -budget, s.Gap)
	if s.Cost > budget || s.Value-s.Gap > -budget || s.Gap > 1e-3*budget {
		t.Errorf("%+v for a budget of %g", s, budget)
	}
	if _, err := Front(layers); err == nil || !strings.Contains(err.Error(), "budgets") {
		t.Errorf("front: %v", err)
	}
}

func TestInfeasibleBudgetNamesTheLeastCost(t *testing.T) {
	layers := [][]Option{{{5, 1}, {3, 2}}, {{4, 0}}}
	if _, err := Solve(layers, 6.9); err == nil || !strings.Contains(err.Error(), "costs 7") {
		t.Errorf("error %v", err)
	}
	if _, err := Solve(layers, math.NaN()); err == nil {
		t.Error("a budget that is no number was accepted")
	}
	if s, err := Solve(layers, 7); err != nil || s.Choice[0] != 1 || s.Choice[1] != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
