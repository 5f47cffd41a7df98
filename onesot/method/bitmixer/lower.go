package bitmixer

import (
	"cmp"

	"vimps-gpu/quant"
)

// lowering walks from the widest child to the narrowest, a layer at a time (greedy by Hessian).
type lowering struct {
	space *quant.Space
	cost  *quant.CostTable
	// harm estimates what it does to the loss to lower a layer from one candidate to another.
	harm func(layer, from, to int) float64
}

// path is the visited children, the widest first; each costs less than the one before. Every step lowers the layer
// of least harm per saved cost (of equals that which saves more, then the first). It ends where no layer's lowering
// saves anything. The child of a budget is the first on the path that keeps it.
func (l *lowering) path() []quant.Assignment {
	at := make([]int, len(l.space.Layers))
	for k := range at {
		at[k] = len(l.space.Weight[k]) - 1
	}
	path := []quant.Assignment{quant.Choose(l.space, at, at)}
	for {
		layer, to := l.next(at)
		if layer < 0 {
			return path
		}
		at[layer] = to
		path = append(path, quant.Choose(l.space, at, at))
	}
}

// next is the layer to lower and the candidate to lower it to; -1 where none saves anything.
func (l *lowering) next(at []int) (layer, to int) {
	type move struct{ rate, saved float64 }
	var best move
	layer = -1
	for _, k := range l.space.Searched() {
		i, saved := l.cheaper(k, at[k])
		if i < 0 {
			continue
		}
		m := move{l.harm(k, at[k], i) / saved, saved}
		if layer < 0 || cmp.Or(cmp.Compare(m.rate, best.rate), cmp.Compare(best.saved, m.saved)) < 0 {
			layer, to, best = k, i, m
		}
	}
	return layer, to
}

// cheaper is the widest narrower candidate at which a layer costs less, and what it saves; -1 where there is none. In a
// table of a measured cost it may not be the next one.
func (l *lowering) cheaper(layer, at int) (to int, saved float64) {
	costs := l.cost.Layers[layer]
	for to := at - 1; to >= 0; to-- {
		if saved := costs[at][at] - costs[to][to]; saved > 0 {
			return to, saved
		}
	}
	return -1, 0
}
