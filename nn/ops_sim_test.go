//go:build cuda

package nn

import (
	"math"
	"os"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// everyOp is a net with each op that runs alone, values that several read, and norms that are not behind convolutions.
func everyOp(restores bool) *Graph {
	g := NewGraph("every", 6, 6, 3)
	act := func(x int, kind cuda.ActKind, alpha, beta float32) int {
		return g.Activate("", x, Activation{Kind: kind, Alpha: alpha, Beta: beta})
	}
	conv := func(name string, x, k int) int {
		return g.Conv(name, x, Conv{K: k, R: 3, S: 3, Stride: 1, Pad: 1, Bias: true})
	}
	x := g.ReLUCap(g.Norm("n1", conv("c1", 0, 16)), 1)
	x = g.Activate("p1", g.Norm("n2", x), Activation{Kind: cuda.ActPReLU})
	s := g.Conv("squeeze", g.AvgPool(x), Conv{K: 16, R: 1, S: 1, Stride: 1, Bias: true})
	x = g.Add(g.Mul(x, act(s, cuda.ActHardSigmoid, 0.2, 0.5)), act(conv("c2", x, 16), cuda.ActSiLU, 0, 0))
	half := Window{Max: true, R: 2, S: 2, Stride: 2}
	a, b := g.Pool(x, half), act(g.Pool(x, Window{R: 3, S: 3, Stride: 2, PadTop: 1, PadLeft: 1}), cuda.ActTanh, 0, 0)
	x = g.Concat(act(a, cuda.ActHardSwish, 0, 0), b)
	x = g.Norm("n3", act(conv("c3", x, 16), cuda.ActLeakyReLU, 0.1, 0))
	x = g.Pad(g.Resize(x, 5, 5, Resize{Mode: ResizeLinear}), Pads{Bottom: 1, Right: 1})
	if restores {
		y := g.DepthToSpace(g.Mul(conv("c4", x, 12), act(x4(g, x), cuda.ActSigmoid, 0, 0)), Shuffle{Block: 2})
		g.Add(y, g.Resize(0, 12, 12, Resize{Mode: ResizeCubic})) // the last value is not a convolution's
		return g
	}
	x = act(conv("c4", g.DepthToSpace(x, Shuffle{Block: 2}), 8), cuda.ActClip, -1, 1)
	g.Linear("fc", g.AvgPool(x), 4)
	return g
}

// x4 brings a value to 12 channels.
func x4(g *Graph, x int) int { return g.Conv("by", x, Conv{K: 12, R: 1, S: 1, Stride: 1}) }

// A training step of such a net on a GPU is the host's but for the rounding of the convolutions' operands and, at bf16, of the stored
// values: outputs, loss and the gradients of each parameter group by their length. Those roundings give a quantized net other codes here
// and there, so it may be further off.
func TestSimEveryOp(t *testing.T) {
	step := func(dev *cuda.Device, restores, quantized bool) map[string][]float32 {
		g := everyOp(restores)
		space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{4, 8}, InputBits: []int{4, 8}})
		if err != nil {
			t.Fatal(err)
		}
		config := Config{}
		if quantized {
			config = Config{Space: space, Norm: NormPair}
		}
		p := NewParams(dev, g, config)
		defer p.Free()
		p.Init(3)
		gates := NewGates(dev, space)
		gates.SetChild(space, quant.MaxAssignment(space))
		for i := range p.Layers {
			l := &p.Layers[i]
			if !quantized {
				break
			}
			l.WStep.Set(spread(l.WStep.Len(), uint32(i), 0.005, 0.01))
			l.XStep.Set(spread(l.XStep.Len(), uint32(50+i), 0.02, 0.03))
		}
		if !quantized {
			gates = nil
		}
		plan := NewPlan(p, gates, NewScalars(dev), PlanOptions{Batch: 3, Train: true, SquaredLoss: true})
		defer plan.Free()
		plan.Input.Set(spread(plan.Input.Len(), 5, -2, 2))
		plan.Labels.SetInt32([]int32{0, 1, 2})
		if plan.Target != nil {
			plan.Target.Set(spread(plan.Target.Len(), 6, 0, 1))
		}
		dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()
		out := map[string][]float32{"outputs": plan.Logits.Get(nil), "loss": plan.Loss.Get(nil)[:1]}
		for g, f := range p.Groups {
			if Group(g) != Steps || quantized {
				out[Group(g).String()] = f.Grad.Get(nil)
			}
		}
		return out
	}
	for precision, tolerance := range map[string]float64{"tf32": 0.005, "bf16": 0.2} {
		gpu, err := cuda.Open(cuda.Options{Device: "gpu:0", Precision: precision})
		if err != nil {
			if os.Getenv("VIMPS_LIBCUDA") != "" {
				t.Fatal(err) // there is the simulated one
			}
			t.Skip("needs a GPU, or the simulated one of make test-sim: ", err)
		}
		for i := range 4 {
			restores, quantized, tolerance := i%2 == 1, i/2 == 1, tolerance
			if quantized {
				tolerance = 0.25
			}
			got, want := step(gpu, restores, quantized), step(openDevice(t, "auto", 2), restores, quantized)
			for what, w := range want {
				off, size := 0.0, 0.0
				for i := range w {
					off += math.Pow(float64(got[what][i]-w[i]), 2)
					size += math.Pow(float64(w[i]), 2)
				}
				if !(math.Sqrt(off) <= tolerance*math.Sqrt(size)) || size == 0 {
					t.Errorf("%s, restores %t, quantized %t: %s are off by %g of %g", precision, restores, quantized, what, math.Sqrt(off), math.Sqrt(size))
				} else {
					t.Logf("%s, restores %t, quantized %t: %s are off by %.2g of %.2g", precision, restores, quantized, what, math.Sqrt(off), math.Sqrt(size))
				}
			}
		}
		gpu.Close()
	}
}
