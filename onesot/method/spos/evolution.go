package spos

import (
	"cmp"
	"math"
	"slices"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// evolution searches the children within a budget for the best one (Guo et al. 2020, section 3.4 and the authors'
// code): a random population, then generations bred from the best of all that were seen.
type evolution struct {
	genes
	cost        *quant.CostTable
	seed        uint64
	generations int // bred after the random one
	population  int
	parents     int
	mutation    float64 // probability that a gene is drawn anew
	// score evaluates a genome, each but once; its error ends the search.
	score func(genome) (nn.Score, error)
	after func() error // each generation
}

// Caps of rejection. breedTries is the authors', for each child wanted; their random phase has none, and hangs where
// the budget is tight.
const (
	breedTries  = 10
	randomTries = 500
)

// candidate is a genome with its score.
type candidate struct {
	genome genome
	score  nn.Score
}

// better puts the more accurate first. Of equals, which a small validation split has many of, the one of less loss
// goes first, then the first in the alphabet: ours, so that the order is one.
func better(a, b candidate) int {
	return cmp.Or(
		cmp.Compare(b.score.Accuracy(), a.score.Accuracy()), // 0 of a restoring net, as is the PSNR of a classifier
		cmp.Compare(b.score.PSNR, a.score.PSNR),
		cmp.Compare(a.score.Loss, b.score.Loss),
		cmp.Compare(a.genome, b.genome),
	)
}

// best is the best child of all generations, the last included (the authors' code scores the last and forgets it). It
// needs a child that keeps the budget. What is drawn depends on the seed, the budget and the scores alone: where scores
// are remembered, a search that is begun again goes the same way.
func (e *evolution) best(budget float64) (genome, error) {
	b := &brood{evolution: e, budget: budget, seen: map[genome]bool{}}
	b.begin(0)
	b.random()
	for bred := 0; ; bred++ {
		if err := b.merge(); err != nil {
			return "", err
		}
		if bred == e.generations {
			return b.top[0].genome, nil
		}
		b.begin(bred + 1)
		b.fill(e.population/2, b.mutated)
		b.fill(e.population/2, b.crossed)
		b.random()
		if len(b.next) == 0 { // every legal child has been seen
			return b.top[0].genome, nil
		}
	}
}

// brood is a population in the making.
type brood struct {
	*evolution
	budget float64
	draws  *draws
	seen   map[genome]bool // in this search
	next   []genome
	top    []candidate // parents, the best first
}

func (b *brood) begin(generation int) {
	b.draws = newDraws(b.seed, uint32(generation), math.Float32bits(float32(b.budget)), philoxBreed)
	b.next = nil
}

// merge scores the population and keeps the best of it and of the parents.
func (b *brood) merge() error {
	for _, g := range b.next {
		s, err := b.score(g)
		if err != nil {
			return err
		}
		b.top = append(b.top, candidate{g, s})
	}
	slices.SortFunc(b.top, better)
	b.top = b.top[:min(len(b.top), b.parents)]
	return b.after()
}

func (b *brood) legal(g genome) bool { return b.cost.Relative(b.child(g)) <= b.budget }

// take puts a legal genome that has not been seen into the population.
func (b *brood) take(g genome) bool {
	if b.seen[g] || !b.legal(g) {
		return false
	}
	b.seen[g] = true
	b.next = append(b.next, g)
	return true
}

// fill breeds up to n children; it gives up after breedTries for each.
func (b *brood) fill(n int, breed func() genome) {
	for tries := breedTries * n; n > 0 && tries > 0; tries-- {
		if b.take(breed()) {
			n--
		}
	}
}

// random fills the population up: by rejection, and where that fails randomTries times by a walk through the legal
// genomes. It ends with fewer only when every legal genome has been seen.
func (b *brood) random() {
	for len(b.next) < b.population {
		found := false
		for try := 0; try < randomTries && !found; try++ {
			found = b.take(b.genes.random(b.draws))
		}
		if !found && !b.walk() {
			return
		}
	}
}

// mutated is a parent, each gene drawn anew with probability mutation.
func (b *brood) mutated() genome {
	g := []byte(b.top[b.draws.below(len(b.top))].genome)
	for i, gate := range b.gates {
		if b.draws.unit() < b.mutation {
			g[i] = byte('0' + b.draws.below(len(gate.Bits)))
		}
	}
	return genome(g)
}

// crossed takes each gene of one of two parents, which may be the same.
func (b *brood) crossed() genome {
	g := []byte(b.top[b.draws.below(len(b.top))].genome)
	other := b.top[b.draws.below(len(b.top))].genome
	for i := range g {
		if b.draws.word()>>31 == 0 {
			g[i] = other[i]
		}
	}
	return genome(g)
}
