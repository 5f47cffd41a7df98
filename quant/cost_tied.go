package quant

import (
	"fmt"
	"math"
)

// cheapestTied is Cheapest where gates are tied. Each set of layers that ties connect is solved for itself, by branch and bound:
// the kind that has fewer gates there is enumerated, and each gate of the other kind then has a best candidate of its own.
func cheapestTied(t *CostTable) Assignment {
	choice := [2][]int{make([]int, len(t.Layers)), make([]int, len(t.Layers))}
	for _, layers := range t.Space.connected() {
		best := t.cheapestOf(layers)
		for _, k := range layers {
			choice[Weight][k], choice[Input][k] = best[Weight][t.Space.leader(k, Weight)], best[Input][t.Space.leader(k, Input)]
		}
	}
	return Choose(t.Space, choice[Weight], choice[Input])
}

// connected splits the layers into sets that no tie connects.
func (s *Space) connected() [][]int {
	leads := s.alone()
	for k := range s.Layers {
		for _, kind := range []Kind{Weight, Input} {
			if lead := s.leader(k, kind); lead != k {
				join(leads, []int{lead, k})
			}
		}
	}
	sets := map[int][]int{}
	var out [][]int
	for k, lead := range leads {
		sets[lead] = append(sets[lead], k)
	}
	for lead := range leads {
		if len(sets[lead]) > 0 {
			out = append(out, sets[lead])
		}
	}
	return out
}

// gatesOf is the gates of connected layers, by the layers that lead them, and the kind that has fewer.
func (s *Space) gatesOf(layers []int) (gates [2][]int, few Kind) {
	for _, k := range layers {
		for _, kind := range []Kind{Weight, Input} {
			if s.leader(k, kind) == k {
				gates[kind] = append(gates[kind], k)
			}
		}
	}
	if len(gates[Input]) < len(gates[Weight]) {
		few = Input
	}
	return gates, few
}

// maxTiedChoices bounds what cheapestTied enumerates.
const maxTiedChoices = 1 << 20

// checkConnected refuses ties for which the cheapest child would take too long to find: those that lead from the weights of a
// layer to the inputs of another and on, through many gates of both kinds.
func (s *Space) checkConnected() error {
	for _, layers := range s.connected() {
		gates, few := s.gatesOf(layers)
		choices := 1
		for _, lead := range gates[few] {
			if choices *= len(s.Gate(lead, few).Bits); choices > maxTiedChoices {
				return fmt.Errorf("tie: %d layers from %q on hang together by ties of both kinds and still have %d weight and %d input gates, too many to find the cheapest child; tie more of one kind or less",
					len(layers), s.names[layers[0]], len(gates[Weight]), len(gates[Input]))
			}
		}
	}
	return nil
}

// cheapestOf is the cheapest choice of the gates of connected layers, by the layer that leads a gate.
func (t *CostTable) cheapestOf(layers []int) [2]map[int]int {
	s := t.Space
	gates, few := s.gatesOf(layers)
	many := 1 - few
	var best [2]map[int]int
	least := 0.0
	now := map[int]int{}
	var try func(i int)
	try = func(i int) {
		if best[few] != nil && t.atLeast(layers, few, now) >= least {
			return
		}
		if i < len(gates[few]) {
			lead := gates[few][i]
			for c := range s.Gate(lead, few).Bits {
				now[lead] = c
				try(i + 1)
			}
			delete(now, lead)
			return
		}
		rest, total := t.cheapestRest(layers, gates[many], few, now)
		if best[few] == nil || total < least {
			least = total
			best[few], best[many] = map[int]int{}, rest
			for lead, c := range now {
				best[few][lead] = c
			}
		}
	}
	try(0)
	return best
}

// atLeast is what layers cost at the least where some gates of one kind are given: as if no gate were tied but those.
func (t *CostTable) atLeast(layers []int, kind Kind, now map[int]int) float64 {
	sum := 0.0
	for _, k := range layers {
		given, fixed := now[t.Space.leader(k, kind)]
		least := math.Inf(1)
		for i, row := range t.Layers[k] {
			for j, c := range row {
				if at := [2]int{Weight: i, Input: j}; !fixed || at[kind] == given {
					least = min(least, c)
				}
			}
		}
		sum += least
	}
	return sum
}

// cheapestRest gives each gate of the other kind its cheapest candidate, where those of one kind are given.
func (t *CostTable) cheapestRest(layers, gates []int, given Kind, now map[int]int) (choice map[int]int, total float64) {
	s, other := t.Space, 1-given
	choice = map[int]int{}
	for _, lead := range gates {
		least := 0.0
		for c := range s.Gate(lead, other).Bits {
			sum := 0.0
			for _, k := range layers {
				if s.leader(k, other) != lead {
					continue
				}
				var at [2]int
				at[given], at[other] = now[s.leader(k, given)], c
				sum += t.Layers[k][at[Weight]][at[Input]]
			}
			if c == 0 || sum < least {
				choice[lead], least = c, sum
			}
		}
		total += least
	}
	return choice, total
}
