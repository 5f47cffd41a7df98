package onesot

import (
	"context"
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// An extracted child computes what it computes within its supernet, with every norm that does not know eta. The logits
// are equal to the last bit. A norm that sums its sets (gate) is given parameters whose sums are exact, so that the order of summation does
// not matter.
func TestExtractedChildComputesTheSame(t *testing.T) {
	set, dev := digits(t), openDevice(t, cuda.Options{Device: "host", Threads: 2})
	for _, norm := range []nn.NormKind{nn.NormPair, nn.NormGate, nn.NormPlain, nn.NormTransition} {
		c := short(digitsConfig(set, dev, OneShot))
		c.Settings.Norm = norm
		s, net, err := trainIn(t, t.TempDir(), dev, set, c, false, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range net.Params.Norms {
			n := &net.Params.Norms[i]
			for _, values := range []*cuda.Tensor{n.Gamma, n.Beta} {
				v := values.Get(nil)
				for k := range v {
					v[k] = float32(math.Round(float64(v[k])*4096) / 4096)
				}
				values.Set(v)
			}
		}
		for _, recalibrate := range []bool{false, true} {
			p := s.Problem
			p.Settings.Recalibrate = recalibrate
			within := NewJudge(p, net.Quantized)
			for i, a := range append(RandomChildren(p.Space, 3, 1), quant.MaxAssignment(p.Space), quant.Cheapest(p.Cost)) {
				want := within.Child(a, 0)
				child, err := net.Extract(p, a)
				if err != nil {
					t.Fatal(err)
				}
				alone := NewJudge(p, child)
				got := alone.Child(a, 0)
				if got.LossVal != want.LossVal || got.AccuracyTest != want.AccuracyTest {
					t.Errorf("norm %s, recalibrated %v, child %d: loss %v and test accuracy %v within the supernet, %v and %v alone",
						norm, recalibrate, i, want.LossVal, want.AccuracyTest, got.LossVal, got.AccuracyTest)
				}
				if got.BOPs != want.BOPs || got.SizeBytes != want.SizeBytes || got.Cost != want.Cost {
					t.Errorf("norm %s, child %d: costs %v, %v, %v within the supernet, %v, %v, %v alone", norm, i,
						want.BOPs, want.SizeBytes, want.Cost, got.BOPs, got.SizeBytes, got.Cost)
				}
				alone.Free()
				child.Free()
			}
			within.Free()
		}
		net.Free()
		s.Close()
		if left := dev.Bytes(); left != 0 {
			t.Errorf("norm %s: %d bytes of device memory are left", norm, left)
		}
	}
}

func TestNoChildOfNormsThatKnowEta(t *testing.T) {
	set, dev := digits(t), openDevice(t, cuda.Options{Device: "host", Threads: 2})
	c := short(digitsConfig(set, dev, OneShot))
	c.Settings.Norm = nn.NormEta
	s, net, err := trainIn(t, t.TempDir(), dev, set, c, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.Extract(s.Problem, quant.MaxAssignment(s.Space)); err == nil {
		t.Error("a child was extracted")
	}
}

// A state whose note cannot be is an error, not a panic and not a finished training.
func TestDamagedNote(t *testing.T) {
	set, dev := digits(t), openDevice(t, cuda.Options{Device: "host", Threads: 2})
	for _, step := range []int{-5, 1 << 30} {
		dir := t.TempDir()
		c := short(digitsConfig(set, dev, OneShot))
		if _, _, err := trainIn(t, dir, dev, set, c, false, 0); err != nil {
			t.Fatal(err)
		}
		run, err := OpenRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		s, system, err := newSearch(dev, run, set)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Execute(context.Background(), Options{SaveEvery: 1, Progress: func(Progress) {}}); err != nil {
			t.Fatal(err)
		}
		if err := s.State.Write(TrainingNote{Step: step}, system.net.State()); err != nil {
			t.Fatal(err)
		}
		run.Close()
		if _, _, err := trainIn(t, dir, dev, set, c, true, 0); err == nil {
			t.Errorf("step %d: a damaged state was taken for good", step)
		} else {
			t.Log(err)
		}
	}
}
