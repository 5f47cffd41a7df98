package compare

import (
	"cmp"
	"math"
	"slices"

	"vimps-gpu/onesot"
)

// FrontOf is what a front of some number of points takes, and what it is worth.
type FrontOf struct {
	Size int `json:"size"`
	// Passes is Fixed and a share of the rest (Method.share). Beyond the points that were found it is an extrapolation.
	Passes       Passes  `json:"passes"`
	Extrapolated bool    `json:"extrapolated,omitempty"`
	Points       int     `json:"points"` // that Hypervolume is of: Size, or all
	Hypervolume  float64 `json:"hypervolume"`
	// After fine-tuning: of as many of the fine-tuned children; absent where there are none.
	TunedPoints      int     `json:"tuned_points,omitempty"`
	TunedHypervolume float64 `json:"tuned_hypervolume,omitempty"`
	TuningPasses     Passes  `json:"tuning_passes"` // of one fine-tuning for each point

	seconds, tuningSeconds Times
}

// Quality is how good and how diverse a front is.
type Quality struct {
	Children         int      `json:"children"` // distinct, found
	OnFront          int      `json:"on_front"`
	Combinations     int      `json:"bit_combinations"` // distinct (weight, input) widths in the searched layers of the front
	Gap              float64  `json:"widest_gap"`       // largest ratio of neighbouring costs on the front
	Overshoot        *float64 `json:"overshoot,omitempty"`
	Hypervolume      float64  `json:"hypervolume"`
	TunedHypervolume *float64 `json:"tuned_hypervolume,omitempty"`
	Tuned            int      `json:"tuned,omitempty"`
}

// summarise computes what the points of one seed are worth.
func (r *runner) summarise(m *Method, s *Seed) {
	tuned := r.tunedPoints(s)
	for _, n := range r.e.Fronts {
		s.Fronts = append(s.Fronts, r.frontOf(m, s, tuned, n))
	}
	front := onFront(s.Points)
	s.Quality = Quality{Children: len(s.Points), OnFront: len(front), Combinations: r.combinations(front), Gap: gap(front),
		Hypervolume: r.hypervolume(s.Points), Tuned: len(tuned)}
	if len(tuned) > 0 {
		v := r.hypervolume(tuned)
		s.Quality.TunedHypervolume = &v
	}
	if m.AskedBy == onesot.AskBudgets.String() {
		s.Quality.Overshoot = overshoot(s.Points, m.Asked, r.w.cost.Max())
	}
}

func (r *runner) frontOf(m *Method, s *Seed, tuned []onesot.Point, n int) FrontOf {
	f := FrontOf{Size: n, Extrapolated: n > len(s.Points), Points: min(n, len(s.Points)), Hypervolume: r.hypervolume(Spread(s.Points, n))}
	share := m.share(n, len(s.Points))
	f.Passes = Passes{s.Fixed.Forward + int64(math.Round(share*float64(s.Passes.Forward-s.Fixed.Forward))),
		s.Fixed.Backward + int64(math.Round(share*float64(s.Passes.Backward-s.Fixed.Backward)))}
	f.seconds = Times{Wall: s.took.FixedWall + share*(s.took.Wall-s.took.FixedWall)}
	f.seconds.CPU = s.took.CPU * f.seconds.Wall / max(s.took.Wall, 1e-9)
	if len(tuned) > 0 {
		some := Spread(tuned, n)
		one := s.tuned(childID(some[0].Assignment))[0]
		f.TunedPoints, f.TunedHypervolume = len(some), r.hypervolume(some)
		f.TuningPasses = Passes{int64(n) * one.Passes.Forward, int64(n) * one.Passes.Backward}
	}
	return f
}

// share is that of all that is not fixed which a front of n points takes, where so many were found. Penalties that led to
// a child that another had led to are work too: of n points, but not of the first.
func (m *Method) share(n, found int) float64 {
	if m.AskedBy != onesot.AskPenalties.String() {
		return float64(n) / float64(max(1, found))
	}
	trainings := float64(len(m.Asked))
	return (1 + float64(n-1)*max(1, (trainings-1)/float64(max(1, found-1)))) / trainings
}

// tunedPoints are a seed's own children with the means of what they reached after fine-tuning.
func (r *runner) tunedPoints(s *Seed) []onesot.Point {
	var out []onesot.Point
	for _, p := range r.e.alongFront(s.Points) {
		list := s.tuned(childID(p.Assignment))
		if list == nil {
			continue
		}
		p.AccuracyVal, p.AccuracyTest, p.LossVal = 0, 0, 0
		for _, t := range list {
			p.AccuracyVal += t.AccuracyVal / float64(len(list))
			p.AccuracyTest += t.AccuracyTest / float64(len(list))
			p.LossVal += t.LossVal / float64(len(list))
		}
		out = append(out, p)
	}
	return out
}

// onFront are the points that no other beats on the validation images, by ascending cost.
func onFront(points []onesot.Point) []onesot.Point {
	marked := slices.Clone(points)
	onesot.MarkFront(marked)
	marked = slices.DeleteFunc(marked, func(p onesot.Point) bool { return !p.OnFront })
	slices.SortStableFunc(marked, func(p, q onesot.Point) int { return cmp.Compare(p.Cost, q.Cost) })
	return marked
}

// hypervolume is that on test images of the points that validation images select.
func (r *runner) hypervolume(points []onesot.Point) float64 {
	var places []onesot.CostAccuracy
	for _, p := range onFront(points) {
		places = append(places, onesot.CostAccuracy{Cost: p.Cost / r.w.cost.Max(), Accuracy: p.AccuracyTest})
	}
	return onesot.Hypervolume(places, r.w.reference())
}

// combinations counts the distinct pairs of widths that searched layers have on a front.
func (r *runner) combinations(front []onesot.Point) int {
	seen := map[[2]int]bool{}
	for _, p := range front {
		for _, layer := range r.w.space.Searched() {
			w, x := p.Assignment.Bits(layer)
			seen[[2]int{w, x}] = true
		}
	}
	return len(seen)
}

func gap(front []onesot.Point) float64 {
	widest := 1.0
	for i := 1; i < len(front); i++ {
		widest = max(widest, front[i].Cost/front[i-1].Cost)
	}
	return widest
}

// overshoot is the worst share by which a child exceeds the budget that it was asked for; where points do not say which
// (Point.Eta), a budget below which there is no point counts.
func overshoot(points []onesot.Point, budgets []float64, most float64) *float64 {
	worst := math.Inf(-1)
	for _, b := range budgets {
		nearest := math.Inf(1)
		for _, p := range points {
			over := p.Cost/most/b - 1
			if p.Eta == b {
				worst = max(worst, over)
			}
			nearest = min(nearest, over)
		}
		if nearest > 0 {
			worst = max(worst, nearest)
		}
	}
	worst = max(worst, 0)
	return &worst
}
