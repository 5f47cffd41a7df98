// Package digitstest runs a search system on the digits, whole and in pieces, for tests of systems.
package digitstest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
)

// Bench is what searches of one system run on.
type Bench struct {
	Config onesot.Config
	System onesot.System
	t      testing.TB
	dev    *cuda.Device
	set    *data.Set
}

// New readies a system for short searches on the digits.
func New(t testing.TB, s onesot.System, asked ...float64) *Bench {
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
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), Asked: asked,
		Settings: s.Defaults(onesot.ModelSettings("digitsnet")), Options: onesot.OptionValues(s)}
	c.TrainImages, c.Settings.Batch, c.Settings.PretrainEpochs, c.Settings.Epochs = 400, 64, 8, 4
	c.Settings.RecalibrateSize = 256
	return &Bench{c, s, t, dev, set}
}

// Quiet are options of a run that tells nobody.
func Quiet() onesot.Options {
	return onesot.Options{SaveEvery: 1000, Progress: func(onesot.Progress) {}, Evaluated: func(string, int, int) {}}
}

// Check is the error that is met before anything is trained.
func (b *Bench) Check() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.Run(ctx, b.t.TempDir(), Quiet(), nil)
	if errors.Is(err, onesot.ErrInterrupted) {
		return nil
	}
	return err
}

// Run makes or reopens the run in a directory and does what is left of it; then, where look is set, it looks.
func (b *Bench) Run(ctx context.Context, dir string, o onesot.Options, look func(*onesot.Search)) error {
	b.t.Helper()
	run, err := onesot.CreateRun(dir, b.Config)
	if err != nil {
		if run, err = onesot.OpenRun(dir); err != nil {
			b.t.Fatal(err)
		}
	}
	defer run.Close()
	search, err := onesot.NewSearch(b.dev, run, b.set, b.System, nil)
	if err != nil {
		return err
	}
	defer search.Close()
	if err := search.Execute(ctx, o); err != nil {
		return err
	}
	if look != nil {
		look(search)
	}
	return nil
}

// Stop is where a run is interrupted: after a number of training steps of this process, or once a count of what is
// evaluated has been told.
type Stop struct {
	Steps int
	What  string
	Done  int
}

// Resumes wants a search that is interrupted at each of the stops, one after the other, to leave the same bits as one
// that is not, and to find the same.
func (b *Bench) Resumes(stops ...Stop) {
	b.t.Helper()
	whole, parts := b.t.TempDir(), b.t.TempDir()
	var want, got []onesot.Point
	var passes [2]int64
	if err := b.Run(context.Background(), whole, Quiet(), func(s *onesot.Search) { want, passes[0] = s.Found.Points, s.Account.Forward }); err != nil {
		b.t.Fatal(err)
	}
	for _, stop := range stops {
		ctx, cancel := context.WithCancel(context.Background())
		steps, o := 0, Quiet()
		o.Progress = func(p onesot.Progress) {
			if p.Phase == onesot.PhaseSearch {
				if steps++; steps == stop.Steps {
					cancel()
				}
			}
		}
		o.Evaluated = func(what string, done, _ int) {
			if what == stop.What && done == stop.Done {
				cancel()
			}
		}
		err := b.Run(ctx, parts, o, nil)
		cancel()
		if !errors.Is(err, onesot.ErrInterrupted) && !errors.Is(err, context.Canceled) {
			b.t.Fatalf("stop %+v: %v", stop, err)
		}
	}
	if err := b.Run(context.Background(), parts, Quiet(), func(s *onesot.Search) { got, passes[1] = s.Found.Points, s.Account.Forward }); err != nil {
		b.t.Fatal(err)
	}
	trained := Quiet()
	trained.Trained = true // nothing but the evaluation of what was found is done again
	if err := b.Run(context.Background(), parts, trained, func(s *onesot.Search) { got = s.Found.Points }); err != nil {
		b.t.Fatal(err)
	}
	for _, name := range []string{"state.safetensors", "metrics.jsonl"} {
		a, errA := os.ReadFile(filepath.Join(whole, name))
		p, errB := os.ReadFile(filepath.Join(parts, name))
		if errA != nil || errB != nil || !bytes.Equal(a, p) {
			b.t.Errorf("%s of the interrupted search differs (%v, %v)", name, errA, errB)
		}
	}
	if len(got) != len(want) {
		b.t.Fatalf("the interrupted search found %d children, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Assignment.Equal(want[i].Assignment) || got[i].LossVal != want[i].LossVal {
			b.t.Errorf("the interrupted search found %v (loss %v), want %v (%v)", got[i].Assignment, got[i].LossVal, want[i].Assignment, want[i].LossVal)
		}
	}
	b.t.Logf("%d and %d images forward", passes[0], passes[1])
}
