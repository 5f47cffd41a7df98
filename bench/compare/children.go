package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// EqualCost draws n distinct children whose relative cost lies within tolerance (a share of at) of at. Each starts from a
// random mix, with a tilt of its own for the weights and for the inputs, so that wide weights with narrow inputs occur as
// well as the reverse; then random gates take the next narrower or wider candidate until the cost is right.
func EqualCost(table *quant.CostTable, n int, at, tolerance float64, seed uint64) ([]quant.Assignment, error) {
	s := sampler{table: table, at: at, tolerance: tolerance, most: table.Max()}
	if least := table.Cost(quant.Cheapest(table)) / s.most; at*(1+tolerance) < least || at*(1-tolerance) > 1 {
		return nil, fmt.Errorf("children of cost %g +-%g %%: the cheapest child costs %.4g of the dearest; want %.4g to 1", at, 100*tolerance, least, math.Ceil(least*1e4)/1e4)
	}
	seen := map[string]bool{}
	var out []quant.Assignment
	for try, misses := uint32(0), 0; len(out) < n && misses < enough; try++ {
		a, ok := s.draw(stream{seed: seed, kind: streamChildren, item: try})
		if !ok || seen[a.Key()] {
			misses++
			continue
		}
		seen[a.Key()], misses = true, 0
		out = append(out, a)
	}
	if len(out) < n {
		return nil, fmt.Errorf("children of cost %g +-%g %%: only %d distinct ones were found, want %d; raise the tolerance", at, 100*tolerance, len(out), n)
	}
	return out, nil
}

type sampler struct {
	table         *quant.CostTable
	at, tolerance float64
	most          float64 // cost of the all-maximum child
}

const (
	repairs = 500 // moves of a gate that a child gets to come to the right cost
	enough  = 300 // draws in a row that gave no new child, after which there may be none
)

// What a child's random numbers are for.
const (
	drawTilt = iota
	drawOption
	drawMove
)

func (s *sampler) draw(r stream) (a quant.Assignment, ok bool) {
	space := s.table.Space
	choice := [2][]int{make([]int, len(space.Layers)), make([]int, len(space.Layers))} // of the weights, of the inputs
	gates := space.Gates()
	for i, g := range gates {
		tilt := 6*r.uniform(drawTilt, uint32(g.Kind)) - 3
		choice[g.Kind][g.Layer] = quant.TiltedDraw(len(g.Bits), tilt, r.uniform(drawOption, uint32(i)))
	}
	for move := uint32(0); move < repairs; move++ {
		a = quant.Choose(space, choice[quant.Weight], choice[quant.Input])
		cost := s.table.Cost(a) / s.most
		if math.Abs(cost/s.at-1) <= s.tolerance {
			return a, true
		}
		g := gates[r.below(len(gates), drawMove, move)]
		at := &choice[g.Kind][g.Layer]
		if cost > s.at {
			*at = max(0, *at-1)
		} else {
			*at = min(len(g.Bits)-1, *at+1)
		}
	}
	return a, false
}

// Spread picks n of the points, equally spaced along the logarithm of the cost as far as they are there: both ends, and
// for each place between them the nearest point that is not taken. They come in ascending cost.
func Spread(points []onesot.Point, n int) []onesot.Point {
	sorted := slices.SortedStableFunc(slices.Values(points), func(p, q onesot.Point) int {
		return cmp.Or(cmp.Compare(p.Cost, q.Cost), cmp.Compare(p.Assignment.Key(), q.Assignment.Key()))
	})
	if n >= len(sorted) {
		return sorted
	}
	if n == 1 {
		return sorted[len(sorted)/2 : len(sorted)/2+1]
	}
	lo, hi := math.Log(sorted[0].Cost), math.Log(sorted[len(sorted)-1].Cost)
	taken := make([]bool, len(sorted))
	taken[0], taken[len(sorted)-1] = true, true
	for i := 1; i < n-1; i++ {
		want, best := lo+(hi-lo)*float64(i)/float64(n-1), -1
		for k, p := range sorted {
			if !taken[k] && (best < 0 || math.Abs(math.Log(p.Cost)-want) < math.Abs(math.Log(sorted[best].Cost)-want)) {
				best = k
			}
		}
		taken[best] = true
	}
	var out []onesot.Point
	for k, p := range sorted {
		if taken[k] {
			out = append(out, p)
		}
	}
	return out
}
