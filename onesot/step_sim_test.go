//go:build cuda

package onesot

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// simGPU is the GPU, or the simulated one of make sim.
func simGPU(t *testing.T, o cuda.Options) *cuda.Device {
	t.Helper()
	o.Device = "gpu:0"
	dev, err := cuda.Open(o)
	if err != nil {
		if os.Getenv("VIMPS_LIBCUDA") != "" {
			t.Fatal(err) // there is the simulated one
		}
		t.Skip("needs a GPU, or the simulated one of make test-sim: ", err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// simRun is a supernet on a device, before its first step.
type simRun struct {
	net *Supernet
	set *data.Set
}

func newSimRun(t *testing.T, dev *cuda.Device, set *data.Set, c simCase, change ...func(*Settings)) *simRun {
	t.Helper()
	config := short(digitsConfig(set, dev, c.method))
	config.Settings.Batch, config.Settings.Norm, config.WeightBits, config.InputBits = 32, c.norm, c.bits, c.bits
	for _, f := range change {
		f(&config.Settings)
	}
	run, err := CreateRun(t.TempDir(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	s, _, err := newSearch(dev, run, set)
	if err != nil {
		t.Fatal(err)
	}
	net, err := NewSupernet(dev, s.Graph, s.Space, s.Cost, s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	s.FP32 = nn.NewParams(dev, s.Graph, nn.Config{})
	s.FP32.Init(1)
	net.Start(s.Problem)
	net.PrepareTraining(set, nn.Augment{Pad: 1, Flip: true})
	return &simRun{net: net, set: set}
}

// startAs gives the run another's values: its steps were searched among activations of another device.
func (r *simRun) startAs(other *simRun) {
	to := r.net.State()
	for i, from := range other.net.State() {
		to[i].T.Set(from.T.Get(nil))
	}
}

func (r *simRun) filters() (list [][]float32) {
	for _, l := range r.net.Params.Layers {
		list = append(list, l.W.Get(nil))
	}
	return list
}

// perturb moves every filter by a share of itself of at most eps, as rounding the operands of a convolution would.
func (r *simRun) perturb(eps float64, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	for _, l := range r.net.Params.Layers {
		w := l.W.Get(nil)
		for i := range w {
			w[i] *= float32(1 + eps*(2*random.Float64()-1))
		}
		l.W.Set(w)
	}
}

// step trains on the first images and gives the terms and how each layer's filters moved.
func (r *simRun) step() (terms Terms, moved [][]float32) {
	before := r.filters()
	positions := make([]int, 32)
	for i := range positions {
		positions[i] = i
	}
	terms = r.net.Step(0, 20, r.set.Train, positions)
	moved = r.filters()
	for layer := range moved {
		for i := range moved[layer] {
			moved[layer][i] -= before[layer][i]
		}
	}
	return terms, moved
}

// apart is, over all layers, how far b is from a, as a share of a's length.
func apart(a, b [][]float32) float64 {
	var distance, length float64
	for layer := range a {
		for i, v := range a[layer] {
			d := float64(v - b[layer][i])
			distance, length = distance+d*d, length+float64(v)*float64(v)
		}
	}
	return math.Sqrt(distance / length)
}

type simCase struct {
	precision string
	method    Method
	norm      nn.NormKind
	bits      []int
}

// TestSimStepFollowsHost: a training step of every method and norm on the GPU follows the host's. What no convolution
// stands before, the cost that is expected of the first step and its prior, has the same bits. The loss and the way
// the filters go may be off by twice what the host's are, at most of 4 tries, when its own filters are moved by the
// unit roundoff of the operands, 2^-11 for tf32 and 2^-8 for bf16: a relu or a code that flips makes far more of a
// rounding than the arithmetic does, most with few bits. Twice, since both operands are rounded.
func TestSimStepFollowsHost(t *testing.T) {
	few, many := []int{2, 4, 8}, []int{7, 8}
	for _, c := range []simCase{
		{"tf32", OneShot, nn.NormPair, many}, {"bf16", OneShot, nn.NormPair, many}, {"tf32", OneShot, nn.NormPair, few}, {"tf32", OneShot, nn.NormEta, many},
		{"tf32", VIMPS, nn.NormGate, many}, {"tf32", DNAS, nn.NormPlain, many}, {"tf32", EdMIPS, nn.NormPlain, many},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) { followsHost(t, c) })
	}
	t.Run("code units", func(t *testing.T) { followsHost(t, simCase{"tf32", OneShot, nn.NormPair, many}, inCodeUnits) })
}

func followsHost(t *testing.T, c simCase, change ...func(*Settings)) {
	set := digits(t)
	eps := map[string]float64{"tf32": 0x1p-11, "bf16": 0x1p-8}[c.precision]
	gpu := newSimRun(t, simGPU(t, cuda.Options{Precision: c.precision}), set, c, change...)
	newHost := func() *simRun { return newSimRun(t, openDevice(t, cuda.Options{Device: "host"}), set, c, change...) }
	host := newHost()
	gpu.startAs(host)
	want, way := host.step()
	got, moved := gpu.step()
	if got.Expected != want.Expected || got.Prior != want.Prior || got.Entropy != want.Entropy {
		t.Errorf("expected cost, prior and entropy %g, %g, %g; the host has %g, %g, %g", got.Expected, got.Prior, got.Entropy, want.Expected, want.Prior, want.Entropy)
	}
	var lossSpread, waySpread float64
	for seed := range uint64(4) {
		other := newHost()
		other.perturb(eps, seed)
		terms, otherWay := other.step()
		lossSpread, waySpread = max(lossSpread, math.Abs(terms.Task-want.Task)), max(waySpread, apart(way, otherWay))
	}
	loss, off := math.Abs(got.Task-want.Task), apart(way, moved)
	t.Logf("loss off by %.2g (spread %.2g), filters by %.2g of their way (%.2g)", loss, lossSpread, off, waySpread)
	if loss > 2*lossSpread || off > 2*waySpread || off > 0.9 {
		t.Error("that is too far")
	}
}

// TestSimStepsDoNotWait: once warm, a step is graphs, copies of the batch and of the few numbers that change, and nothing
// that allocates, frees or waits.
func TestSimStepsDoNotWait(t *testing.T) {
	r := newSimRun(t, simGPU(t, cuda.Options{}), digits(t), simCase{"tf32", OneShot, nn.NormPair, []int{2, 4, 8}})
	s := r.net.Settings
	positions := make([]int, s.Batch)
	step := 0
	steps := func(n int) {
		for range n {
			r.net.Enqueue(step, 40, r.set.Train, positions)
			step++
		}
	}
	steps(stepsBehind)
	r.net.Report()
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv("VIMPS_SIM_TRACE", trace)
	steps(8)
	t.Setenv("VIMPS_SIM_TRACE", "")
	lines, err := os.ReadFile(trace)
	if err != nil {
		if os.Getenv("VIMPS_LIBCUDA") != "" {
			t.Fatal(err)
		}
		t.Skip("needs the simulated GPU, which writes down the calls: ", err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(lines)) {
		name, _, _ := strings.Cut(line, "(")
		counts[strings.TrimSuffix(strings.TrimSuffix(name, "_v2"), "Async")]++
	}
	for name := range counts {
		switch name {
		case "cuGraphLaunch", "cuLaunchKernel", "cuMemcpyHtoD", "cuMemcpyDtoD", "cuEventRecord", "cuStreamWaitEvent", "cuEventQuery", "cuStreamQuery", "cuCtxSetCurrent":
		default:
			t.Errorf("%d calls of %s in 8 steps", counts[name], name)
		}
	}
	// A graph a micro-batch, one for the update, and for the bit model one of a single kernel, which is launched as it is.
	if graphs, single := counts["cuGraphLaunch"], counts["cuLaunchKernel"]; graphs != 8*(s.MicroBatches+1) || single != 8 {
		t.Errorf("%d graphs and %d single kernels in 8 steps of %d micro-batches", graphs, single, s.MicroBatches)
	}
	t.Log(counts)
}
