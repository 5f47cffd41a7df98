//go:build cuda

package onesot

import (
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// TestSimGatings: from the same values the GPU draws the host's gates, bit for bit, with the same law and terms of the
// objective, through a step of every gating; and the gradient that comes back to the gates is the host's but for the
// rounding of its convolutions' operands.
func TestSimGatings(t *testing.T) {
	for name, build := range map[string]func(dev *cuda.Device) gatedRun{
		"pairs": func(dev *cuda.Device) gatedRun {
			return newPairRun(t, dev, 1, nn.NormPlain, [][2]int{{2, 4}, {4, 4}, {8, 8}})
		},
		"hard concrete": func(dev *cuda.Device) gatedRun {
			return newResidualRun(t, dev, 0.03, func(s *Settings) { s.ThetaLR = 0.1 })
		},
		"hard concrete, channels too": func(dev *cuda.Device) gatedRun { return newPrunedRun(t, dev, 0.03, true) },
	} {
		t.Run(name, func(t *testing.T) {
			host, gpu := build(openDevice(t, cuda.Options{Device: "host"})), build(simGPU(t, cuda.Options{}))
			to := gpu.State()
			for i, from := range host.State() {
				to[i].T.Set(from.T.Get(nil))
			}
			same := func(what string, got, want []float32) {
				t.Helper()
				for i, w := range want {
					if math.Float32bits(got[i]) != math.Float32bits(w) {
						t.Fatalf("%s: value %d is %g, the host's %g", what, i, got[i], w)
					}
				}
			}
			positions := make([]int, host.Settings.Batch)
			for i := range positions {
				positions[i] = i
			}
			want := host.Step(0, 20, host.set.Train, positions)
			got := gpu.Step(0, 20, gpu.set.Train, positions)
			same("z", gpu.Gates.Z.Get(nil), host.Gates.Z.Get(nil))
			same("law", gpu.gating.law().Get(nil), host.gating.law().Get(nil))
			if got.Expected != want.Expected || got.Entropy != want.Entropy || got.Hardware != want.Hardware || got.Argmax != want.Argmax {
				t.Errorf("expected cost %g, entropy %g, hardware %g, argmax cost %g; the host has %g, %g, %g, %g",
					got.Expected, got.Entropy, got.Hardware, got.Argmax, want.Expected, want.Entropy, want.Hardware, want.Argmax)
			}
			off := apart([][]float32{host.Gates.DZ.Get(nil)}, [][]float32{gpu.Gates.DZ.Get(nil)})
			t.Logf("loss %.4f, the host's %.4f; dz off by %.2g of its length", got.Task, want.Task, off)
			if math.Abs(got.Task-want.Task) > 0.05*want.Task || off > 0.3 {
				t.Error("that is too far")
			}
			before := gpu.gating.parameters().Value.Get(nil)
			for step := 10; step < 12; step++ {
				gpu.Step(step, 20, gpu.set.Train, positions)
			}
			if apart([][]float32{before}, [][]float32{gpu.gating.parameters().Value.Get(nil)}) == 0 {
				t.Error("the parameters of the gates stayed where they were")
			}
		})
	}
}
