package onesot

import (
	"encoding/json"
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
	Runs                        map[string]struct {
		Losses []float64 // CE + eta E[h], of each step, before its update
		Gates  []float64 // pi after the last: weight gate, then input gate of each searched layer
	}
}

// Twenty steps of EdMIPS mode, which has no noise, follow PyTorch's from the same weights and images, to within 4
// times what PyTorch's own float32 and float64 runs differ by.
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
			exact, one, two := ref.Runs["float64"], ref.Runs["float32_1_thread"], ref.Runs["float32_2_threads"]
			// Rounding makes single steps of two runs part at random, so the spread is the worst up to a step.
			spread := 0.0
			for k := range exact.Losses {
				loss := n.step(k, ref)
				for _, run := range [][]float64{one.Losses, two.Losses} {
					spread = max(spread, math.Abs(run[k]-exact.Losses[k]))
				}
				off := math.Abs(loss - exact.Losses[k])
				t.Logf("step %2d: loss %.6f, PyTorch float64 %.6f, float32 %.6f %.6f; off by %.1e, PyTorch's spread so far %.1e",
					k, loss, exact.Losses[k], one.Losses[k], two.Losses[k], off, spread)
				if off > 4*spread {
					t.Errorf("step %d: loss %g, want %g within 4 x %g", k, loss, exact.Losses[k], spread)
				}
			}
			spread, off := 0.0, 0.0
			for i, want := range exact.Gates {
				spread = max(spread, math.Abs(one.Gates[i]-want), math.Abs(two.Gates[i]-want))
				off = max(off, math.Abs(n.pi(i)-want))
			}
			t.Logf("gates: off by %.1e at most, PyTorch's spread %.1e", off, spread)
			if off > 4*spread {
				t.Errorf("gates differ by %g, want at most 4 x %g", off, spread)
			}
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
	g, err := m.Graph(ref.Side, ref.Side, ref.Channels, 10)
	if err != nil {
		t.Fatal(err)
	}
	space, err := quant.NewSpace(g.Layers(), quant.DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	s := Defaults(EdMIPS, name)
	s.Batch = ref.Batch
	dev := openDevice(t, cuda.Options{Threads: 2})
	n, err := NewSupernet(dev, g, space, quant.BOPs(space), s)
	if err != nil {
		t.Fatal(err)
	}
	mean := make([]float32, ref.Channels)
	n.PrepareTraining(&data.Set{Mean: mean, Std: mean}, nn.Augment{})
	for i := range n.Params.Layers {
		startAsReference(&n.Params.Layers[i], ref.Seed, i)
	}
	r := edmipsRun{n, dev.Record(func() { n.emitMicro(func() {}) }), t}
	r.ctl.eta.Set([]float32{1})
	r.ctl.lr.Set([]float32{0.02})
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

// step trains on batch k and returns its loss.
func (r edmipsRun) step(k int, ref reference) float64 {
	r.plan.Input.Set(referenceNormals(ref.Seed, k, r.plan.Input.Len(), 1))
	labels := make([]int32, ref.Batch)
	for i := range labels {
		labels[i] = int32(referenceWords(ref.Seed, i, 100+k)[0] % 10)
	}
	r.plan.Labels.SetInt32(labels)
	setBias(r.ctl.stepBias, 0.9, 0.99, k+1)
	setBias(r.ctl.thetaBias, 0.9, 0.999, k+1)
	r.micro.Launch()
	loss := float64(r.plan.Loss.At(0))/float64(ref.Batch) + float64(r.terms.cost.At(0))
	r.update.Launch()
	r.theta.Launch()
	return loss
}

// pi is the i-th of the probabilities of all gates, after the updates.
func (r edmipsRun) pi(i int) float64 {
	p := r.Predict([]float64{1})[0].Pi
	return float64(p[i/3][i%3])
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
