package fisher

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Option is what one choice of bits in one layer costs and what it is expected to harm; both finite, Cost 0 or more.
type Option struct{ Cost, Value float64 }

// Solution is one option a layer.
type Solution struct {
	Choice      []int // of each layer
	Cost, Value float64
	// Gap is how far Value may lie above the least possible: 0 unless the space needed more than maxStates states.
	Gap float64
}

// maxStates bounds the memory of a solution. Sensitivities stay below a few thousand; costs that equal values would not.
const maxStates = 1 << 15

// completed is about how many states of a layer are completed in search of a better solution.
const completed = 16

// state is a choice for the layers so far that no other beats in both cost and value.
type state struct {
	cost, value float64
	parent      int32 // in the list of the layer before
	option      int32
	bound       float64 // no completion within the budget has a lower value
}

// Solve is the multiple-choice knapsack: one option of every layer, the sum of values least among all whose costs sum
// to budget or less; of equal values the cheapest. States are extended layer by layer and dropped where another one is
// at least as good in both sums (Nemhauser and Ullmann 1969), or where the linear relaxation of the layers to come
// (Sinha and Zoltners 1979) says that they cannot beat the best solution known. It fails, naming the least cost, where
// nothing fits.
func Solve(layers [][]Option, budget float64) (Solution, error) {
	r, least := relax(layers), 0.0
	for k, o := range r.from[0].base {
		least += layers[k][o].Cost
	}
	if !(least <= budget) {
		return Solution{}, fmt.Errorf("a budget of %.6g: the cheapest child costs %.6g", budget, least)
	}
	s := solver{layers: layers, budget: budget, relaxed: r, best: Solution{Value: math.Inf(1)}, dropped: math.Inf(1)}
	s.complete(nil, state{})
	s.lists = [][]state{{{bound: math.Inf(-1)}}}
	for k := range layers {
		s.extend(k)
	}
	for i, last := range s.lists[len(layers)] {
		if last.value < s.best.Value || last.value == s.best.Value && last.cost < s.best.Cost {
			s.best = Solution{Choice: s.trace(len(layers), i), Cost: last.cost, Value: last.value}
		}
	}
	s.best.Gap = max(0, s.best.Value-s.dropped)
	return s.best, nil
}

// Front is every solution that no other beats in both cost and value, the cheapest first: the answer to all budgets.
// It fails where there are more than maxStates: costs without a common divisor, such as measured seconds.
func Front(layers [][]Option) ([]Solution, error) {
	s := solver{layers: layers, budget: math.Inf(1), best: Solution{Value: math.Inf(1)}, dropped: math.Inf(1)}
	s.lists = [][]state{{{}}}
	for k := range layers {
		s.extend(k)
		if !math.IsInf(s.dropped, 1) {
			return nil, fmt.Errorf("more than %d children are on the front; ask for budgets instead", maxStates)
		}
	}
	var front []Solution
	for i, last := range s.lists[len(layers)] {
		front = append(front, Solution{Choice: s.trace(len(layers), i), Cost: last.cost, Value: last.value})
	}
	return front, nil
}

type solver struct {
	layers  [][]Option
	budget  float64
	relaxed *relaxation // nil: no bound
	lists   [][]state   // [layers done]
	best    Solution
	dropped float64 // least bound of the states that found no room
}

// extend adds layer k to every state before it, and completes some of them, from the cheapest to the dearest.
func (s *solver) extend(k int) {
	var all []state
	for i, from := range s.lists[k] {
		for o, option := range s.layers[k] {
			next := state{cost: from.cost + option.Cost, value: from.value + option.Value, parent: int32(i), option: int32(o)}
			if s.keeps(k+1, &next) {
				all = append(all, next)
			}
		}
	}
	all = s.fit(undominated(all))
	s.lists = append(s.lists, all)
	for i := 0; s.relaxed != nil && i < len(all); i += 1 + len(all)/completed {
		s.complete(s.trace(k+1, i), all[i])
	}
}

// rounding is the relative error that sums in another order may have: no state is dropped for less.
const rounding = 1e-12

// keeps tells whether a state with the first `done` layers chosen may lead to the best solution.
func (s *solver) keeps(done int, next *state) bool {
	if next.cost > s.budget || s.relaxed == nil {
		return next.cost <= s.budget
	}
	next.bound = next.value + s.relaxed.from[done].bound(s.budget-next.cost+rounding*s.budget)
	return next.bound <= s.best.Value+rounding*math.Abs(s.best.Value)
}

// fit keeps the maxStates states with the least bounds, in order of cost.
func (s *solver) fit(all []state) []state {
	if len(all) <= maxStates {
		return all
	}
	slices.SortStableFunc(all, func(a, b state) int { return cmp.Compare(a.bound, b.bound) })
	s.dropped = min(s.dropped, all[maxStates].bound)
	all = all[:maxStates]
	slices.SortFunc(all, byCost)
	return all
}

// complete takes the relaxation's options for the layers that a state leaves open, as far as they fit.
func (s *solver) complete(choice []int, at state) {
	rest := s.relaxed.from[len(choice)].round(s.budget - at.cost)
	choice = append(slices.Clone(choice), rest...)
	c := Solution{Choice: choice}
	for k, o := range choice {
		c.Cost += s.layers[k][o].Cost
		c.Value += s.layers[k][o].Value
	}
	if c.Cost <= s.budget && c.Value < s.best.Value {
		s.best = c
	}
}

// trace is the choices that led to state i of the list after `done` layers.
func (s *solver) trace(done, i int) []int {
	choice := make([]int, done)
	for k := done; k > 0; k-- {
		at := s.lists[k][i]
		choice[k-1], i = int(at.option), int(at.parent)
	}
	return choice
}

func byCost(a, b state) int {
	return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.value, b.value), cmp.Compare(a.parent, b.parent), cmp.Compare(a.option, b.option))
}

// undominated sorts states by cost and keeps those of lower value than all that cost no more.
func undominated(all []state) []state {
	slices.SortFunc(all, byCost)
	kept := all[:0]
	for _, a := range all {
		if len(kept) == 0 || a.value < kept[len(kept)-1].value {
			kept = append(kept, a)
		}
	}
	return kept
}
