package onesot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Budget bounds what a picked child may cost. Nil bounds nothing.
type Budget struct {
	MaxBOPs *BOPsLimit
	MaxSize *float64 // bytes
	MaxDrop *float64 // percentage points of validation accuracy, against Reference
}

// Use is how a child stands to one bound. Left is below 0 where it misses.
type Use struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"` // empty for BOPs
	Limit float64 `json:"limit"`
	Used  float64 `json:"used"`
	Left  float64 `json:"left"`
}

func (u Use) String() string {
	verb, left := "left", u.Left
	if u.Left < 0 {
		verb, left = "too much", -u.Left
	}
	show := func(v float64) string {
		switch u.Unit {
		case "":
			return HumanCount(v)
		case "bytes":
			return fmt.Sprintf("%.0f bytes", v)
		}
		return fmt.Sprintf("%.4g %s", v, u.Unit)
	}
	return fmt.Sprintf("%s: %s of %s, %s %s", u.Name, show(u.Used), show(u.Limit), show(left), verb)
}

// Choice is the child that Pick took and the slack that each bound has left.
type Choice struct {
	Index int   `json:"index"` // into Front.Points
	Point Point `json:"point"`
	Uses  []Use `json:"budgets"`
}

// InfeasibleError says that no child keeps every bound, and which comes nearest.
type InfeasibleError struct {
	Nearest Choice
}

func (e *InfeasibleError) Error() string {
	var misses []string
	for _, u := range e.Nearest.Uses {
		if u.Left < 0 {
			misses = append(misses, u.String())
		}
	}
	return fmt.Sprintf("no child fits the budget; the nearest is number %d (validation accuracy %.2f %%, relative BOPs %.4g): %s",
		e.Nearest.Index, 100*e.Nearest.Point.AccuracyVal, e.Nearest.Point.RelativeBOPs, strings.Join(misses, "; "))
}

// Reference is the validation accuracy that a drop is measured from, and whose
// it is: the fp32 net's, else the all-maximum child's, else the best child's.
func (f *Front) Reference() (accuracy float64, of string) {
	if f.FP32 != nil {
		return f.FP32.Val, "fp32"
	}
	best := 0.0
	for _, p := range f.Points {
		if p.RelativeBOPs == 1 {
			return p.AccuracyVal, "the all-maximum child"
		}
		best = max(best, p.AccuracyVal)
	}
	return best, "the best child"
}

// Pick takes, among all children that keep every bound, the one most accurate on
// the validation split; of equals the cheapest, then the first. Bounds are never
// exceeded. If nothing fits the error is an *InfeasibleError.
func (f *Front) Pick(b Budget) (Choice, error) {
	if len(f.Points) == 0 {
		return Choice{}, fmt.Errorf("pick: the front has no points")
	}
	if b.MaxDrop != nil && !(*b.MaxDrop >= 0) {
		return Choice{}, fmt.Errorf("accuracy drop %g: want 0 or more percentage points", *b.MaxDrop)
	}
	choices := make([]Choice, len(f.Points))
	for i, p := range f.Points {
		choices[i] = Choice{i, p, f.uses(p, b)}
	}
	better := func(x, y Choice) int {
		return cmp.Or(
			cmp.Compare(x.excess(), y.excess()), // 0 for all that fit
			cmp.Compare(y.Point.AccuracyVal, x.Point.AccuracyVal),
			cmp.Compare(x.Point.Cost, y.Point.Cost),
			cmp.Compare(x.Index, y.Index))
	}
	best := slices.MinFunc(choices, better)
	if best.excess() > 0 {
		return Choice{}, &InfeasibleError{best}
	}
	return best, nil
}

// uses measures one child against each bound that is set.
func (f *Front) uses(p Point, b Budget) []Use {
	var uses []Use
	add := func(name, unit string, limit, used float64) {
		uses = append(uses, Use{name, unit, limit, used, limit - used})
	}
	if b.MaxBOPs != nil && b.MaxBOPs.Relative {
		add("relative BOPs", "", b.MaxBOPs.Value, p.RelativeBOPs)
	} else if b.MaxBOPs != nil {
		add("BOPs", "", b.MaxBOPs.Value, p.BOPs)
	}
	if b.MaxSize != nil {
		add("size", "bytes", *b.MaxSize, p.SizeBytes)
	}
	if b.MaxDrop != nil {
		ref, of := f.Reference()
		// Accuracies are k/n in binary: without rounding, 92.31 % - 91.31 % would
		// exceed 1 point. No split has the 10^9 images that could tell 1e-9 points apart.
		drop := math.Round((ref-p.AccuracyVal)*1e11) / 1e9
		add("drop from "+of, "points", *b.MaxDrop, drop)
	}
	return uses
}

// excess is the worst overshoot of a bound, as a share of the bound (of one
// point, for a drop bound below that); 0 if all are kept.
func (c Choice) excess() float64 {
	worst := 0.0
	for _, u := range c.Uses {
		scale := u.Limit
		if u.Unit == "points" {
			scale = max(scale, 1)
		}
		worst = max(worst, -u.Left/scale)
	}
	return worst
}
