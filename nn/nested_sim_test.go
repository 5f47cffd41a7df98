//go:build cuda

package nn

import (
	"math"
	"os"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// A training step of a nested net on a GPU is the host's but for the rounding of the convolutions' operands: logits, and the
// gradients of gates and of each parameter group by their length.
func TestSimNestedStep(t *testing.T) {
	g := NewGraph("nested", 6, 5, 3)
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", x, Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})), x))
	g.Linear("fc", g.AvgPool(x), 4)
	space, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: []int{2, 4, 8}, InputBits: []int{2, 4, 8}})
	if err != nil {
		t.Fatal(err)
	}
	step := func(dev *cuda.Device, q Quantizer) (logits []float32, gradients map[string][]float32) {
		p := NewParams(dev, g, Config{Space: space, Norm: NormPlain, SharedWeights: true, Quantizer: q})
		defer p.Free()
		p.Init(3)
		gates := NewGates(dev, space)
		gates.Quantizer = q
		gates.SetChild(space, quant.MaxAssignment(space))
		for i := range p.Layers {
			l, size := &p.Layers[i], 1.0
			if q == Truncate {
				size = 1.0 / 255
			}
			l.WStep.Set(spread(l.WStep.Len(), uint32(i), 0.5*size, size))
			l.XStep.Set(spread(1, uint32(10+i), 2*size, 4*size))
		}
		plan := NewPlan(p, gates, NewScalars(dev), PlanOptions{Batch: 4, Train: true})
		defer plan.Free()
		plan.Input.Set(spread(plan.Input.Len(), 5, -2, 2))
		plan.Labels.SetInt32([]int32{0, 1, 2, 3})
		dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()
		gradients = map[string][]float32{"gates": gates.DZ.Get(nil)}
		for g, f := range p.Groups {
			gradients[Group(g).String()] = f.Grad.Get(nil)
		}
		return plan.Logits.Get(nil), gradients
	}
	for precision, tolerance := range map[string]float64{"tf32": 0.02, "bf16": 0.1} {
		gpu, err := cuda.Open(cuda.Options{Device: "gpu:0", Precision: precision})
		if err != nil {
			if os.Getenv("VIMPS_LIBCUDA") != "" {
				t.Fatal(err) // there is the simulated one
			}
			t.Skip("needs a GPU, or the simulated one of make test-sim: ", err)
		}
		for _, q := range []Quantizer{Residual, Truncate} {
			logits, got := step(gpu, q)
			wantLogits, want := step(openDevice(t, "auto", 2), q)
			got["logits"], want["logits"] = logits, wantLogits
			for what, w := range want {
				off, size := 0.0, 0.0
				for i := range w {
					off += math.Pow(float64(got[what][i]-w[i]), 2)
					size += math.Pow(float64(w[i]), 2)
				}
				if math.Sqrt(off) > tolerance*math.Sqrt(size) || size == 0 && !(what == "gates" && q == Truncate) {
					t.Errorf("%s, %v: %s are off by %g of %g", precision, q, what, math.Sqrt(off), math.Sqrt(size))
				} else {
					t.Logf("%s, %v: %s are off by %.2g of %.2g", precision, q, what, math.Sqrt(off), math.Sqrt(size))
				}
			}
		}
		gpu.Close()
	}
}
