package spos

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/spos/singlepath/digitstest"
)

// small is a search of a few generations.
func small() *System {
	return &System{Generations: 2, Population: 6, Parents: 3, Mutation: 0.1, SearchImages: 60}
}

// What a search gives: the child of each budget, which is within it and was not beaten by any that was scored.
func TestSearch(t *testing.T) {
	asked := []float64{0.15, 0.5}
	s := small()
	b := digitstest.New(t, s, asked...)
	var told []string
	o := digitstest.Quiet()
	o.Evaluated = func(what string, done, of int) { told = append(told, fmt.Sprintf("%s %d/%d", what, done, of)) }
	err := b.Run(context.Background(), t.TempDir(), o, func(f *onesot.Search) {
		if len(f.Found.Points) != len(asked) {
			t.Fatalf("%d points", len(f.Found.Points))
		}
		for i, p := range f.Found.Points {
			t.Logf("budget %g: %v costs %.3f, val %.3f, test %.3f", asked[i], p.Assignment, p.RelativeBOPs, p.AccuracyVal, p.AccuracyTest)
			if f.Cost.Relative(p.Assignment) > asked[i] || p.AccuracyVal < 0.2 {
				t.Errorf("budget %g: %+v", asked[i], p)
			}
			judge, err := f.Found.Judge(context.Background(), p.Assignment)
			if err != nil || judge.Child(p.Assignment, 0).LossVal != p.LossVal {
				t.Errorf("its judge believes something else (%v)", err)
			}
		}
		// 4 epochs of 5 steps; 2 x 18 children at most, each on 256 images and then 60; calibration; two children on the
		// whole validation split.
		steps := int64(4 * 5 * 64)
		most := steps + 256 + 36*(256+60) + 2*int64(256+f.Val.Len())
		if f.Account.Backward != steps || f.Account.Forward > most || f.Account.Forward < most/2 {
			t.Errorf("%+v, want %d backward and up to %d forward", f.Account.Now(), steps, most)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, ", "); got != "generations 1/6, generations 2/6, generations 3/6, generations 4/6, generations 5/6, generations 6/6, children 1/2, children 2/2" {
		t.Errorf("told of %s", got)
	}
}

func TestSearchResumes(t *testing.T) {
	digitstest.New(t, small(), 0.15, 0.5).Resumes(digitstest.Stop{Steps: 7}, digitstest.Stop{Steps: 1}, digitstest.Stop{What: "generations", Done: 1},
		digitstest.Stop{What: "generations", Done: 4}, digitstest.Stop{What: "children", Done: 1})
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*System){
		"--bins -1": func(s *System) { s.Bins = -1 }, "--generations -1": func(s *System) { s.Generations = -1 },
		"--population 1": func(s *System) { s.Population = 1 }, "--parents 7": func(s *System) { s.Parents = 7 },
		"--mutation 2": func(s *System) { s.Mutation = 2 }, "--search-images 0": func(s *System) { s.SearchImages = 0 },
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
	if d := New().Defaults(onesot.ModelSettings("resnet20")); !d.SharedWeights || d.Norm != nn.NormPlain || !d.Recalibrate {
		t.Errorf("defaults %+v", d)
	}
}
