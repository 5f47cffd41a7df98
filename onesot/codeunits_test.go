package onesot

import (
	"errors"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// inCodeUnits has Adam train filters in units of their quantizers' steps.
func inCodeUnits(s *Settings) {
	s.Optimizer, s.WeightDecay, s.LearningRate, s.CodeLR = Adam, 0, 1e-3, 0.02
}

// beyond counts the filters' values beyond the range of their quantizers.
func beyond(p *nn.Params) (count int) {
	for _, l := range p.Layers {
		w, steps := l.W.Get(nil), l.WStep.Get(nil)
		for i, v := range w {
			r := quant.Signed(l.WeightBits[i*len(l.WeightBits)/len(w)])
			if code := v / steps[i*len(steps)/len(w)]; code < float32(r.Min) || code > float32(r.Max) {
				count++
			}
		}
	}
	return count
}

// In units of steps filters stay in the range of their quantizers, in a supernet and of a child, which as floats they leave. The state is
// the same bits for any number of threads and after an interruption.
func TestCodeUnits(t *testing.T) {
	set := digits(t)
	train := func(threads int, codes bool, stops ...int) (hash [32]byte, supernet, child int) {
		dev, dir := openDevice(t, cuda.Options{Device: "host", Threads: threads}), t.TempDir()
		c := short(digitsConfig(set, dev, OneShot))
		inCodeUnits(&c.Settings)
		if !codes {
			c.Settings.CodeLR = 0
		}
		for i, stop := range append(stops, 0) {
			s, net, err := trainIn(t, dir, dev, set, c, i > 0, stop)
			if stop > 0 != errors.Is(err, ErrInterrupted) || err != nil && stop == 0 {
				t.Fatalf("stop after %d steps: %v", stop, err)
			}
			if stop > 0 {
				continue
			}
			low, err := quant.Uniform(s.Space, 2, 4)
			if err != nil {
				t.Fatal(err)
			}
			one := NewChild(s.Problem, low)
			defer one.Free()
			tuner := NewTuner(s.Problem, one, nil)
			defer tuner.Free()
			positions := make([]int, c.Settings.Batch)
			for i := range positions {
				positions[i] = i
			}
			for step := range 10 {
				tuner.Enqueue(step, 20, s.Train, positions)
				tuner.Report()
			}
			supernet, child = beyond(net.Params), beyond(one.Params)
		}
		return stateHash(t, dir), supernet, child
	}
	want, supernet, child := train(1, true)
	if supernet != 0 || child != 0 {
		t.Errorf("in code units %d filter values of a supernet and %d of a child are beyond the range", supernet, child)
	}
	if got, _, _ := train(3, true, 4, 9); got != want {
		t.Error("3 threads and two interruptions end in other bits")
	}
	got, supernet, child := train(1, false)
	if supernet == 0 || child == 0 || got == want {
		t.Errorf("as floats %d filter values of a supernet and %d of a child are beyond the range", supernet, child)
	}
}
