package spos

import "vimps-gpu/quant"

// binTries is how often a step draws anew for a child in its bin before it takes any. The authors' number.
const binTries = 500

// sampler draws the single path that a training step trains.
type sampler struct {
	genes
	cost *quant.CostTable
	seed uint64
	bins int // 0: options i.i.d. uniform; else a bin of relative cost is drawn first
	lo   float64
	wide float64 // of a bin
}

func newSampler(s *quant.Space, cost *quant.CostTable, seed uint64, bins int) *sampler {
	lo := cost.Relative(quant.Cheapest(cost))
	return &sampler{genes: newGenes(s), cost: cost, seed: seed, bins: bins, lo: lo, wide: (1 - lo) / float64(max(1, bins))}
}

// child is the one of a step: every option with equal probability, gates and steps independent. With bins, a bin of
// relative cost is drawn with equal probability and children are drawn until one lies in it, at most binTries times;
// the last one is taken then, wherever it lies. Independent options seldom add up to a cost near either end, so the
// outermost of many bins of a deep net end in "any" nearly always.
func (s *sampler) child(step, _ int) quant.Assignment {
	d := newDraws(s.seed, uint32(step), 0, philoxPath)
	if s.bins == 0 {
		return s.genes.child(s.random(d))
	}
	bin := d.below(s.bins)
	for range binTries - 1 {
		if a := s.genes.child(s.random(d)); s.bin(a) == bin {
			return a
		}
	}
	return s.genes.child(s.random(d))
}

// bin is where a child's relative cost lies among bins of equal width, the cheapest child in the first and the dearest in
// the last.
func (s *sampler) bin(a quant.Assignment) int {
	return min(max(0, int((s.cost.Relative(a)-s.lo)/s.wide)), s.bins-1)
}
