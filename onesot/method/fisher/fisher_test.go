package fisher

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// execute searches the digits in dir, or goes on with what is there.
func execute(t *testing.T, dir string, s *System, budgets ...float64) *onesot.Search {
	t.Helper()
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	c := onesot.Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), Asked: budgets,
		Settings: s.Defaults(onesot.ModelSettings("digitsnet"))}
	if s.Images < New().Images {
		c.Settings.PretrainEpochs = 3 // what is scored hardly matters
	}
	run, err := onesot.CreateRun(dir, c)
	if err != nil {
		if run, err = onesot.OpenRun(dir); err != nil {
			t.Fatal(err)
		}
	}
	defer run.Close()
	search, err := onesot.NewSearch(dev, run, set, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = search.Execute(context.Background(), onesot.Options{SaveEvery: 1000, Progress: func(onesot.Progress) {}, Evaluated: func(string, int, int) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(search.Close)
	return search
}

// randomChildren have every cost: each draws how likely its gates are to take fewer bits.
func randomChildren(s *quant.Space, n int) (children []quant.Assignment) {
	random := rand.New(rand.NewPCG(7, 8))
	for range n {
		tilt := random.Float64()
		draw := func(options int) int {
			for i := options - 1; i > 0; i-- {
				if random.Float64() < tilt {
					return i
				}
			}
			return 0
		}
		w, x := make([]int, len(s.Layers)), make([]int, len(s.Layers))
		for k := range s.Layers {
			w[k], x[k] = draw(len(s.Weight[k])), draw(len(s.Input[k]))
		}
		children = append(children, quant.Choose(s, w, x))
	}
	return children
}

// kendall is the rank correlation tau-a.
func kendall(a, b []float64) float64 {
	sum, pairs := 0.0, 0.0
	for i := range a {
		for j := range i {
			sum += math.Copysign(1, a[i]-a[j]) * math.Copysign(1, b[i]-b[j])
			pairs++
		}
	}
	return sum / pairs
}

// The sum of sensitivities ranks children as their losses do, better than their costs rank them; and a child that the
// knapsack picks has the lowest sum within its budget.
func TestScoreRanksChildren(t *testing.T) {
	s := New()
	f := execute(t, t.TempDir(), s, s.Asks().Default...)
	children := randomChildren(f.Space, 60)
	points, err := f.Found.Evaluate(context.Background(), children, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var loss, cost, score []float64
	for _, p := range points {
		loss, cost, score = append(loss, p.LossVal), append(cost, -p.RelativeBOPs), append(score, f.Found.Score(p.Assignment))
	}
	byScore, byCost := kendall(score, loss), kendall(cost, loss)
	t.Logf("Kendall's tau with the loss: score %.3f, cost %.3f", byScore, byCost)
	if byScore < 0.85 || byScore < byCost+0.03 {
		t.Error("the score hardly ranks the children")
	}
	if len(f.Found.Points) < 8 {
		t.Errorf("%d children for %d budgets", len(f.Found.Points), len(f.Asked))
	}
	for i, p := range f.Found.Points {
		own := f.Found.Score(p.Assignment)
		t.Logf("cost %.3f of %.2f, val %.3f, test %.3f, score %.4f", p.RelativeBOPs, f.Asked[i], p.AccuracyVal, p.AccuracyTest, own)
		if p.RelativeBOPs > f.Asked[i] {
			t.Errorf("budget %g: the child costs %g", f.Asked[i], p.RelativeBOPs)
		}
		for j := range points {
			if -cost[j] <= f.Asked[i] && score[j] < own-1e-9 {
				t.Errorf("budget %g: score %g, a random child has %g", f.Asked[i], own, score[j])
			}
		}
	}
}

// Scoring reaches every candidate of every gate, moves nothing, and does not depend on what the gates held.
func TestScoringMovesNothing(t *testing.T) {
	s := &System{Images: 64, Batch: 8}
	f := execute(t, t.TempDir(), s, 0.5)
	q := onesot.NewQuantized(f.Problem, nn.Config{Norm: nn.NormPlain, SharedWeights: true})
	defer q.Free()
	values := func() (all []float32) {
		for _, e := range q.State() {
			all = append(all, e.T.Get(nil)...)
		}
		return all
	}
	before := values()
	v, err := score(context.Background(), f.Problem, q, s.Images, s.Batch)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, values()) {
		t.Error("parameters, moments or running statistics were moved")
	}
	for _, g := range f.Space.Gates() {
		row := v.row(g)
		if last := len(row) - 1; row[last] != 0 || !(row[0] > row[1]) || !(row[1] > 0) {
			t.Errorf("layer %d, %v: sensitivities %v", g.Layer, g.Kind, row)
		}
	}
	again, err := score(context.Background(), f.Problem, q, s.Images, s.Batch)
	if err != nil || !slices.EqualFunc(v.Input, again.Input, slices.Equal) || !slices.EqualFunc(v.Weight, again.Weight, slices.Equal) {
		t.Errorf("scored twice: %v, then %v (%v)", v, again, err)
	}
}

// What the gates' gradients say of candidates that no gate chose is what the filters' gradients say of the change that
// these candidates would make, for each image batch <dL/dW, Q_b(W) - Q_widest(W)>.
func TestGateGradientsAreThoseOfTheChange(t *testing.T) {
	f := execute(t, t.TempDir(), &System{Images: 8, Batch: 8}, 0.5)
	q := onesot.NewQuantized(f.Problem, nn.Config{Norm: nn.NormPlain, SharedWeights: true})
	defer q.Free()
	s := newScorer(f.Problem, q, 8)
	defer s.free()
	s.scalars.GradScale.Set([]float32{1})
	for _, l := range q.Params.Layers { // no filter is clipped at its widest, where its gradient would be 0
		w, steps := l.W.Get(nil), l.WStep.Get(nil)
		channels := len(steps) / len(l.WeightBits) // 1 where all share a step
		for k := range channels {
			greatest := float32(0)
			for _, v := range w[k*len(w)/channels : (k+1)*len(w)/channels] {
				greatest = max(greatest, v, -v)
			}
			steps[len(steps)-channels+k] = greatest / 120
		}
		l.WStep.Set(steps)
	}
	dz := s.run(f.Train, []int{0, 1, 2, 3, 4, 5, 6, 7})
	for _, g := range f.Space.Gates() {
		if g.Kind != quant.Weight {
			continue // an input's gradient is not kept
		}
		l := q.Params.Layers[g.Layer]
		w, dw, steps, channels := l.W.Get(nil), l.DW.Get(nil), l.WStep.Get(nil), l.W.Dim(1)
		quantized := func(b, i int) float64 {
			step := float64(steps[b*channels+i/(len(w)/channels)])
			r := quant.Signed(g.Bits[b])
			return step * math.RoundToEven(min(max(float64(w[i])/step, float64(r.Min)), float64(r.Max)))
		}
		row := dz[q.Gates.Row(g.Layer, g.Kind)*cuda.MaxBits:]
		for b := range g.Bits[:len(g.Bits)-1] {
			want, size := 0.0, 0.0
			for i := range w {
				term := float64(dw[i]) * (quantized(b, i) - quantized(len(g.Bits)-1, i))
				want += term
				size += term * term
			}
			if got := float64(row[b] - row[len(g.Bits)-1]); math.Abs(got-want) > 1e-4*math.Sqrt(size)+1e-7 {
				t.Errorf("layer %d, %d bits: %g, by the filters %g of size %g", g.Layer, g.Bits[b], got, want, math.Sqrt(size))
			}
		}
	}
}

// The state holds the sensitivities: a search that goes on scores nothing and finds the same.
func TestResumeScoresNothing(t *testing.T) {
	dir := t.TempDir()
	first := execute(t, dir, &System{Images: 64, Batch: 8}, 0.2, 0.5)
	again := execute(t, dir, &System{Images: 64, Batch: 8}, 0.2, 0.5)
	if !slices.EqualFunc(first.Found.Points, again.Found.Points, func(a, b onesot.Point) bool { return a.Assignment.Equal(b.Assignment) && a.LossVal == b.LossVal }) {
		t.Errorf("found %v, then %v", first.Found.Points, again.Found.Points)
	}
	if again.Account.Backward != first.Account.Backward {
		t.Errorf("%d backward passes, then %d in all", first.Account.Backward, again.Account.Backward)
	}
}

func TestCheckNamesTheFlag(t *testing.T) {
	f := execute(t, t.TempDir(), &System{Images: 8, Batch: 8}, 0.5)
	for _, bad := range []*System{{Images: 8, Batch: 0}, {Images: 4, Batch: 8}, {Images: 1 << 40, Batch: 1 << 30}} {
		if err := bad.Check(f.Problem); err == nil || !strings.Contains(err.Error(), "--score-batch") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	f.Problem.Settings.Norm = nn.NormPair
	if err := New().Check(f.Problem); err == nil || !strings.Contains(err.Error(), "--norm pair") {
		t.Errorf("norm sets that nothing trains: %v", err)
	}
	f.Problem.Settings.Norm = nn.NormPlain
	f.Problem.Asked = []float64{0.01}
	if err := New().Check(f.Problem); err == nil || !strings.Contains(err.Error(), "0.01") {
		t.Errorf("budget below the cheapest child: %v", err)
	}
}
