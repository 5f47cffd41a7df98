package onesot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Budget bounds what a picked child may cost. Nil bounds nothing.
type Budget struct {
	MaxBOPs   *BOPsLimit
	MaxSize   *float64 // bytes
	MaxMemory *float64 // bytes, see quant.Memory
	MaxDrop   *float64 // percentage points of validation accuracy, or dB, against Reference
	Measured  []MeasuredLimit
}

// MeasuredLimit bounds the cost by a table, in the table's unit.
type MeasuredLimit struct {
	Name, Unit string
	Value      float64
	Cost       func(Point) float64
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
	return fmt.Sprintf("%s: %s of %s, %s %s", u.Name, u.show(u.Used), u.show(u.Limit), u.show(left), verb)
}

func (u Use) show(v float64) string {
	switch u.Unit {
	case "":
		return HumanCount(v)
	case "bytes":
		return fmt.Sprintf("%.0f bytes", v)
	}
	return fmt.Sprintf("%.4g %s", v, u.Unit)
}

// Choice is the child that Pick took and the slack that each bound has left.
type Choice struct {
	Index int   `json:"index"` // into Front.Points
	Point Point `json:"point"`
	Uses  []Use `json:"budgets"`
}

// InfeasibleError says that no child keeps every bound, which comes nearest, and how little any child takes of each bound, that
// bound taken alone.
type InfeasibleError struct {
	Nearest Choice
	Least   []Use // one a bound
}

func (e *InfeasibleError) Error() string {
	var misses, least []string
	for _, u := range e.Nearest.Uses {
		if u.Left < 0 {
			misses = append(misses, u.String())
		}
	}
	for _, u := range e.Least {
		least = append(least, fmt.Sprintf("%s %s", u.Name, u.show(u.Used)))
	}
	m := e.Nearest.Point.Metric
	return fmt.Sprintf("no child fits the budget; the nearest is number %d (validation %s %s %s, relative BOPs %.4g): %s; the least that any child reaches: %s",
		e.Nearest.Index, m.Name(), m.Shown(e.Nearest.Point.AccuracyVal), m.Unit(), e.Nearest.Point.RelativeBOPs, strings.Join(misses, "; "), strings.Join(least, ", "))
}

// Reference is the value on the validation split that a drop is measured from, and whose
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
		return Choice{}, fmt.Errorf("%s drop %g: want 0 or more %s", f.Metric.Name(), *b.MaxDrop, f.Metric.DropUnit())
	}
	if b.MaxMemory != nil && slices.ContainsFunc(f.Points, func(p Point) bool { return p.MemoryBytes == 0 }) {
		return Choice{}, fmt.Errorf("memory budget: this front.json does not tell the memory of its children; write it anew by vimps-gpu sweep --run")
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
		return Choice{}, &InfeasibleError{best, leastOf(choices)}
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
	if b.MaxMemory != nil {
		add("memory", "bytes", *b.MaxMemory, p.MemoryBytes)
	}
	for _, m := range b.Measured {
		add(m.Name, m.Unit, m.Value, m.Cost(p))
	}
	if b.MaxDrop != nil {
		ref, of := f.Reference()
		add("drop from "+of, f.Metric.DropUnit(), *b.MaxDrop, f.Metric.Drop(ref, p.AccuracyVal))
	}
	return uses
}

// leastOf is, for each bound, the use of the child that takes least of it.
func leastOf(choices []Choice) []Use {
	least := slices.Clone(choices[0].Uses)
	for _, c := range choices[1:] {
		for i, u := range c.Uses {
			if u.Used < least[i].Used {
				least[i] = u
			}
		}
	}
	return least
}

// excess is the worst overshoot of a bound, as a share of the bound (of one
// point or dB, for a drop bound below that); 0 if all are kept.
func (c Choice) excess() float64 {
	worst := 0.0
	for _, u := range c.Uses {
		scale := u.Limit
		if u.Unit == "points" || u.Unit == "dB" {
			scale = max(scale, 1)
		}
		worst = max(worst, -u.Left/scale)
	}
	return worst
}
