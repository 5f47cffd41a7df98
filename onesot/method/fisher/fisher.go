package fisher

import (
	"context"
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// System is the search; its fields are its options.
type System struct {
	Images int // scored
	Batch  int // images of a gradient
}

// New gives the defaults. ModelOpt scores 128 batches too.
func New() *System { return &System{Images: 1024, Batch: 8} }

// Name is the system's.
func (s *System) Name() string { return "fisher" }

// About says what it is.
func (s *System) About() string {
	return "post-training: Fisher sensitivities from one backward pass, exact knapsack (after NVIDIA Model Optimizer's auto_quantize)"
}

// Defaults: one filter for all bit widths and one batch norm, as in the fp32 net.
func (s *System) Defaults(d onesot.Settings) onesot.Settings {
	d.SharedWeights, d.Norm = true, nn.NormPlain
	return d
}

// Options are its own numbers.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "score-images", Usage: "training images that bit widths are scored on", Value: &s.Images},
		{Name: "score-batch", Usage: "images whose gradients are averaged before they are squared", Value: &s.Batch},
	}
}

// Asks says that children are asked for by their relative costs.
func (s *System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskBudgets, What: "relative cost", Default: []float64{0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.35, 0.5, 0.7}}
}

// Check refuses numbers that cannot be, and budgets that no child keeps.
func (s *System) Check(p *onesot.Problem) error {
	if s.Batch < 1 || s.Images < s.Batch || s.Batch > p.Train.Len() {
		return fmt.Errorf("--score-images %d --score-batch %d: want one batch or more of the %d training images", s.Images, s.Batch, p.Train.Len())
	}
	if p.Settings.Norm != nn.NormPlain {
		return fmt.Errorf("--norm %s: nothing is trained, so that all bit widths have the fp32 net's batch norm; want bn", p.Settings.Norm)
	}
	if err := p.RefuseTies("fisher", "its knapsack decides layer by layer"); err != nil {
		return err
	}
	return p.CheckBudgets()
}

// Search scores the bit widths, or reads the scores that the state holds, and evaluates the child of each budget.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	q := onesot.NewQuantized(p, nn.Config{Norm: nn.NormPlain, SharedWeights: true})
	judge := onesot.NewJudge(p, q)
	found := &onesot.Found{Free: func() { judge.Free(); q.Free() }}
	err := s.search(ctx, p, judge, found)
	if err != nil {
		found.Free()
		return nil, err
	}
	return found, nil
}

func (s *System) search(ctx context.Context, p *onesot.Problem, judge *onesot.Judge, found *onesot.Found) error {
	v, err := s.sensitivity(ctx, p, judge.Net)
	if err != nil {
		return err
	}
	found.Judge = func(context.Context, quant.Assignment) (*onesot.Judge, error) { return judge, nil }
	found.Score = func(a quant.Assignment) float64 { return v.of(p.Space, a) / 2 }
	children, err := solve(p.Cost, v, p.Asked)
	if err != nil {
		return err
	}
	found.Points, err = found.Evaluate(ctx, children, func(done, of int) { p.Options.Evaluated("children", done, of) })
	return err
}

func (s *System) sensitivity(ctx context.Context, p *onesot.Problem, q *onesot.Quantized) (v sensitivity, err error) {
	none := func() []nn.NamedTensor { return nil }
	if done, err := p.State.Read(&v, none); done || err != nil {
		return v, err
	}
	if v, err = score(ctx, p, q, s.Images, s.Batch); err != nil {
		return v, err
	}
	return v, p.State.Write(v, none())
}

// solve gives the distinct best children within relative costs.
func solve(cost *quant.CostTable, v sensitivity, budgets []float64) (children []quant.Assignment, err error) {
	layers := options(cost, v)
	seen := map[string]bool{}
	for _, b := range budgets {
		best, err := Solve(layers, absolute(b, cost.Max()))
		if err != nil {
			return nil, err
		}
		if a := child(cost.Space, best.Choice); !seen[a.Key()] {
			seen[a.Key()] = true
			children = append(children, a)
		}
	}
	return children, nil
}

// absolute is the greatest cost whose share of the greatest is b or less.
func absolute(b, greatest float64) float64 {
	cost := math.Nextafter(b*greatest, math.Inf(1))
	for cost/greatest > b {
		cost = math.Nextafter(cost, 0)
	}
	return cost
}

// options are the knapsack's: of each layer, weight candidate by weight candidate, one for each input candidate.
func options(cost *quant.CostTable, v sensitivity) [][]Option {
	layers := make([][]Option, len(cost.Layers))
	for k, rows := range cost.Layers {
		for i, row := range rows {
			for j, c := range row {
				layers[k] = append(layers[k], Option{Cost: c, Value: v.Weight[k][i] + v.Input[k][j]})
			}
		}
	}
	return layers
}

// child is the assignment of a choice among options.
func child(s *quant.Space, choice []int) quant.Assignment {
	w, x := make([]int, len(choice)), make([]int, len(choice))
	for k, o := range choice {
		w[k], x[k] = o/len(s.Input[k]), o%len(s.Input[k])
	}
	return quant.Choose(s, w, x)
}
