package onesot

import (
	"math"
	"slices"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

func newPrunedRun(t *testing.T, dev *cuda.Device, mu float64, prune bool) gatedRun {
	return newGatedRun(t, dev, func(g *nn.Graph, space *quant.Space) (*Supernet, error) {
		s := Defaults(BayesianBits, "digitsnet")
		s.Seed, s.Batch, s.Eta, s.ThetaLR = 3, 32, mu, 0.2
		return NewResidualSupernet(dev, g, space, quant.BOPs(space), s, prune)
	})
}

// setChannels sets phi of every channel.
func (r gatedRun) setChannels(phi func(k int) float32) {
	p := r.channels.gate.Phi
	v := make([]float32, p.Len())
	for k := range v {
		v[k] = phi(k)
	}
	p.Set(v)
}

// Channels that are surely open change no bit of a training; those of the first layer and of the logits have no gate.
func TestOpenChannelsChangeNothing(t *testing.T) {
	dev := twoThreads(t)
	with, without := newPrunedRun(t, dev, 0.02, true), newPrunedRun(t, dev, 0.02, false)
	if without.channels != nil || without.PruneNote() != "" {
		t.Error("there are gates of channels without prune")
	}
	for _, layer := range with.channels.layers {
		if layer == 0 || layer == len(with.Space.Layers)-1 {
			t.Errorf("layer %d has gates of channels", layer)
		}
	}
	with.setChannels(func(int) float32 { return 80 })
	for _, r := range []gatedRun{with, without} {
		r.train(5, func(int, Terms) {})
	}
	got := with.State()
	for i, w := range without.State() {
		if want := w.T.Get(nil); !slices.Equal(got[i].T.Get(nil)[:len(want)], want) {
			t.Errorf("%s differs from that of a net without gates of channels", w.Name)
		}
	}
}

// A larger penalty prunes more.
func TestPruningRisesWithMu(t *testing.T) {
	before := -1
	for _, mu := range []float64{0, 0.05, 2} {
		r := newPrunedRun(t, twoThreads(t), mu, true)
		r.train(100, func(int, Terms) {})
		n := 0
		for _, layer := range r.channels.layers {
			n += len(r.pruned(layer))
		}
		t.Logf("mu %g: %s", mu, r.PruneNote())
		if n < before || mu == 0 && n > 0 || mu == 2 && n <= before {
			t.Errorf("mu %g prunes %d channels, the one before %d", mu, n, before)
		}
		before = n
	}
}

// The child taken out of a net with pruned channels has the logits' loss of the child in it, up to LSQ's other grid; and its pruned
// filters stay 0 through a fine-tuning.
func TestExtractKeepsChannelsPruned(t *testing.T) {
	r := newPrunedRun(t, twoThreads(t), 0.02, true)
	r.train(60, func(int, Terms) {})
	r.setChannels(func(k int) float32 { return float32(6 - 12*(k%4/3)) })
	a := quant.MaxAssignment(r.Space)
	for _, recalibrate := range []bool{true, false} {
		r.Settings.Recalibrate, r.Settings.RecalibrateSize = recalibrate, 512
		p := &Problem{Dev: r.Dev, Graph: r.Params.Graph, Space: r.Space, Cost: r.Cost, Set: r.set, Train: r.set.Train, Val: r.set.Train.First(500),
			Settings: r.Settings, Account: &Account{}}
		in := NewJudge(p, r.Quantized)
		defer in.Free()
		child, err := r.Extract(p, a)
		if err != nil {
			t.Fatal(err)
		}
		defer child.Free()
		out := NewJudge(p, child)
		defer out.Free()
		alone, err := quant.Uniform(child.Space, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		want, got := in.Child(a, 0), out.Child(alone, 0)
		t.Logf("recalibrate %t: loss %.4f in the net, %.4f alone", recalibrate, want.LossVal, got.LossVal)
		if math.Abs(want.LossVal-got.LossVal) > 0.02*want.LossVal {
			t.Errorf("the extracted child has loss %g, in the net %g", got.LossVal, want.LossVal)
		}
		tuner := NewTuner(p, child, nil)
		defer tuner.Free()
		positions := make([]int, r.Settings.Batch)
		for i := range positions {
			positions[i] = i
		}
		for step := range 5 {
			tuner.Enqueue(step, 5, r.set.Train, positions)
			tuner.Report()
		}
		for _, layer := range r.channels.layers {
			pruned, w := r.pruned(layer), child.Params.Layers[layer].W.Get(nil)
			size := len(w) / r.Space.Layers[layer].OutChannels
			for c := range r.Space.Layers[layer].OutChannels {
				if zero := !slices.ContainsFunc(w[c*size:][:size], func(v float32) bool { return v != 0 }); zero != slices.Contains(pruned, c) {
					t.Errorf("after fine-tuning, layer %d channel %d is zero: %t, pruned %v", layer, c, zero, pruned)
				}
			}
		}
	}
}
