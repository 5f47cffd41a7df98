package oneshot

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
)

// execute searches the digits in dir, or goes on with it, and is interrupted after so many steps where stop > 0.
func execute(t *testing.T, dir string, stop int) (*onesot.Search, error) {
	t.Helper()
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	c := onesot.Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), TrainImages: 300,
		Settings: New().Defaults(onesot.ModelSettings("digitsnet"))}
	c.Settings.Batch, c.Settings.PretrainEpochs, c.Settings.Epochs = 64, 2, 4
	c.Asked = c.Settings.Etas(12)
	run, err := onesot.CreateRun(dir, c)
	if err != nil {
		if run, err = onesot.OpenRun(dir); err != nil {
			t.Fatal(err)
		}
	}
	defer run.Close()
	s, err := onesot.NewSearch(dev, run, set, New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return s, s.Execute(ctx, onesot.Options{SaveEvery: 1000, Evaluated: func(string, int, int) {}, Progress: func(p onesot.Progress) {
		if p.Phase == onesot.PhaseSearch && p.Step == stop {
			cancel()
		}
	}})
}

// A search that is interrupted finds what an undisturbed one does; what it believes of a child is what its front says.
func TestSearchGoesOn(t *testing.T) {
	whole, err := execute(t, t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, stop := range []int{2, 5} {
		if _, err := execute(t, dir, stop); !errors.Is(err, onesot.ErrInterrupted) {
			t.Fatalf("stop at %d: %v", stop, err)
		}
	}
	again, err := execute(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(again.Found.Predictions, again.Found.Points), fmt.Sprint(whole.Found.Predictions, whole.Found.Points); got != want {
		t.Errorf("found\n%s\nafter interruptions, else\n%s", got, want)
	}
	if len(again.Found.Predictions) != 12 || len(again.Found.Points) < 2 {
		t.Errorf("%d predictions, %d points", len(again.Found.Predictions), len(again.Found.Points))
	}
	for _, p := range again.Found.Points {
		j, err := again.Found.Judge(context.Background(), p.Assignment)
		if err != nil {
			t.Fatal(err)
		}
		if got := j.Child(p.Assignment, p.Eta); got.LossVal != p.LossVal || got.Eta != p.Eta {
			t.Errorf("the child at eta %g: loss %g, then %g", p.Eta, p.LossVal, got.LossVal)
		}
	}
}
