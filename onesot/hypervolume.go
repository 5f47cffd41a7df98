package onesot

import (
	"cmp"
	"slices"
)

// Hypervolume is the area of the part of the plane that costs less than ref and
// is more accurate than ref, and that some point dominates (Zitzler and Thiele,
// IEEE Trans. Evol. Comp. 1999). With relative cost, accuracy 0 to 1 and ref =
// {1, chance} it lies in 0 to 1 - chance. Points beyond ref add nothing, nor do
// dominated ones.
func Hypervolume(points []CostAccuracy, ref CostAccuracy) float64 {
	inside := slices.DeleteFunc(slices.Clone(points), func(p CostAccuracy) bool {
		return !(p.Cost < ref.Cost && p.Accuracy > ref.Accuracy) // NaN goes too
	})
	slices.SortFunc(inside, func(a, b CostAccuracy) int {
		return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(b.Accuracy, a.Accuracy))
	})
	area, reached := 0.0, ref.Accuracy
	for _, p := range inside {
		if p.Accuracy > reached {
			area += (ref.Cost - p.Cost) * (p.Accuracy - reached)
			reached = p.Accuracy
		}
	}
	return area
}
