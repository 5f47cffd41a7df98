package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// madeUp is a report of a net with the given number of searched layers and etas.
// Bits fall with eta, later layers first, and accuracy with the cost.
func madeUp(t testing.TB, searched, etas int) *Report {
	t.Helper()
	layers := []quant.Layer{{Name: "conv1", MACs: 442368, Weights: 432, OutChannels: 16, SignedInput: true}}
	for k := range searched {
		layers = append(layers, quant.Layer{Name: fmt.Sprintf("layer%d.%d.conv%d", 1+3*k/searched, k/2%3, k%2+1),
			MACs: 2359296, Weights: 2304 << (2 * (3 * k / searched)), OutChannels: 16 << (3 * k / searched)})
	}
	layers = append(layers, quant.Layer{Name: "linear", MACs: 640, Weights: 640, OutChannels: 10, PerTensor: true})
	for k := range layers { // names must be unique
		layers[k].Name = strings.Replace(layers[k].Name, ".", fmt.Sprintf(".%d", k/6), 1)
	}
	s, err := quant.NewSpace(layers, quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Title: "One-shot search", Space: s, Front: &onesot.Front{Method: "oneshot", Model: "resnet20", Data: "cifar10",
		FP32: &onesot.Accuracy{Val: 0.926, Test: 0.9173}}}
	bops := quant.BOPs(s)
	r.Front.Cost = onesot.CostInfo{Name: bops.Name, Unit: bops.Unit, Definition: bops.Definition, Max: bops.Max()}
	rng := rand.New(rand.NewPCG(1, 2))
	for e := range etas {
		u := float64(e) / float64(max(etas-1, 1))
		r.Etas = append(r.Etas, 1e-3*math.Pow(3e4, u))
		r.addSweep(u, rng)
	}
	seen := map[string]bool{}
	for e, a := range r.Children {
		if !seen[a.Key()] {
			seen[a.Key()] = true
			r.Front.Points = append(r.Front.Points, evaluate(s, a, r.Etas[e], rng.NormFloat64()*0.003))
		}
	}
	onesot.MarkFront(r.Front.Points)
	r.addBaselines(t, rng)
	for e := range 20 {
		x := float64(e) / 19
		r.Metrics = append(r.Metrics, MetricRow{Epoch: float64(e + 1), Task: 0.25 + 0.8*math.Exp(-5*x), Loss: 0.3 + 1.2*math.Exp(-4*x), Hardware: 0.3 * math.Exp(-2*x),
			Prior: 0.02 * x, Similarity: 0.05 * (1 - x), Entropy: 1.05 * math.Exp(-2.5*x), ExpectedCost: 0.35 - 0.1*x, ArgmaxCost: 0.33 - 0.05*x*math.Sin(9*x)})
	}
	r.Summary = [][2]string{{"children", fmt.Sprintf("%d distinct", len(r.Front.Points))}, {"hypervolume (test)", "0.7321"}, {"training", "48 min 12 s on 2 cores (avx512)"}, {"peak memory", "1.31 GiB"}}
	for i := range 24 {
		r.Settings = append(r.Settings, [2]string{fmt.Sprintf("--flag-%d", i), "value <" + strings.Repeat("x", i%7) + ">"})
	}
	return r
}

func (r *Report) addSweep(u float64, rng *rand.Rand) {
	w, x := make([]int, len(r.Space.Layers)), make([]int, len(r.Space.Layers))
	var pi [][]float32
	for _, g := range r.Space.Gates() {
		place := 2.4*u - 1.2 + 0.9*math.Sin(float64(3*g.Layer+5*int(g.Kind)))*0.6
		row, sum, best := make([]float32, len(g.Bits)), float32(0), 0
		for j := range g.Bits {
			row[j] = float32(math.Exp(-3.5*place*quant.Rank(j, len(g.Bits)) + 1.6*float64(j%2) + 0.3*rng.Float64()))
			sum += row[j]
			if row[j] > row[best] {
				best = j
			}
		}
		for j := range row {
			row[j] /= sum
		}
		pi = append(pi, row)
		if g.Kind == quant.Weight {
			w[g.Layer] = best
		} else {
			x[g.Layer] = best
		}
	}
	r.Pi = append(r.Pi, pi)
	r.Children = append(r.Children, quant.Choose(r.Space, w, x))
}

func evaluate(s *quant.Space, a quant.Assignment, eta, noise float64) onesot.Point {
	bops := quant.BOPs(s)
	rel := bops.Relative(a)
	accuracy := 0.922 - 0.13*math.Exp(-rel*14) + noise
	return onesot.Point{Eta: eta, BOPs: bops.Cost(a), RelativeBOPs: rel, Cost: bops.Cost(a), SizeBytes: quant.SizeBytes(s).Cost(a),
		AccuracyVal: accuracy, AccuracyTest: accuracy - 0.006 + noise/2, LossVal: 3 * (1 - accuracy), Assignment: a}
}

func (r *Report) addBaselines(t testing.TB, rng *rand.Rand) {
	t.Helper()
	uniform, random := Baseline{Name: "uniform bits"}, Baseline{Name: "random"}
	for _, w := range []int{2, 4, 8} {
		for _, x := range []int{2, 4, 8} {
			a, err := quant.Uniform(r.Space, w, x)
			if err != nil {
				t.Fatal(err)
			}
			uniform.Points = append(uniform.Points, evaluate(r.Space, a, 0, -0.01-0.002*rng.Float64()))
			uniform.Labels = append(uniform.Labels, fmt.Sprintf("W%dA%d", w, x))
		}
	}
	for range 20 {
		w, x := make([]int, len(r.Space.Layers)), make([]int, len(r.Space.Layers))
		for _, g := range r.Space.Gates() {
			w[g.Layer], x[g.Layer] = rng.IntN(3), rng.IntN(3)
			if g.Kind == quant.Weight && r.Space.Gate(g.Layer, quant.Input).Pinned() {
				x[g.Layer] = 0
			}
		}
		random.Points = append(random.Points, evaluate(r.Space, quant.Choose(r.Space, w, x), 0, -0.03*rng.Float64()))
	}
	r.Baselines = []Baseline{uniform, random}
}
