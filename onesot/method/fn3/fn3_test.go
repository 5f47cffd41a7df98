package fn3

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/spos/singlepath/digitstest"
	"vimps-gpu/quant"
)

// The draws follow the geometric law, each gate for itself.
func TestOrderedDropout(t *testing.T) {
	s := testSpace(t, 3, 2, 3, 4, 8)
	const steps, keep = 20000, 0.6
	d := &dropout{space: s, seed: 5, keep: keep}
	var first [4]float64
	var both [4][4]float64
	for step := range steps {
		a := d.child(step, steps)
		if w, x := a.Bits(0); w != 8 || x != 8 {
			t.Fatalf("the pinned layer has %d/%d bits", w, x)
		}
		i, j := s.Choice(a, 1)
		first[i]++
		both[i][j]++
	}
	want := [4]float64{1 - keep, keep * (1 - keep), keep * keep * (1 - keep), keep * keep * keep}
	for i := range 4 {
		if got := first[i] / steps; math.Abs(got-want[i]) > 0.012 {
			t.Errorf("candidate %d was drawn in a share of %.3f, want %.3f", i, got, want[i])
		}
		for j := range 4 {
			if got := both[i][j] / steps; math.Abs(got-want[i]*want[j]) > 0.01 {
				t.Errorf("candidates %d and %d together: %.3f, want %.3f", i, j, got, want[i]*want[j])
			}
		}
	}
}

func TestChoose(t *testing.T) {
	s := testSpace(t, 6, 2, 4, 8)
	r, _ := counted(s, 0, toyLoss(false))
	path, err := r.path()
	if err != nil {
		t.Fatal(err)
	}
	cost := quant.BOPs(s)
	for _, n := range []int{0, 1, 2, 7, len(path), 1000} {
		got, err := choose(path, cost, nil, n)
		if err != nil || len(got) != min(n, len(path)) {
			t.Errorf("%d of a path of %d gave %d (%v)", n, len(path), len(got), err)
		}
		if n >= 2 && (!got[0].Equal(path[0]) || !got[len(got)-1].Equal(path[len(path)-1])) {
			t.Errorf("%d: an end is missing", n)
		}
	}
	for _, b := range []float64{1, 0.5, 0.31, cost.Relative(path[len(path)-1])} {
		got, err := choose(path, cost, []float64{b}, 0)
		if err != nil || len(got) != 1 {
			t.Fatalf("budget %g: %v, %v", b, got, err)
		}
		for _, a := range path {
			if r := cost.Relative(a); r <= b && r > cost.Relative(got[0]) {
				t.Errorf("budget %g: took one of %g, but the path has one of %g", b, cost.Relative(got[0]), r)
			}
		}
		if r := cost.Relative(got[0]); r > b {
			t.Errorf("budget %g: took one of %g", b, r)
		}
	}
	if _, err := choose(path, cost, []float64{0.001}, 5); err == nil || !strings.Contains(err.Error(), "budget 0.001") {
		t.Errorf("a budget below the path's end: %v", err)
	}
}

// small is a search by few images.
func small() *System { return &System{Keep: 0.7, Remeasure: 2, SearchImages: 60, PathPoints: 4} }

// What a search gives: a front from one training, both ends of the path and the dearest child of it within each budget
// among it, by no more evaluations than the bound on what is measured anew allows.
func TestSearch(t *testing.T) {
	asked := []float64{0.15, 0.5}
	b := digitstest.New(t, small(), asked...)
	removals := 0
	o := digitstest.Quiet()
	o.Evaluated = func(what string, done, of int) {
		if what == "removals" {
			if removals = done; of != 24 {
				t.Errorf("%d removals, want 24: 12 gates of 3 widths", of)
			}
		}
	}
	err := b.Run(context.Background(), t.TempDir(), o, func(f *onesot.Search) {
		points := f.Found.Points
		for _, p := range points {
			t.Logf("%v costs %.3f, val %.3f, test %.3f, loss %.3f", p.Assignment, p.RelativeBOPs, p.AccuracyVal, p.AccuracyTest, p.LossVal)
		}
		if n := len(points); n < 4 || n > 6 || points[0].RelativeBOPs != 1 || !points[n-1].Assignment.Equal(quant.Cheapest(f.Cost)) {
			t.Errorf("%d points from %v to %v", n, points[0].Assignment, points[n-1].Assignment)
		}
		for _, budget := range asked {
			if !slices.ContainsFunc(points, func(p onesot.Point) bool { return p.RelativeBOPs <= budget && p.RelativeBOPs > 0.75*budget }) {
				t.Errorf("no point is just within the budget %g", budget)
			}
		}
		training := int64(4*5*64 + 256 + len(points)*(256+f.Val.Len()))
		scored := (f.Account.Forward - training) / (256 + 60)
		if most := int64(1 + 12 + 24*(1+2)); removals != 24 || scored > most || scored < 24 {
			t.Errorf("%d children scored for %d removals, want at most %d", scored, removals, most)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSearchResumes(t *testing.T) {
	digitstest.New(t, small(), 0.15, 0.5).Resumes(digitstest.Stop{Steps: 7}, digitstest.Stop{What: "removals", Done: 1},
		digitstest.Stop{What: "removals", Done: 13}, digitstest.Stop{What: "children", Done: 2})
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*System){
		"--keep 1": func(s *System) { s.Keep = 1 }, "--remeasure -1": func(s *System) { s.Remeasure = -1 },
		"--search-images 0": func(s *System) { s.SearchImages = 0 }, "--path-points -1": func(s *System) { s.PathPoints = -1 },
	} {
		s := small()
		change(s)
		if err := digitstest.New(t, s, 0.5).Check(); err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := digitstest.New(t, small(), 0.01).Check(); err == nil || !strings.Contains(err.Error(), "budget 0.01: the cheapest child costs 0.0") {
		t.Errorf("a budget below the least: %v", err)
	}
	b := digitstest.New(t, small(), 0.5)
	b.Config.Settings.SharedWeights = false
	if err := b.Check(); err == nil || !strings.Contains(err.Error(), "--shared-weights") {
		t.Errorf("a filter a width: %v", err)
	}
}
