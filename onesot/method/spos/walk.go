package spos

import (
	"math"

	"vimps-gpu/quant"
)

// walk takes one legal genome that has not been seen, by a depth-first search of the layers and of each layer's pairs in
// random orders that turns back where even the cheapest pairs of the layers to come exceed the budget. It finds
// one wherever there is one, and visits no more legal genomes than have been seen.
func (b *brood) walk() bool {
	w := walk{brood: b, order: b.draws.shuffled(len(b.space.Layers)), weight: make([]int, len(b.space.Layers)), input: make([]int, len(b.space.Layers))}
	w.rest = make([]float64, len(w.order)+1)
	w.pairs = make([][]int, len(w.order))
	for i := len(w.order) - 1; i >= 0; i-- {
		costs := b.cost.Layers[w.order[i]]
		least := math.Inf(1)
		for _, row := range costs {
			for _, c := range row {
				least = min(least, c)
			}
		}
		w.rest[i] = w.rest[i+1] + least
		w.pairs[i] = b.draws.shuffled(len(costs) * len(costs[0]))
	}
	w.limit = b.budget * b.cost.Max() * (1 + 1e-9) // sums in another order round otherwise; legal has the last word
	return w.from(0, 0)
}

// walk is a depth-first search under way.
type walk struct {
	*brood
	order         []int     // of the layers
	rest          []float64 // the least that layers order[i:] can cost
	pairs         [][]int   // of each layer in order: its pairs of candidates
	weight, input []int     // chosen so far, by layer
	limit         float64
}

func (w *walk) from(depth int, cost float64) bool {
	if depth == len(w.order) {
		return w.take(w.genome())
	}
	layer := w.order[depth]
	costs := w.cost.Layers[layer]
	for _, pair := range w.pairs[depth] {
		i, j := pair/len(costs[0]), pair%len(costs[0])
		if cost+costs[i][j]+w.rest[depth+1] > w.limit {
			continue
		}
		w.weight[layer], w.input[layer] = i, j
		if w.from(depth+1, cost+costs[i][j]) {
			return true
		}
	}
	return false
}

func (w *walk) genome() genome {
	g := make([]byte, len(w.gates))
	for i, gate := range w.gates {
		at := w.input[gate.Layer]
		if gate.Kind == quant.Weight {
			at = w.weight[gate.Layer]
		}
		g[i] = byte('0' + at)
	}
	return genome(g)
}
