// Package bitmixer is Bit-Mixer (Bulat & Tzimiropoulos, "Bit-Mixer: Mixed-precision networks with runtime bit-width
// selection", ICCV 2021): one net for every mix of widths, trained in three stages with a batch norm for each transition
// from one width to the next; a child is then picked by the filters' Hessians, without evaluations.
//
// The source's: weights and input of a layer share one width; LSQ; transitional batch norm; three stages from an easier
// setting over one width for the whole net to a width for each layer, the last brought in gradually. Our reading, where
// it states less: what the easier setting is (weights at their widest), the stages' shares of the steps, a linear ramp,
// and the greedy choice by eigenvalue x squared change of the filter for each saved cost. Not taken over: the
// grid without its lowest level, here LSQ's as in every other system, and distillation, which is optional there.
//
// A child whose widths differ within a layer was not trained, but the net gives it an answer like any other: its norms
// are those of the transition from a layer's weight width to the next layer's input width.
package bitmixer

import (
	"context"
	"fmt"
	"math"
	"slices"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/spos/singlepath"
	"vimps-gpu/quant"
)

// System is the search; its fields are its options.
type System struct {
	Stage1        float64 // share of the steps
	Stage2        float64
	HessianImages int
	Products      int // with the Hessian, of one layer, at most
}

// tolerance is the relative change of an eigenvalue at which power iteration stops. Products of a net with ReLUs are not
// exact enough for less.
const tolerance = 1e-2

// New gives the defaults. They are ours; the source gives no shares and no batch.
func New() onesot.System {
	return &System{Stage1: 0.2, Stage2: 0.3, HessianImages: 256, Products: 20}
}

// Name is the system's.
func (s *System) Name() string { return "bitmixer" }

// About says what it is.
func (s *System) About() string {
	return "one net for every mix of widths by transitional batch norm, children picked by Hessian eigenvalues (Bulat & Tzimiropoulos, ICCV 2021)"
}

// Defaults: one filter for all bit widths, a batch norm a transition.
func (s *System) Defaults(d onesot.Settings) onesot.Settings {
	d.SharedWeights, d.Norm, d.Recalibrate = true, nn.NormTransition, true
	return d
}

// Options are its own numbers.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "stage1", Usage: "share of the steps with the weights at their widest and one width for all inputs", Value: &s.Stage1},
		{Name: "stage2", Usage: "share of the steps with one width for the whole net; the rest mixes widths more and more", Value: &s.Stage2},
		{Name: "hessian-images", Usage: "training images that the Hessian is taken on", Value: &s.HessianImages},
		{Name: "hessian-products", Usage: "power iterations for a layer, at most", Value: &s.Products},
	}
}

// Asks says that children are asked for by their relative costs.
func (s *System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskBudgets, What: "relative cost", Default: []float64{0.1, 0.16, 0.25, 0.4, 0.7}}
}

// Check refuses numbers that cannot be, candidates that cannot be tied, and budgets that no tied child keeps.
func (s *System) Check(p *onesot.Problem) error {
	switch {
	case !(s.Stage1 >= 0 && s.Stage2 >= 0 && s.Stage1+s.Stage2 < 1):
		return fmt.Errorf("--stage1 %g --stage2 %g: want 0 or more each, and less than 1 together", s.Stage1, s.Stage2)
	case s.HessianImages < 2:
		return fmt.Errorf("--hessian-images %d: want 2 or more", s.HessianImages)
	case s.Products < 1:
		return fmt.Errorf("--hessian-products %d: want 1 or more", s.Products)
	case !p.Settings.SharedWeights:
		return fmt.Errorf("--shared-weights=false: bitmixer has one filter for all widths; leave the flag out")
	case p.Settings.Norm == nn.NormEta:
		return fmt.Errorf("--norm eta: bitmixer has no eta; want transition, pair, bn or gate")
	}
	if err := p.RefuseTies("bitmixer", "it ties the weights to the input of each layer and lowers layer by layer"); err != nil {
		return err
	}
	if err := checkTied(p.Space); err != nil {
		return err
	}
	least := cheapestTied(p.Cost)
	for _, b := range p.Asked {
		if !(b >= least) {
			return fmt.Errorf("budget %g: the cheapest child of equal weight and input bits costs %.4g of the dearest; want %.4g or more", b, least, math.Ceil(least*1e4)/1e4)
		}
	}
	return nil
}

// checkTied wants the same candidates for the weights and the input of all layers that are searched.
func checkTied(s *quant.Space) error {
	var want []int
	for k, l := range s.Layers {
		w, x := s.Weight[k], s.Input[k]
		switch {
		case len(w) == 1 && len(x) == 1:
			continue
		case want == nil:
			want = w
		}
		if !slices.Equal(w, x) || !slices.Equal(w, want) {
			return fmt.Errorf("layer %q has candidates %v for its weights and %v for its input: bitmixer draws one width for both and for all layers, so want --weight-bits and --input-bits the same, and layers pinned in both or neither", l.Name, w, x)
		}
	}
	return nil
}

// cheapestTied is the least relative cost of a child whose layers have one width each.
func cheapestTied(cost *quant.CostTable) float64 {
	at := make([]int, len(cost.Layers))
	for k, rows := range cost.Layers {
		for i := range rows {
			if rows[i][i] < rows[at[k]][at[k]] {
				at[k] = i
			}
		}
	}
	return cost.Relative(quant.Choose(cost.Space, at, at))
}

// Search trains the net, measures the Hessians and evaluates the child of each budget.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	searched := p.Space.Searched()
	draw := &stages{space: p.Space, searched: searched, widths: len(p.Space.Weight[searched[0]]), seed: p.Settings.Seed, first: s.Stage1, second: s.Stage2}
	config := nn.Config{Norm: p.Settings.Norm, SharedWeights: true}
	net, err := singlepath.Train[eigen](ctx, p, config, draw.child)
	if err != nil {
		return nil, err
	}
	found, err := s.search(ctx, p, net)
	if err != nil {
		net.Free()
	}
	return found, err
}

func (s *System) search(ctx context.Context, p *onesot.Problem, net *singlepath.Supernet[eigen]) (*onesot.Found, error) {
	values, err := s.eigenvalues(ctx, p, net)
	if err != nil {
		return nil, err
	}
	change := make([][][]float64, len(p.Space.Layers))
	for _, k := range p.Space.Searched() {
		change[k] = changes(&net.Net.Params.Layers[k])
	}
	l := &lowering{space: p.Space, cost: p.Cost, harm: func(layer, from, to int) float64 { return math.Abs(values[layer]) * change[layer][from][to] }}
	return net.Found(ctx, within(l.path(), p.Cost, p.Asked))
}

// within is, for each budget, the first child of a path that keeps it.
func within(path []quant.Assignment, cost *quant.CostTable, budgets []float64) (children []quant.Assignment) {
	for _, b := range budgets {
		children = append(children, path[slices.IndexFunc(path, func(a quant.Assignment) bool { return cost.Relative(a) <= b })])
	}
	return children
}

// eigenvalues are those of the searched layers' filters, by layer.
func (s *System) eigenvalues(ctx context.Context, p *onesot.Problem, net *singlepath.Supernet[eigen]) ([]float64, error) {
	var h *hessian // made for the first layer that is not known yet
	defer func() {
		if h != nil {
			h.free()
		}
	}()
	values, searched := make([]float64, len(p.Space.Layers)), p.Space.Searched()
	for i, k := range searched {
		found, err := net.Measure(ctx, p.Space.Layers[k].Name, func() (e eigen, err error) {
			if h == nil {
				if h, err = newHessian(p, net.Net, s.HessianImages); err != nil {
					return e, err
				}
			}
			n, product, done := h.product(k)
			defer done()
			e = powerIteration(n, product, p.Settings.Seed, uint32(k), s.Products, tolerance)
			if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
				err = fmt.Errorf("%w: the Hessian's eigenvalue of %s is not finite", onesot.ErrDiverged, p.Space.Layers[k].Name)
			}
			return e, err
		})
		if err != nil {
			return nil, err
		}
		values[k] = found.Value
		p.Options.Evaluated("Hessians", i+1, len(searched))
		if err := net.Save(); err != nil {
			return nil, err
		}
	}
	return values, nil
}
