package haq

import "vimps-gpu/quant"

// wall holds children within a budget: HAQ's "action wall" for any cost table. From the authors' code: it stands at the
// end of an episode; it sweeps the layers from last to first, each sweep taking the input of a layer down by one width,
// then its weights, until the child fits; a pinned layer stays. Our reading: a width down is the next narrower
// candidate; and where bits do not always save cost (a measured table), so that the narrowest child is still too dear,
// layers are set to their cheapest pair of widths, again last to first.
// Problem.CheckBudgets refuses a budget that the cheapest child exceeds.
type wall struct {
	cost   *quant.CostTable
	budget float64 // relative cost
}

// fits tells whether the child of these candidates is within the budget.
func (w wall) fits(weight, input []int) bool {
	return w.cost.Relative(quant.Choose(w.cost.Space, weight, input)) <= w.budget
}

// lower takes candidates down, in place, until their child is within the budget.
func (w wall) lower(weight, input []int) quant.Assignment {
	for lowered := true; lowered && !w.fits(weight, input); {
		lowered = w.sweep(weight, input)
	}
	cheapest := quant.Cheapest(w.cost)
	for k := len(weight) - 1; k >= 0 && !w.fits(weight, input); k-- {
		weight[k], input[k] = w.cost.Space.Choice(cheapest, k)
	}
	return quant.Choose(w.cost.Space, weight, input)
}

// sweep goes once through the layers, last to first, and tells whether anything was lowered.
func (w wall) sweep(weight, input []int) (lowered bool) {
	for k := len(weight) - 1; k >= 0; k-- {
		for _, candidate := range []*int{&input[k], &weight[k]} {
			if *candidate > 0 {
				*candidate--
				lowered = true
				if w.fits(weight, input) {
					return true
				}
			}
		}
	}
	return lowered
}
