// Package spos is single path one-shot search (Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
// Sampling", ECCV 2020) for bit widths: a supernet of which each step trains one child drawn uniformly, then for each
// budget an evolution over its children.
//
// The evolution is the one of the authors' public code, which searches blocks of a net and has no mixed precision. What
// the paper says of that names PACT and DoReFa quantizers; here it is LSQ as in every other system. Ours: scores come
// from the validation split held out of the training images (the public code scores on ImageNet's validation set, that
// is on what it reports); equal accuracies are ordered by loss; the last generation counts; no limit hangs;
// a gene is one gate, where the paper draws a pair of weight and input bits from a list of six; and a child that one budget
// has scored is not scored again for another, so that further budgets cost less than in the source.
// Candidates get batch norm statistics of their own, reset and estimated anew (Settings.Recalibrate). A step that no draw
// chose gets no gradient, but its optimizer moments decay, where the authors skip it.
package spos

import (
	"context"
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/spos/singlepath"
	"vimps-gpu/quant"
)

// System is the search; its fields are its options.
type System struct {
	Bins         int     // of relative cost, that a training step draws first; 0: none
	Generations  int     // bred after the random one
	Population   int     // children a generation
	Parents      int     // that are bred from
	Mutation     float64 // probability of each gene
	SearchImages int     // of the validation split, that a child is scored on
}

// New gives the authors' numbers.
func New() onesot.System {
	return &System{Generations: 20, Population: 50, Parents: 10, Mutation: 0.1, SearchImages: 8000}
}

// Name is the system's.
func (s *System) Name() string { return "spos" }

// About says what it is.
func (s *System) About() string {
	return "uniform single-path supernet, then evolution for each budget (Guo et al., ECCV 2020)"
}

// Defaults: one filter for all bit widths and one batch norm, re-estimated for each child.
func (s *System) Defaults(d onesot.Settings) onesot.Settings {
	d.SharedWeights, d.Norm, d.Recalibrate = true, nn.NormPlain, true
	return d
}

// Options are its own numbers. The defaults are the authors', whatever the model: 1,050 children a budget. What is smaller
// for a small net is set by the same names, as flags or in the method's table of an experiment file.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "bins", Usage: "bins of cost that a training step draws first; 0: options are drawn independently", Value: &s.Bins},
		{Name: "generations", Usage: "of the evolution, after the random one", Value: &s.Generations},
		{Name: "population", Usage: "children a generation", Value: &s.Population},
		{Name: "parents", Usage: "best children that the next generation is bred from", Value: &s.Parents},
		{Name: "mutation", Usage: "probability that a gate of a mutated child is drawn anew", Value: &s.Mutation},
		{Name: "search-images", Usage: "validation images that a child is scored on during the search, all where there are fewer", Value: &s.SearchImages},
	}
}

// Asks says that children are asked for by their relative costs.
func (s *System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskBudgets, What: "relative cost", Default: []float64{0.1, 0.16, 0.25, 0.4, 0.7}}
}

// Check refuses numbers that cannot be, and budgets that no child keeps.
func (s *System) Check(p *onesot.Problem) error {
	for _, c := range []struct {
		flag     string
		value    float64
		least    float64
		greatest float64
	}{
		{"bins", float64(s.Bins), 0, 1000}, {"generations", float64(s.Generations), 0, 1e5}, {"population", float64(s.Population), 2, 1e5},
		{"parents", float64(s.Parents), 1, float64(s.Population)}, {"mutation", s.Mutation, 0, 1}, {"search-images", float64(s.SearchImages), 1, 1e9},
	} {
		if !(c.value >= c.least && c.value <= c.greatest) {
			return fmt.Errorf("--%s %g: want %g to %g", c.flag, c.value, c.least, c.greatest)
		}
	}
	return p.CheckBudgets()
}

// Search trains the supernet and evolves the best child of each budget.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	sampler := newSampler(p.Space, p.Cost, p.Settings.Seed, s.Bins)
	config := nn.Config{Norm: p.Settings.Norm, SharedWeights: p.Settings.SharedWeights}
	net, err := singlepath.Train[nn.Score](ctx, p, config, sampler.child)
	if err != nil {
		return nil, err
	}
	found, err := s.search(ctx, p, net)
	if err != nil {
		net.Free()
	}
	return found, err
}

// search evolves for every budget; a child's score is known to all. The state is saved after every generation.
func (s *System) search(ctx context.Context, p *onesot.Problem, net *singlepath.Supernet[nn.Score]) (*onesot.Found, error) {
	e := &evolution{genes: newGenes(p.Space), cost: p.Cost, seed: p.Settings.Seed,
		generations: s.Generations, population: s.Population, parents: s.Parents, mutation: s.Mutation}
	e.score = func(g genome) (nn.Score, error) {
		return net.Measure(ctx, string(g), func() (nn.Score, error) { return net.Score(e.child(g), s.SearchImages) })
	}
	done, of := 0, len(p.Asked)*(s.Generations+1)
	e.after = func() error {
		done++
		p.Options.Evaluated("generations", done, of)
		return net.Save()
	}
	var children []quant.Assignment
	for i, budget := range p.Asked {
		best, err := e.best(budget)
		if err != nil {
			return nil, err
		}
		children = append(children, e.child(best))
		done = (i + 1) * (s.Generations + 1) // a search may end early
	}
	return net.Found(ctx, children)
}
