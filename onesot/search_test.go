package onesot

import (
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn/data"
)

func digits(t testing.TB) *data.Set {
	t.Helper()
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func digitsConfig(set *data.Set, dev *cuda.Device, m Method) Config {
	return Config{Model: "digitsnet", Data: "digits", DataHash: set.Hash, WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8},
		FirstLayer: "8/8", LastLayer: "8/8", Device: dev.Name(), Arithmetic: dev.Arithmetic(), Settings: Defaults(m, "digitsnet")}
}

// short is a run of a few steps in each phase, on both sides of the end of warm-up and of the first one-hot sample.
func short(c Config) Config {
	c.TrainImages, c.Settings.Batch, c.Settings.PretrainEpochs, c.Settings.Epochs = 300, 64, 2, 3
	return c
}

func openDevice(t testing.TB, o cuda.Options) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// oneNet is a System that trains one Supernet and evaluates nothing.
type oneNet struct{ net *Supernet }

func (*oneNet) Name() string                 { return "oneshot" }
func (*oneNet) About() string                { return "for tests" }
func (*oneNet) Defaults(s Settings) Settings { return s }
func (*oneNet) Options() []Option            { return nil }
func (*oneNet) Asks() Asks                   { return Asks{Kind: AskEtas} }
func (*oneNet) Check(*Problem) error         { return nil }

func (o *oneNet) Search(ctx context.Context, p *Problem) (*Found, error) {
	var err error
	p.Settings.Eta, p.Settings.Gamma = 1, 1
	if o.net, err = NewSupernet(p.Dev, p.Graph, p.Space, p.Cost, p.Settings); err != nil {
		return nil, err
	}
	var note TrainingNote
	found, err := p.State.Read(&note, o.net.State)
	if err != nil {
		return nil, err
	}
	if !found {
		o.net.Start(p)
	}
	return &Found{Free: func() {}}, o.net.Train(ctx, p, 0, 1, &note, func() error { return p.State.Write(note, o.net.State()) })
}

// newSearch builds a search that trains one Supernet.
func newSearch(dev *cuda.Device, run *Run, set *data.Set) (*Search, *oneNet, error) {
	system := &oneNet{}
	s, err := NewSearch(dev, run, set, system, nil)
	return s, system, err
}

// trainIn creates or, resume, reopens the run in dir and trains; stopAfter > 0 interrupts after so many steps.
func trainIn(t testing.TB, dir string, dev *cuda.Device, set *data.Set, c Config, resume bool, stopAfter int) (*Search, *Supernet, error) {
	t.Helper()
	open := func() (*Run, error) { return CreateRun(dir, c) }
	if resume {
		open = func() (*Run, error) { return OpenRun(dir) }
	}
	run, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	s, system, err := newSearch(dev, run, set)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps := 0
	err = s.Execute(ctx, Options{SaveEvery: 1000, Progress: func(Progress) {
		if steps++; steps == stopAfter {
			cancel()
		}
	}})
	return s, system.net, err
}

func stateHash(t testing.TB, dir string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// The state after training is the same bits for any number of threads, for AVX2 and AVX-512, and after
// interruptions anywhere.
func TestEqualBits(t *testing.T) {
	set := digits(t)
	for _, m := range []Method{OneShot, VIMPS, EdMIPS, DNAS} {
		t.Run(string(m), func(t *testing.T) {
			train := func(o cuda.Options, stops ...int) [32]byte {
				dev, dir := openDevice(t, o), t.TempDir()
				c := short(digitsConfig(set, dev, m))
				for i, stop := range append(stops, 0) {
					_, _, err := trainIn(t, dir, dev, set, c, i > 0, stop)
					if stop > 0 != errors.Is(err, ErrInterrupted) || err != nil && stop == 0 {
						t.Fatalf("stop after %d steps: %v", stop, err)
					}
				}
				return stateHash(t, dir)
			}
			want := train(cuda.Options{Device: "host", Threads: 1})
			if got := train(cuda.Options{Device: "host", Threads: 1}); got != want {
				t.Error("two equal runs differ")
			}
			if got := train(cuda.Options{Device: "host", Threads: 3}); got != want {
				t.Error("1 and 3 threads differ")
			}
			if got := train(cuda.Options{Device: "host", Threads: 2}, 3, 2, 4, 1); got != want {
				t.Error("an interrupted and resumed run differs from an undisturbed one")
			}
			if !kernels.AVX2.Supported() || !kernels.AVX512.Supported() {
				t.Log("AVX2 and AVX-512 not compared: this CPU lacks one of them")
				return
			}
			if train(cuda.Options{Device: "host", Threads: 2, ISA: "avx2"}) != want {
				t.Error("AVX2 and AVX-512 differ")
			}
		})
	}
}

// A search on the digits finds a front: many children over the whole range of costs, whose cost does not rise
// with eta, and whose accuracy at the expensive end is that of the fp32 net.
func TestDigitsFront(t *testing.T) {
	set, dev := digits(t), openDevice(t, cuda.Options{Device: "host"})
	s, net, err := trainIn(t, t.TempDir(), dev, set, digitsConfig(set, dev, OneShot), false, 0)
	if err != nil {
		t.Fatal(err)
	}
	predictions := net.Predict(s.Settings.Etas(40))
	judge := NewJudge(s.Problem, net.Quantized)
	points, err := judge.Children(context.Background(), predictions, func(int, int, Point) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		t.Logf("eta %8.4f  relative BOPs %.3f  val %.3f  test %.3f  front %t", p.Eta, p.RelativeBOPs, p.AccuracyVal, p.AccuracyTest, p.OnFront)
	}
	if len(points) < 8 {
		t.Errorf("%d distinct children from 40 etas, want 8 or more", len(points))
	}
	if low, high := points[len(points)-1].RelativeBOPs, points[0].RelativeBOPs; low > 0.2 || high < 0.9 {
		t.Errorf("the children cover %.2f to %.2f of the all-8-bit BOPs", low, high)
	}
	// Gates are trained by noisy gradients: one layer's choice may step back between neighbouring etas, a share of the
	// cost that the largest layer has at most.
	const slack = 0.05
	lowest := math.Inf(1)
	for _, p := range points {
		if p.RelativeBOPs > lowest+slack {
			t.Errorf("at eta %g the child costs %.3f, more than %.3f at a smaller eta", p.Eta, p.RelativeBOPs, lowest)
		}
		lowest = min(lowest, p.RelativeBOPs)
	}
	if drop := s.FP32Accuracy.Test - points[0].AccuracyTest; drop > 0.02 {
		t.Errorf("the all-8-bit child is %.1f points below fp32", 100*drop)
	}
}

// Loss that is not finite stops the training, names step and layer, and leaves the good state on disk.
func TestDivergenceKeepsTheGoodState(t *testing.T) {
	set, dev, dir := digits(t), openDevice(t, cuda.Options{Device: "host"}), t.TempDir()
	c := short(digitsConfig(set, dev, OneShot))
	if _, _, err := trainIn(t, dir, dev, set, c, false, 12); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	good := stateHash(t, dir)
	run, err := OpenRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	s, system, err := newSearch(dev, run, set)
	if err != nil {
		t.Fatal(err)
	}
	poisoned := false
	err = s.Execute(context.Background(), Options{SaveEvery: 1000, Progress: func(Progress) {
		if !poisoned {
			poisoned = true
			l := system.net.Params.Layers[4]
			w := l.W.Get(nil)
			w[7] = float32(math.NaN())
			l.W.Set(w)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "step 6") || !strings.Contains(err.Error(), "conv5") {
		t.Errorf("error %v; want one that names the step and conv5", err)
	}
	if stateHash(t, dir) != good {
		t.Error("the state on disk is no longer the good one")
	}
}

// A state is refused where the data or the arithmetic differ.
func TestStateOfAnotherRunIsRefused(t *testing.T) {
	set, dev, dir := digits(t), openDevice(t, cuda.Options{Device: "host"}), t.TempDir()
	c := short(digitsConfig(set, dev, OneShot))
	if _, _, err := trainIn(t, dir, dev, set, c, false, 3); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	run, err := OpenRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := OpenRun(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second opening: %v", err)
	}
	other := *set
	other.Hash = "0123"
	if _, _, err := newSearch(dev, run, &other); err == nil || !strings.Contains(err.Error(), "images") {
		t.Errorf("other data: %v", err)
	}
	portable := openDevice(t, cuda.Options{Device: "host", ISA: "portable"})
	s, _, err := newSearch(portable, run, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Execute(context.Background(), Options{SaveEvery: 1000, Progress: func(Progress) {}}); err == nil || !strings.Contains(err.Error(), "arithmetic") {
		t.Errorf("other arithmetic: %v", err)
	}
	changed := c
	changed.Settings.Mu = 0.5
	if d := c.Differences(changed); len(d) != 1 || !strings.HasPrefix(d[0], "mu: ") {
		t.Errorf("differences %q", d)
	}
}

// A training step allocates nothing on the Go heap; the kernels cannot.
func TestStepAllocatesNothing(t *testing.T) {
	set, dev := digits(t), openDevice(t, cuda.Options{Device: "host", Threads: 2})
	run, err := CreateRun(t.TempDir(), digitsConfig(set, dev, OneShot))
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	s, _, err := newSearch(dev, run, set)
	if err != nil {
		t.Fatal(err)
	}
	net, err := NewSupernet(dev, s.Graph, s.Space, s.Cost, s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	net.PrepareTraining(set, s.Model.Augment)
	positions := make([]int, s.Settings.Batch)
	before, step := dev.Bytes(), 0
	if n := testing.AllocsPerRun(20, func() { net.Step(step, 100, set.Train, positions); step++ }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
	if dev.Bytes() != before {
		t.Errorf("device memory went from %d to %d bytes", before, dev.Bytes())
	}
}
