package haq

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
)

func openDevice(t testing.TB) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// small is a search of a few episodes on few digits, within two budgets.
func small() *System { return &System{Episodes: 5, WarmUp: 1, FinetuneEpochs: 2, FinetuneImages: 150} }

func config(set *data.Set, dev *cuda.Device, s *System, asked ...float64) onesot.Config {
	c := onesot.Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), Asked: asked,
		Settings: s.Defaults(onesot.ModelSettings("digitsnet"))}
	c.TrainImages, c.Settings.Batch, c.Settings.PretrainEpochs = 400, 64, 6
	return c
}

// execute makes or reopens the run in a directory and does what is left of it; then, where check is set, has it look.
func execute(t testing.TB, dir string, dev *cuda.Device, c onesot.Config, set *data.Set, ctx context.Context, s *System, o onesot.Options, check func(*onesot.Search)) error {
	t.Helper()
	run, err := onesot.CreateRun(dir, c)
	if err != nil {
		if run, err = onesot.OpenRun(dir); err != nil {
			t.Fatal(err)
		}
	}
	defer run.Close()
	search, err := onesot.NewSearch(dev, run, set, s, nil)
	if err != nil {
		return err
	}
	defer search.Close()
	if err := search.Execute(ctx, o); err != nil {
		return err
	}
	if check != nil {
		check(search)
	}
	return nil
}

func quiet() onesot.Options {
	return onesot.Options{SaveEvery: 1000, Progress: func(onesot.Progress) {}, Evaluated: func(string, int, int) {}}
}

// What a search gives: a child within each budget, ends as pinned, accuracies that a repeated fine-tune gives again, and
// the passes that it says it took.
func TestSearch(t *testing.T) {
	set, dev, dir, s, ctx := digits(t), openDevice(t), t.TempDir(), small(), context.Background()
	asked := []float64{0.12, 0.3}
	c := config(set, dev, s, asked...)
	var episodes []int
	o := quiet()
	o.Evaluated = func(what string, done, of int) {
		if what != "episodes" || of != 10 {
			t.Errorf("progress of %d %s", of, what)
		}
		episodes = append(episodes, done)
	}
	var points []onesot.Point
	err := execute(t, dir, dev, c, set, ctx, s, o, func(f *onesot.Search) {
		points = f.Found.Points
		if len(points) != 2 {
			t.Fatalf("%d points", len(points))
		}
		for i, p := range points {
			if r := f.Cost.Relative(p.Assignment); r > asked[i] {
				t.Errorf("budget %g: %v costs %g", asked[i], p.Assignment, r)
			}
			for _, k := range []int{0, len(f.Space.Layers) - 1} {
				if w, x := p.Assignment.Bits(k); w != 8 || x != 8 {
					t.Errorf("layer %d is pinned at 8/8 and got %d/%d", k, w, x)
				}
			}
			if p.AccuracyVal < 0.3 {
				t.Errorf("%v: accuracy %.2f is about chance", p.Assignment, p.AccuracyVal)
			}
			judge, err := f.Found.Judge(ctx, p.Assignment)
			if err != nil {
				t.Fatal(err)
			}
			if again := judge.Child(p.Assignment, 0); again.AccuracyVal != p.AccuracyVal || again.LossVal != p.LossVal || again.AccuracyTest != p.AccuracyTest {
				t.Errorf("%v: fine-tuned again %+v, in its episode %+v", p.Assignment, again, p)
			}
		}
		if want := int64(10 * 2 * 2 * 64); f.Account.Backward != want { // episodes, epochs, batches of 150 images
			t.Errorf("%d backward passes, want %d", f.Account.Backward, want)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(episodes) != 10 || episodes[9] != 10 {
		t.Errorf("episodes told of: %v", episodes)
	}
	o = quiet()
	o.Trained = true
	err = execute(t, dir, dev, c, set, ctx, s, o, func(f *onesot.Search) {
		for i, p := range f.Found.Points {
			if !p.Assignment.Equal(points[i].Assignment) || p.LossVal != points[i].LossVal {
				t.Errorf("point %d read again is %+v, was %+v", i, p, points[i])
			}
		}
		if _, err := f.Found.Judge(ctx, points[0].Assignment); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A search that was stopped between episodes, within a fine-tune and at a change of budgets ends with the same bits as
// one that was not; one that has not ended is no trained one.
func TestSearchResumes(t *testing.T) {
	set, dev, s := digits(t), openDevice(t), small()
	c := config(set, dev, s, 0.12, 0.3)
	whole, parts := t.TempDir(), t.TempDir()
	if err := execute(t, whole, dev, c, set, context.Background(), s, quiet(), nil); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []struct{ episode, step int }{{3, 0}, {0, 6}, {5, 0}, {0, 3}, {9, 0}} {
		ctx, cancel := context.WithCancel(context.Background())
		steps, o := 0, quiet()
		o.Evaluated = func(_ string, done, _ int) {
			if done == stop.episode {
				cancel()
			}
		}
		o.Progress = func(p onesot.Progress) {
			if p.Phase == onesot.PhaseSearch {
				if steps++; steps == stop.step {
					cancel()
				}
			}
		}
		err := execute(t, parts, dev, c, set, ctx, s, o, nil)
		cancel()
		if !errors.Is(err, onesot.ErrInterrupted) {
			t.Fatalf("stop %+v: %v", stop, err)
		}
	}
	o := quiet()
	o.Trained = true
	if err := execute(t, parts, dev, c, set, context.Background(), s, o, nil); err == nil || !strings.Contains(err.Error(), "episode 9 of 10") {
		t.Errorf("a search that has not ended, taken for trained: %v", err)
	}
	if err := execute(t, parts, dev, c, set, context.Background(), s, quiet(), nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state.safetensors", "metrics.jsonl"} {
		a, errA := os.ReadFile(filepath.Join(whole, name))
		b, errB := os.ReadFile(filepath.Join(parts, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s of the interrupted search differs (%v, %v)", name, errA, errB)
		}
	}
}

// Children whose fine-tune diverges are no answer.
func TestSearchDiverges(t *testing.T) {
	set, dev, s := digits(t), openDevice(t), small()
	c := config(set, dev, s, 0.3)
	c.Settings.LearningRate = 1e38
	err := execute(t, t.TempDir(), dev, c, set, context.Background(), s, quiet(), nil)
	if !errors.Is(err, onesot.ErrDiverged) || !strings.Contains(err.Error(), "budget 0.3") {
		t.Errorf("error %v", err)
	}
}

func TestCheck(t *testing.T) {
	set, dev := digits(t), openDevice(t)
	for _, c := range []struct {
		change func(*System)
		budget float64
		want   string
	}{
		{func(s *System) { s.Episodes = 0 }, 0.3, "--episodes 0"},
		{func(s *System) { s.WarmUp = 4 }, 0.3, "--warmup-episodes 4"},
		{func(s *System) { s.FinetuneEpochs = -1 }, 0.3, "--finetune-epochs -1"},
		{func(s *System) { s.FinetuneImages = 63 }, 0.3, "--finetune-images 63"},
		{func(*System) {}, 0.01, "the cheapest child costs 0.0"},
	} {
		s := small()
		c.change(s)
		err := execute(t, t.TempDir(), dev, config(set, dev, s, c.budget), set, context.Background(), s, quiet(), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one of %q", err, c.want)
		}
	}
}

func digits(t testing.TB) *data.Set {
	t.Helper()
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	return set
}
