package spos

import (
	"errors"
	"fmt"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// testSpace has n layers of different size, the first pinned at 8/8.
func testSpace(t testing.TB, n int) *quant.Space {
	t.Helper()
	var layers []quant.Layer
	for k := range n {
		layers = append(layers, quant.Layer{Name: fmt.Sprint("conv", k), MACs: int64(1000 * (k + 1)), Weights: 9, OutChannels: 3})
	}
	s, err := quant.NewSpace(layers, quant.Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8}, First: quant.Pin{Weight: 8, Input: 8}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// toy is an evolution over a made-up score: every gate is worth its candidate, weighted differently.
func toy(t testing.TB, layers int) (e *evolution, calls *int) {
	s := testSpace(t, layers)
	e = &evolution{genes: newGenes(s), cost: quant.BOPs(s), seed: 7, generations: 6, population: 20, parents: 5, mutation: 0.1}
	calls = new(int)
	e.score = func(g genome) (nn.Score, error) {
		*calls++
		return nn.Score{Right: worth(g), Images: 1000, Loss: 1}, nil
	}
	e.after = func() error { return nil }
	return e, calls
}

func worth(g genome) int {
	sum := 0
	for i := range g {
		sum += int(g[i]-'0') * (3 + (i*7)%5)
	}
	return sum
}

// The best child keeps its budget, beats the random generation's best, and no child is scored twice or above the budget.
func TestEvolution(t *testing.T) {
	e, calls := toy(t, 12)
	const budget = 0.4
	seen := map[genome]bool{}
	first, best := 0, 0 // of the random generation, of all
	count, inner := 0, e.score
	e.score = func(g genome) (nn.Score, error) {
		if seen[g] {
			t.Errorf("%s was scored twice", g)
		}
		seen[g] = true
		if r := e.cost.Relative(e.child(g)); r > budget {
			t.Errorf("%s costs %g, more than the budget", g, r)
		}
		if count++; count <= e.population {
			first = max(first, worth(g))
		}
		best = max(best, worth(g))
		return inner(g)
	}
	got, err := e.best(budget)
	if err != nil {
		t.Fatal(err)
	}
	if worth(got) != best || best <= first {
		t.Errorf("found a child worth %d; the best scored is worth %d, of the random generation %d", worth(got), best, first)
	}
	if want := e.population * (e.generations + 1); *calls != want {
		t.Errorf("%d children were scored, want %d", *calls, want)
	}
}

// The last generation counts: a child that is by far the best, and met only there, is the one that is found.
func TestLastGenerationIsMerged(t *testing.T) {
	e, _ := toy(t, 8)
	inner, count := e.score, 0
	var star genome
	e.score = func(g genome) (nn.Score, error) {
		if count++; count == e.population*(e.generations+1) { // the very last child
			star = g
			return nn.Score{Right: 1000, Images: 1000}, nil
		}
		return inner(g)
	}
	got, err := e.best(0.5)
	if err != nil || star == "" || got != star {
		t.Errorf("found %q, want the last child %q (%v)", got, star, err)
	}
}

// A search that is cut off and begun again with the scores remembered ends as one that was not, wherever it was cut.
func TestEvolutionResumes(t *testing.T) {
	whole, total := toy(t, 8)
	want, err := whole.best(0.3)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	for _, cut := range []int{0, 1, 19, 20, 21, 77, *total - 1} {
		e, calls := toy(t, 8)
		known, inner := map[genome]nn.Score{}, e.score
		e.score = func(g genome) (nn.Score, error) {
			if s, ok := known[g]; ok {
				return s, nil
			}
			if *calls == cut {
				cut = -1
				return nn.Score{}, stop
			}
			s, err := inner(g)
			known[g] = s
			return s, err
		}
		if _, err := e.best(0.3); !errors.Is(err, stop) {
			t.Fatalf("it was not cut: %v", err)
		}
		got, err := e.best(0.3)
		if err != nil || got != want || *calls != *total {
			t.Errorf("found %q by %d evaluations in all, want %q by %d (%v)", got, *calls, want, *total, err)
		}
	}
}

// A budget that few children or one keep ends the search with all of them seen; rejection alone would go on for ever.
func TestTightBudget(t *testing.T) {
	e, calls := toy(t, 8)
	least := e.cost.Relative(quant.Cheapest(e.cost))
	got, err := e.best(least)
	if err != nil || e.child(got).Key() != quant.Cheapest(e.cost).Key() || *calls != 1 {
		t.Errorf("found %q by %d evaluations (%v), want the cheapest child by one", got, *calls, err)
	}
	// One gate of conv1 or conv2, the smallest layers, may go from 2 to 4 bits.
	*calls = 0
	if got, err = e.best(least * 1.06); err != nil {
		t.Fatal(err)
	}
	legal, best := 0, 0
	each(e.genes, func(g genome) {
		if e.cost.Relative(e.child(g)) <= least*1.06 {
			legal++
			best = max(best, worth(g))
		}
	})
	if legal != 5 || *calls != legal || worth(got) != best {
		t.Errorf("%d evaluations found a child worth %d; %d children are legal, the best worth %d", *calls, worth(got), legal, best)
	}
}

// each calls f with every genome that differs from all zeros in at most three genes.
func each(e genes, f func(genome)) {
	zero := make([]byte, len(e.gates))
	for i := range zero {
		zero[i] = '0'
	}
	var from func(at, left int)
	from = func(at, left int) {
		if at == len(zero) {
			f(genome(zero))
			return
		}
		from(at+1, left)
		if left > 0 {
			for b := 1; b < len(e.gates[at].Bits); b++ {
				zero[at] = byte('0' + b)
				from(at+1, left-1)
			}
			zero[at] = '0'
		}
	}
	from(0, 3)
}
