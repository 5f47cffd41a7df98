package nn_test

import (
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

func openHost(t *testing.T) *cuda.Device {
	t.Helper()
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// uniform are n numbers in [lo, hi) that depend on seed alone.
func uniform(n int, seed uint32, lo, hi float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		r := kernels.Philox([4]uint32{uint32(i), seed, 0, 0}, [2]uint32{})
		v[i] = float32(lo + (hi-lo)*float64(r[0])/(1<<32))
	}
	return v
}

// oneConv is a net of one 3x3 convolution of stride 2 between images and an average, so that its output is linear
// in the convolution's.
func oneConv() *nn.Graph {
	g := nn.NewGraph("oneconv", 7, 5, 3)
	g.AvgPool(g.Conv("conv", 0, nn.Conv{K: 18, R: 3, S: 3, Stride: 2, Pad: 1}))
	return g
}

func searchAll(t *testing.T, g *nn.Graph, weightBits, inputBits []int) *quant.Space {
	t.Helper()
	s, err := quant.NewSpace(g.Layers(), quant.Policy{WeightBits: weightBits, InputBits: inputBits})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The composite convolution under soft gates is the sum over all pairs of bit widths of the plain
// convolutions, weighted by the gates.
func TestCompositeConvolutionIsTheSumOverAllPairs(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 3, 8}, []int{2, 4, 5, 7})
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain})
	l := &params.Layers[0]
	l.W.Set(uniform(l.W.Len(), 1, -1, 1)) // a filter of its own for each bit width
	l.WStep.Set(uniform(l.WStep.Len(), 2, 0.05, 0.4))
	l.XStep.Set(uniform(l.XStep.Len(), 3, 0.05, 0.4))
	gates := nn.NewGates(dev, space)
	plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3})
	plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
	graph := dev.Record(func() { plan.PackFilters(); plan.Forward() })
	run := func() []float32 { graph.Launch(); return plan.Logits.Get(nil) }

	zw, zx := []float64{.2, .5, .3}, []float64{.1, .4, .15, .35}
	want := make([]float64, plan.Logits.Len())
	for i, w := range space.Weight[0] {
		for j, x := range space.Input[0] {
			child, err := quant.Uniform(space, w, x)
			if err != nil {
				t.Fatal(err)
			}
			gates.SetChild(space, child)
			for k, v := range run() {
				want[k] += zw[i] * zx[j] * float64(v)
			}
		}
	}
	z := make([]float32, gates.Z.Len())
	for i, v := range zw {
		z[i] = float32(v)
	}
	for j, v := range zx {
		z[cuda.MaxBits+j] = float32(v)
	}
	gates.Z.Set(z)
	// 27 products of magnitude up to 8, in float32.
	tolerance := 27 * 8 * math.Pow(2, -23)
	for k, v := range run() {
		if math.Abs(float64(v)-want[k]) > tolerance {
			t.Errorf("output %d: %g, the sum over pairs is %g (tolerance %g)", k, v, want[k], tolerance)
		}
	}
}

// A child's one-hot gates give the plain quantized convolution, written out here in float64.
func TestOneHotGatesAreThePlainQuantizedNet(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 4, 8}, []int{3, 8})
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain})
	l := &params.Layers[0]
	l.W.Set(uniform(l.W.Len(), 1, -1, 1))
	l.WStep.Set(uniform(l.WStep.Len(), 2, 0.05, 0.4))
	l.XStep.Set(uniform(l.XStep.Len(), 3, 0.05, 0.4))
	gates := nn.NewGates(dev, space)
	plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 2})
	x := uniform(plan.Input.Len(), 4, -2, 2)
	plan.Input.Set(x)
	child, err := quant.NewAssignment(space, []int{4}, []int{3})
	if err != nil {
		t.Fatal(err)
	}
	gates.SetChild(space, child)
	dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
	got := plan.Logits.Get(nil)

	w, ws, xs := l.W.Get(nil)[l.W.Len()/3:], l.WStep.Get(nil)[18:], l.XStep.Get(nil)[0] // the second of 2,4,8; the first of 3,8
	quantize := func(v, s float32, lo, hi float64) float64 {
		return float64(s) * math.RoundToEven(min(max(float64(v/s), lo), hi))
	}
	const h, wide, c, p, q, k = 7, 5, 3, 4, 3, 18
	for n := range 2 {
		for ko := range k {
			sum := 0.0
			for po := range p {
				for qo := range q {
					for r := range 3 {
						for s := range 3 {
							y, xx := 2*po+r-1, 2*qo+s-1
							if y < 0 || y >= h || xx < 0 || xx >= wide {
								continue
							}
							for ci := range c {
								a := quantize(x[((n*h+y)*wide+xx)*c+ci], xs, -4, 3)
								b := quantize(w[((ko*3+r)*3+s)*c+ci], ws[ko], -8, 7)
								sum += a * b
							}
						}
					}
				}
			}
			if want := sum / (p * q); math.Abs(float64(got[n*k+ko])-want) > 1e-4 {
				t.Errorf("image %d channel %d: %g, want %g", n, ko, got[n*k+ko], want)
			}
		}
	}
}
