// Package fn3 is a search in the style of FN3, "Fully Nested Neural Network for Adaptive Compression and Quantization"
// (Cui et al., IJCAI 2020), for bits alone: one training of a net whose bits are nested by ordered dropout, then a greedy
// removal of bits whose path is the front.
//
// The source's: a quantized value is a sum of ordered blocks, here the most significant bits first; each step keeps the
// first few of them, drawn by one law for all layers; sub-nets are found by removing what costs least. The source has no
// code. Our reading: blocks are what a candidate width has over the next narrower one, so that a narrower width is the wider
// one's codes cut off (nn.Truncate), with one LSQ step a tensor or channel; the law is geometric; the removal is ranked by
// cross-entropy, since accuracy on a small validation split ties; evaluations are saved by lazy greedy.
package fn3

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
	Keep         float64 // probability that a gate keeps its next block of bits
	Remeasure    int     // gates measured anew for one removal, at most; 0: no bound
	SearchImages int     // of the validation split, that a child is scored on
	PathPoints   int     // children of the path that are evaluated, beside those of the budgets
}

// New gives the defaults. They are ours; the source states none. Of Keep .5 and .7, on the digits (one seed), .5 left the
// all-8-bit child as it was and the all-2-bit one with 95 % instead of 85 %.
func New() onesot.System {
	return &System{Keep: 0.5, Remeasure: 4, SearchImages: 8000, PathPoints: 20}
}

// Name is the system's.
func (s *System) Name() string { return "fn3" }

// About says what it is.
func (s *System) About() string {
	return "nested bits by ordered dropout, then greedy removal whose path is the front (in the style of FN3, Cui et al., IJCAI 2020)"
}

// Defaults: one filter for all bit widths and one batch norm, re-estimated for each child.
func (s *System) Defaults(d onesot.Settings) onesot.Settings {
	d.SharedWeights, d.Norm, d.Recalibrate = true, nn.NormPlain, true
	return d
}

// Options are its own numbers.
func (s *System) Options() []onesot.Option {
	return []onesot.Option{
		{Name: "keep", Usage: "probability that a gate keeps its next block of bits in a training step", Value: &s.Keep},
		{Name: "remeasure", Usage: "gates that are measured anew for one removal, at most; 0: as many as it takes", Value: &s.Remeasure},
		{Name: "search-images", Usage: "validation images that a child is scored on during the search, all where there are fewer", Value: &s.SearchImages},
		{Name: "path-points", Usage: "children of the removal's path that are evaluated, beside those of the budgets", Value: &s.PathPoints},
	}
}

// Asks says that children are asked for by their relative costs. The path answers all others too.
func (s *System) Asks() onesot.Asks {
	return onesot.Asks{Kind: onesot.AskBudgets, What: "relative cost", Default: []float64{0.1, 0.16, 0.25, 0.4, 0.7}}
}

// Check refuses numbers that cannot be, filters that are not nested, and budgets that no child keeps.
func (s *System) Check(p *onesot.Problem) error {
	switch {
	case !(s.Keep > 0 && s.Keep < 1):
		return fmt.Errorf("--keep %g: want more than 0 and less than 1", s.Keep)
	case s.Remeasure < 0:
		return fmt.Errorf("--remeasure %d: want 0 or more", s.Remeasure)
	case s.SearchImages < 1:
		return fmt.Errorf("--search-images %d: want 1 or more", s.SearchImages)
	case s.PathPoints < 0:
		return fmt.Errorf("--path-points %d: want 0 or more", s.PathPoints)
	case !p.Settings.SharedWeights:
		return fmt.Errorf("--shared-weights=false: fn3 nests the bits of one filter; leave the flag out")
	}
	return p.CheckBudgets()
}

// Search trains the nested net, walks the path of removals and evaluates points of it.
func (s *System) Search(ctx context.Context, p *onesot.Problem) (*onesot.Found, error) {
	config := nn.Config{Norm: p.Settings.Norm, SharedWeights: true, Quantizer: nn.Truncate}
	draw := &dropout{space: p.Space, seed: p.Settings.Seed, keep: s.Keep}
	net, err := singlepath.Train[float64](ctx, p, config, draw.child)
	if err != nil {
		return nil, err
	}
	found, err := s.search(ctx, p, net)
	if err != nil {
		net.Free()
	}
	return found, err
}

func (s *System) search(ctx context.Context, p *onesot.Problem, net *singlepath.Supernet[float64]) (*onesot.Found, error) {
	r := &removal{space: p.Space, cost: p.Cost, most: s.Remeasure}
	r.loss = func(a quant.Assignment) (float64, error) {
		return net.Measure(ctx, a.String(), func() (float64, error) {
			score, err := net.Score(a, s.SearchImages)
			return score.Loss, err
		})
	}
	of := 0
	for _, gate := range p.Space.Gates() {
		of += len(gate.Bits) - 1
	}
	r.after = func() error {
		p.Options.Evaluated("removals", r.length, of)
		return net.Save()
	}
	path, err := r.path()
	if err != nil {
		return nil, err
	}
	children, err := choose(path, p.Cost, p.Asked, s.PathPoints)
	if err != nil {
		return nil, err
	}
	return net.Found(ctx, children)
}

// choose takes n children at equal distances on the path, both ends among them, and for each budget the first that
// keeps it, which is the dearest that does; in the order of the path.
func choose(path []quant.Assignment, cost *quant.CostTable, budgets []float64, n int) ([]quant.Assignment, error) {
	wanted := make([]bool, len(path))
	for i := range min(n, len(path)) {
		wanted[i*(len(path)-1)/max(1, min(n, len(path))-1)] = true
	}
	for _, b := range budgets {
		i := 0
		for i < len(path) && cost.Relative(path[i]) > b {
			i++
		}
		if i == len(path) {
			// In a table where narrowing single gates is no way to the cheapest child.
			return nil, fmt.Errorf("budget %g: removals end at a relative cost of %.4g; want that or more", b, cost.Relative(path[i-1]))
		}
		wanted[i] = true
	}
	var children []quant.Assignment
	for i, a := range path {
		if wanted[i] {
			children = append(children, a)
		}
	}
	return children, nil
}
