package fisher

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// relaxation is the linear relaxation of the knapsack of the layers from the k-th on, for every k: a layer may then
// take a mixture of two options that are neighbours on the lower convex hull of its (cost, value) points, so that
// the steps along all hulls, steepest first, answer every budget (Sinha and Zoltners, Operations Research 1979).
type relaxation struct{ from []suffix } // [layers+1]

// suffix is the relaxation of the layers from one on.
type suffix struct {
	first               int
	base                []int   // the cheapest option of each layer
	baseCost, baseValue float64 // of all these
	steps               []hullStep
	cost, value         []float64 // sums of the first i steps [steps+1]
}

// hullStep is a step along a layer's hull to a dearer option of lower value.
type hullStep struct {
	layer, to   int
	cost, value float64
}

func relax(layers [][]Option) *relaxation {
	r := &relaxation{from: make([]suffix, len(layers)+1)}
	r.from[len(layers)] = suffix{first: len(layers), cost: []float64{0}, value: []float64{0}}
	for k := len(layers) - 1; k >= 0; k-- {
		hull, behind := hull(layers[k]), &r.from[k+1]
		start := layers[k][hull[0]]
		s := suffix{first: k, base: append([]int{hull[0]}, behind.base...),
			baseCost: start.Cost + behind.baseCost, baseValue: start.Value + behind.baseValue, steps: slices.Clone(behind.steps)}
		for i := 1; i < len(hull); i++ {
			a, b := layers[k][hull[i-1]], layers[k][hull[i]]
			s.steps = append(s.steps, hullStep{k, hull[i], b.Cost - a.Cost, b.Value - a.Value})
		}
		slices.SortStableFunc(s.steps, func(a, b hullStep) int {
			return cmp.Or(cmp.Compare(a.value/a.cost, b.value/b.cost), cmp.Compare(a.layer, b.layer))
		})
		s.sum()
		r.from[k] = s
	}
	return r
}

func (s *suffix) sum() {
	s.cost, s.value = []float64{0}, []float64{0}
	for i, step := range s.steps {
		s.cost, s.value = append(s.cost, s.cost[i]+step.cost), append(s.value, s.value[i]+step.value)
	}
}

// bound is the least value within a budget when options may be mixed; infinite where the cheapest ones do not fit.
func (s *suffix) bound(budget float64) float64 {
	left := budget - s.baseCost
	if left < 0 {
		return math.Inf(1)
	}
	i := sort.Search(len(s.steps), func(i int) bool { return s.cost[i+1] > left }) // whole steps
	v := s.baseValue + s.value[i]
	if i < len(s.steps) {
		v += s.steps[i].value * (left - s.cost[i]) / s.steps[i].cost
	}
	return v
}

// round takes every step that fits, in order; a layer whose step did not fit stays where it is.
func (s *suffix) round(budget float64) []int {
	choice, stuck, left := slices.Clone(s.base), make([]bool, len(s.base)), budget-s.baseCost
	for _, step := range s.steps {
		at := step.layer - s.first
		if stuck[at] || step.cost > left {
			stuck[at] = true
			continue
		}
		choice[at], left = step.to, left-step.cost
	}
	return choice
}

// hull is the lower convex hull of the options' (cost, value) points down to the least value, cheapest first.
func hull(options []Option) []int {
	order := make([]int, len(options))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(options[a].Cost, options[b].Cost), cmp.Compare(options[a].Value, options[b].Value))
	})
	var on []int
	for _, i := range order {
		if len(on) > 0 && options[i].Value >= options[on[len(on)-1]].Value {
			continue
		}
		for len(on) > 1 && !turns(options[on[len(on)-2]], options[on[len(on)-1]], options[i]) {
			on = on[:len(on)-1]
		}
		on = append(on, i)
	}
	return on
}

// turns tells whether b lies below the line from a to c.
func turns(a, b, c Option) bool {
	return (b.Value-a.Value)*(c.Cost-a.Cost) < (c.Value-a.Value)*(b.Cost-a.Cost)
}
