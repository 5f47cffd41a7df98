package onesot

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/quant"
)

// reference is what testdata/gen_edmips.py wrote.
type reference struct {
	Seed, Batch, Side, Channels int
	Runs                        map[string]referenceRun
}

type referenceRun struct {
	Losses         []float64 // CE + eta E[h], of each step, before its update
	CrossEntropy   []float64 `json:"cross_entropy"`
	Gates          []float64 // pi after the last step: weight gate, then input gate of each searched layer
	FirstGradients []float64 `json:"first_gradients"` // of the logits, in the order of Gates, in step 0
}

// compare gives how far got lies at most from PyTorch's float64 run, and how far PyTorch's float32 runs lie from it.
func (ref reference) compare(got func(i int) float64, want func(r referenceRun) []float64) (off, spread float64) {
	for i, exact := range want(ref.Runs["float64"]) {
		off = max(off, math.Abs(got(i)-exact))
		for _, run := range []string{"float32_1_thread", "float32_2_threads"} {
			spread = max(spread, math.Abs(want(ref.Runs[run])[i]-exact))
		}
	}
	return off, spread
}

// Twenty steps of EdMIPS mode, which has no noise, follow PyTorch's from the same weights and images, to within 4
// times what PyTorch's own float32 and float64 runs differ by.
//
// A code that rounds the other way makes two runs part at random, so that the spread of a single step can be small by
// luck: each step is held to the worst spread up to it. After a few steps that is wide, wider than the gates move in 20
// steps. The sharp parts are digitsnet's: the first loss, the first gradient of every logit, and the loss after the first
// update of everything, in which no code rounds otherwise than in PyTorch's float32.
func TestEdMIPSFollowsPyTorch(t *testing.T) {
	for _, name := range []string{"digitsnet", "resnet20"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "edmips_"+name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var ref reference
			if err := json.Unmarshal(text, &ref); err != nil {
				t.Fatal(err)
			}
			n := edmipsNet(t, name, ref)
			check := func(what string, off, spread float64) {
				t.Helper()
				t.Logf("%s: off by %.1e, PyTorch's spread %.1e", what, off, spread)
				if !(off <= 4*spread) {
					t.Errorf("%s: off by %g, want at most 4 x %g", what, off, spread)
				}
			}
			var spread, taskSpread float64 // the worst so far
			for k, exact := range ref.Runs["float64"].Losses {
				task, cost := n.step(k, ref)
				off, now := ref.compare(func(int) float64 { return task + cost }, func(r referenceRun) []float64 { return r.Losses[k : k+1] })
				spread = max(spread, now)
				check(fmt.Sprintf("step %2d: loss %.6f, PyTorch %.6f", k, task+cost, exact), off, spread)
				off, now = ref.compare(func(int) float64 { return task }, func(r referenceRun) []float64 { return r.CrossEntropy[k : k+1] })
				taskSpread = max(taskSpread, now)
				check(fmt.Sprintf("step %2d: cross-entropy %.6f", k, task), off, taskSpread)
				if name == "digitsnet" && k == 1 {
					one := ref.Runs["float32_1_thread"].Losses[k]
					check("step  1 against float32, a last place being the spread", math.Abs(task+cost-one), math.Pow(2, -22))
				}
				if k == 0 {
					off, now = ref.compare(n.logitGradient, func(r referenceRun) []float64 { return r.FirstGradients })
					check("first gradients of the logits", off, now)
				}
			}
			pi := n.Predict([]float64{1})[0].Pi
			off, now := ref.compare(func(i int) float64 { return float64(pi[i/3][i%3]) }, func(r referenceRun) []float64 { return r.Gates })
			check("gates", off, now)
		})
	}
}

type edmipsRun struct {
	*Supernet
	micro *cuda.Graph
	t     *testing.T
}

func edmipsNet(t *testing.T, name string, ref reference) edmipsRun {
	m, err := model.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: ref.Side, W: ref.Side, C: ref.Channels, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	space, err := quant.NewSpace(g.Layers(), quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	s := Defaults(EdMIPS, name)
	s.Batch = ref.Batch
	dev := openDevice(t, cuda.Options{Device: "host", Threads: 2})
	n, err := NewSupernet(dev, g, space, quant.BOPs(space), s)
	if err != nil {
		t.Fatal(err)
	}
	mean := make([]float32, ref.Channels)
	n.PrepareTraining(&data.Set{Mean: mean, Std: mean}, nn.Augment{})
	for i := range n.Params.Layers {
		startAsReference(&n.Params.Layers[i], ref.Seed, i)
	}
	r := edmipsRun{n, n.deal.record(n.plan, func() { n.emitForward(func() {}) }, n.gating.emitGrad), t}
	r.ctl.eta.Set([]float32{1})
	r.ctl.descent.lr.Set([]float32{0.02})
	r.ctl.stepLR.Set([]float32{2e-3})
	r.ctl.thetaLR.Set([]float32{5e-3})
	r.ctl.mode.SetInt32([]int32{int32(cuda.GateSoftmax)})
	return r
}

// startAsReference gives layer i the filters and steps of gen_edmips.py.
func startAsReference(l *nn.LayerParams, seed, i int) {
	k, fanIn := l.W.Dim(1), l.W.Len()/l.W.Dim(1)
	w := referenceNormals(seed, 200+i, l.W.Len(), float32(math.Sqrt(2/float64(fanIn))))
	l.SetFilter(w)
	rows := k // of filters that share a step
	if len(l.WStep.Shape()) == 1 {
		rows, fanIn = 1, len(w)
	}
	var weightSteps, inputSteps []float32
	for _, b := range l.WeightBits {
		for r := range rows {
			top := float32(0)
			for _, v := range w[r*fanIn : (r+1)*fanIn] {
				top = max(top, v, -v)
			}
			weightSteps = append(weightSteps, top/float32(quant.Signed(b).Max))
		}
	}
	for _, b := range l.InputBits {
		codes := quant.Unsigned(b).Max
		if l.Signed {
			codes = quant.Signed(b).Max
		}
		inputSteps = append(inputSteps, float32(4/float64(codes)))
	}
	l.WStep.Set(weightSteps)
	l.XStep.Set(inputSteps)
}

// step trains on batch k and returns its cross-entropy and E[h].
func (r edmipsRun) step(k int, ref reference) (task, cost float64) {
	r.plan.Input.Set(referenceNormals(ref.Seed, k, r.plan.Input.Len(), 1))
	labels := make([]int32, ref.Batch)
	for i := range labels {
		labels[i] = int32(referenceWords(ref.Seed, i, 100+k)[0] % 10)
	}
	r.plan.Labels.SetInt32(labels)
	setBias(r.ctl.stepBias, 0.9, 0.99, k+1)
	setBias(r.ctl.thetaBias, 0.9, 0.999, k+1)
	r.micro.Launch()
	task, cost = float64(r.plan.Loss.At(0))/float64(ref.Batch), float64(r.terms.cost.At(0))
	r.update.Launch()
	r.theta.Launch()
	return task, cost
}

// logitGradient is that of the i-th candidate of all gates, of the last step.
func (r edmipsRun) logitGradient(i int) float64 {
	return float64(r.gating.(*concrete).model.dlogits.At(i/3*cuda.MaxBits + i%3))
}

func referenceWords(seed, element, tensor int) [4]uint32 {
	return kernels.Philox([4]uint32{uint32(element), uint32(tensor), 0, 0}, [2]uint32{uint32(seed), 0})
}

func referenceNormals(seed, tensor, n int, scale float32) []float32 {
	v := make([]float32, n)
	for i := range v {
		r := referenceWords(seed, i, tensor)
		v[i] = float32(math.Sqrt(-2*math.Log((float64(r[0])+1)/(1<<32)))*math.Cos(2*math.Pi*(float64(r[1])/(1<<32)))) * scale
	}
	return v
}
