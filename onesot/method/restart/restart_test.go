package restart_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/onesot/method/bayesianbits"
	"vimps-gpu/onesot/method/dnas"
	"vimps-gpu/onesot/method/edmips"
	"vimps-gpu/onesot/method/vimps"
	"vimps-gpu/quant"
)

func digits(t *testing.T) *data.Set {
	t.Helper()
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func openDevice(t *testing.T) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

func config(set *data.Set, dev *cuda.Device, s onesot.System, asked ...float64) onesot.Config {
	return onesot.Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), Asked: asked,
		Settings: s.Defaults(onesot.ModelSettings("digitsnet"))}
}

// short is a few steps for each penalty.
func short(c onesot.Config) onesot.Config {
	c.TrainImages, c.Settings.Batch, c.Settings.PretrainEpochs, c.Settings.Epochs = 300, 64, 2, 3
	return c
}

// execute runs a search in dir, or goes on with it; stopAt, where not nil, tells at which step it is interrupted.
func execute(t *testing.T, dir string, dev *cuda.Device, set *data.Set, s onesot.System, c onesot.Config, stopAt func(onesot.Progress) bool) (*onesot.Search, error) {
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
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return search, search.Execute(ctx, onesot.Options{SaveEvery: 2, Evaluated: func(string, int, int) {}, Progress: func(p onesot.Progress) {
		if stopAt != nil && stopAt(p) {
			cancel()
		}
	}})
}

// A higher penalty never leads to a dearer child, but for noise.
func TestPenaltyLowersCost(t *testing.T) {
	set, dev := digits(t), openDevice(t)
	for _, test := range []struct {
		name      string
		system    onesot.System
		penalties []float64
	}{
		{"vimps", vimps.New(), []float64{0.01, 1, 100}}, {"edmips", edmips.New(), []float64{0.01, 1, 100}},
		{"dnas", dnas.New(), []float64{0.01, 3, 100}}, {"dnas pairs", &dnas.System{Space: "pairs"}, []float64{0.01, 3, 100}},
		{"bayesianbits", bayesianbits.New(), []float64{0.003, 0.03, 0.3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(set, dev, test.system, test.penalties...)
			c.Settings.PretrainEpochs, c.Settings.Epochs = 4, 6
			s, err := execute(t, t.TempDir(), dev, set, test.system, c, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			// One layer's gate may be a coin toss: the largest has some 20 % of the cost.
			const slack = 0.1
			lowest := 1.0
			for _, p := range s.Found.Points {
				t.Logf("penalty %g: relative cost %.3f, val %.3f, %v", p.Eta, p.RelativeBOPs, p.AccuracyVal, p.Assignment)
				if p.RelativeBOPs > lowest+slack {
					t.Errorf("penalty %g: the child costs %.3f, more than %.3f at a lower one", p.Eta, p.RelativeBOPs, lowest)
				}
				lowest = min(lowest, p.RelativeBOPs)
			}
			if lowest > 0.3 {
				t.Errorf("the highest penalty led to a relative cost of %.3f", lowest)
			}
		})
	}
}

// A search that is interrupted in the middle of any penalty ends with the same bits as an undisturbed one, each net
// kept, and a search of which all training is done evaluates the same again.
func TestResumeWithinAnyPenalty(t *testing.T) {
	set, dev := digits(t), openDevice(t)
	for _, system := range []onesot.System{vimps.New(), dnas.New(), bayesianbits.New(), &bayesianbits.System{Prune: true}} {
		c := short(config(set, dev, system, 0.1, 1, 10))
		want, whole := t.TempDir(), t.TempDir()
		s, err := execute(t, want, dev, set, system, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		points := fmt.Sprint(s.Found.Points, s.Found.Notes)
		for _, stop := range []struct{ part, step int }{{0, 4}, {1, 1}, {1, 5}, {2, 3}} {
			_, err := execute(t, whole, dev, set, system, c, func(p onesot.Progress) bool {
				return p.Phase == onesot.PhaseSearch && p.Part == stop.part && p.Step == stop.step
			})
			if !errors.Is(err, onesot.ErrInterrupted) {
				t.Fatalf("stop in %v: %v", stop, err)
			}
		}
		for range 2 { // the rest, then nothing
			if s, err = execute(t, whole, dev, set, system, c, nil); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.Found.Points, s.Found.Notes); got != points {
				t.Errorf("%s: an interrupted search found\n%s\nan undisturbed one\n%s", system.Name(), got, points)
			}
			s.Close()
		}
		for _, file := range []string{"state.safetensors", "metrics.jsonl", "net-penalty-0.safetensors", "net-penalty-1.safetensors", "net-penalty-2.safetensors"} {
			if hash(t, want, file) != hash(t, whole, file) {
				t.Errorf("%s: %s differs from that of an undisturbed search", system.Name(), file)
			}
		}
	}
}

// A child is judged in the net whose own child costs about as much.
func TestJudgeIsTheNearestNet(t *testing.T) {
	set, dev, system := digits(t), openDevice(t), edmips.New()
	s, err := execute(t, t.TempDir(), dev, set, system, short(config(set, dev, system, 0.01, 100)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	points := s.Found.Points
	if len(points) != 2 {
		t.Fatalf("%d points, want one a penalty", len(points))
	}
	judged := func(a quant.Assignment) onesot.Point {
		t.Helper()
		j, err := s.Found.Judge(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		return j.Child(a, 0)
	}
	widest, cheapest := quant.MaxAssignment(s.Space), quant.Cheapest(s.Cost)
	before := []onesot.Point{judged(widest), judged(cheapest)}
	for i := len(points) - 1; i >= 0; i-- { // each its own, in whatever order
		if got := judged(points[i].Assignment); got.LossVal != points[i].LossVal || got.AccuracyTest != points[i].AccuracyTest {
			t.Errorf("the child of penalty %g has loss %g, then %g", points[i].Eta, points[i].LossVal, got.LossVal)
		}
	}
	j, err := s.Found.Judge(context.Background(), points[0].Assignment)
	if err != nil {
		t.Fatal(err)
	}
	if got := j.Child(widest, 0).LossVal; got != before[0].LossVal {
		t.Errorf("the widest child has loss %g, in the net of the lowest penalty %g", before[0].LossVal, got)
	}
	if got := j.Child(cheapest, 0).LossVal; got == before[1].LossVal {
		t.Errorf("the cheapest child has loss %g in the nets of both penalties", got)
	}
}

func TestCheckRefusesPenaltiesThatCannotBe(t *testing.T) {
	for _, asked := range [][]float64{nil, {-1}, {1, math.NaN()}, {math.Inf(1)}} {
		if err := vimps.New().Check(&onesot.Problem{Asked: asked}); err == nil {
			t.Errorf("penalties %v were accepted", asked)
		}
	}
}

func hash(t *testing.T, dir, file string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}
