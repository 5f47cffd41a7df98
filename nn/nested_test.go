package nn_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// nestedNet is a net of a nested quantizer over g with random filters, and the gates for it.
func nestedNet(dev *cuda.Device, g *nn.Graph, space *quant.Space, q nn.Quantizer) (*nn.Params, *nn.Gates) {
	params := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain, SharedWeights: true, Quantizer: q})
	params.Init(7)
	gates := nn.NewGates(dev, space)
	gates.Quantizer = q
	return params, gates
}

// quantizeByHand is a value's code of b of 8 bits and what it stands for; param is the range's end, or the step of 8 bits.
func quantizeByHand(q nn.Quantizer, v, param float32, b int) float32 {
	x, p := float64(v), float64(param)
	if q == nn.Residual {
		step := 2 * p / float64(int(1)<<b-1)
		top := float64(int(1)<<(b-1) - 1)
		return float32(step * min(max(math.RoundToEven(x/step), -top), top))
	}
	code := int(min(max(math.RoundToEven(float64(v/param)), -128), 127)) >> (8 - b)
	drop := 8 - b
	return float32(p * (float64(code<<drop) + float64(int(1)<<drop-1)/2))
}

// A child of a nested net gives the logits of the fp32 net over filters and images that were quantized by hand.
func TestNestedChildIsTheNetQuantizedByHand(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	for _, q := range []nn.Quantizer{nn.Residual, nn.Truncate} {
		params, gates := nestedNet(dev, g, space, q)
		l := &params.Layers[0]
		w, ranges, input := uniform(l.W.Len(), 1, -1, 1), uniform(l.WStep.Len(), 2, 0.5, 1.2), float32(1.7)
		if q == nn.Truncate {
			ranges, input = uniform(l.WStep.Len(), 2, 0.004, 0.009), 0.013
		}
		l.W.Set(w)
		l.WStep.Set(ranges)
		l.XStep.Set([]float32{input})
		plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3})
		x := uniform(plan.Input.Len(), 4, -2, 2)
		plan.Input.Set(x)
		graph := dev.Record(func() { plan.PackFilters(); plan.Forward() })

		plain := nn.NewParams(dev, g, nn.Config{})
		byHand := nn.NewPlan(plain, nil, nn.NewScalars(dev), nn.PlanOptions{Batch: 3})
		plainGraph := dev.Record(func() { byHand.PackFilters(); byHand.Forward() })
		for _, wbits := range space.Weight[0] {
			for _, xbits := range space.Input[0] {
				child, err := quant.Uniform(space, wbits, xbits)
				if err != nil {
					t.Fatal(err)
				}
				gates.SetChild(space, child)
				graph.Launch()
				wq, xq := slices.Clone(w), slices.Clone(x)
				for i, v := range w {
					wq[i] = quantizeByHand(q, v, ranges[i/(len(w)/len(ranges))], wbits)
				}
				for i, v := range x {
					xq[i] = quantizeByHand(q, v, input, xbits)
				}
				plain.Layers[0].SetFilter(wq)
				byHand.Input.Set(xq)
				plainGraph.Launch()
				want := byHand.Logits.Get(nil)
				for i, v := range plan.Logits.Get(nil) {
					if math.Abs(float64(v-want[i])) > 2e-5 {
						t.Fatalf("%v, weights %d input %d bits: logit %d is %g, by hand %g", q, wbits, xbits, i, v, want[i])
					}
				}
			}
		}
	}
}

// chain is a net with an unsigned input, an addition and a linear layer.
func chain() *nn.Graph {
	g := nn.NewGraph("chain", 6, 5, 3)
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	y := g.ReLU(g.Norm("n2", g.Conv("c2", x, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Add(g.Norm("n3", g.Conv("c3", y, nn.Conv{K: 16, R: 1, S: 1, Stride: 1})), x))
	g.Linear("fc", g.AvgPool(x), 4)
	return g
}

// Where no width is narrower than the widest, truncation is LSQ at that width: the same bits, training included.
func TestTruncateAtTheWidestIsLSQ(t *testing.T) {
	dev := openHost(t)
	g := chain()
	space := searchAll(t, g, []int{2, 3, 8}, []int{2, 4, 8})
	run := func(q nn.Quantizer, space *quant.Space) []float32 {
		params, gates := nestedNet(dev, g, space, q)
		for i := range params.Layers {
			l := &params.Layers[i]
			l.WStep.Set(uniform(l.WStep.Len(), uint32(10+i), 0.002, 0.006))
			l.XStep.Set([]float32{0.01 + 0.002*float32(i)})
		}
		gates.SetChild(space, quant.MaxAssignment(space))
		plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 5, Train: true})
		plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
		plan.Labels.SetInt32([]int32{0, 1, 2, 3, 0})
		dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()
		out := plan.Logits.Get(nil)
		for _, f := range params.Groups {
			out = append(out, f.Grad.Get(nil)...)
		}
		return out
	}
	want := run(nn.LSQ, searchAll(t, g, []int{8}, []int{8}))
	for i, v := range run(nn.Truncate, space) {
		if v != want[i] {
			t.Fatalf("logit or gradient %d is %g, LSQ's %g", i, v, want[i])
		}
	}
}

// The gradient of the gates of a residual net is the slope of the loss by central differences: behind the convolution all is smooth. So is
// the loss along the filters and their ranges together, in which the convolution is homogeneous.
func TestResidualBackwardIsTheSlopeOfTheLoss(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	params, gates := nestedNet(dev, g, space, nn.Residual)
	l := &params.Layers[0]
	l.W.Set(uniform(l.W.Len(), 1, -1, 1))
	l.WStep.Set(uniform(l.WStep.Len(), 2, 0.5, 1.2))
	l.XStep.Set([]float32{1.7})
	z := make([]float32, gates.Z.Len())
	copy(z, []float32{.9, .7, .4})
	copy(z[cuda.MaxBits:], []float32{.8, .5, .6})
	gates.Z.Set(z)
	plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3, Train: true})
	plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
	plan.Labels.SetInt32([]int32{3, 11, 5})
	forward := dev.Record(func() { plan.PackFilters(); plan.Forward() })
	loss := func() float64 { forward.Launch(); return float64(plan.Loss.At(0)) / 3 }
	dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()

	const h = 0.02
	check := func(what string, gradient float64, move func(h float64)) {
		t.Helper()
		move(h)
		up := loss()
		move(-h)
		slope := (up - loss()) / (2 * h)
		move(0)
		if math.Abs(slope-gradient) > 1e-3*math.Abs(slope)+2e-5 {
			t.Errorf("%s: the loss rises by %g, the gradient says %g", what, slope, gradient)
		}
	}
	dz := gates.DZ.Get(nil)
	for i := range 3 {
		for _, at := range []int{i, cuda.MaxBits + i} {
			check(fmt.Sprintf("z[%d]", at), float64(dz[at]), func(h float64) {
				moved := slices.Clone(z)
				moved[at] += float32(h)
				gates.Z.Set(moved)
			})
		}
	}
	w, ranges := l.W.Get(nil), l.WStep.Get(nil)
	scaled := func(v []float32, by float64) []float32 {
		out := make([]float32, len(v))
		for i := range v {
			out[i] = float32(float64(v[i]) * by)
		}
		return out
	}
	along := 0.0
	for i, d := range l.DW.Get(nil) {
		along += float64(w[i]) * float64(d)
	}
	lsqScale := 1 / math.Sqrt(27*127) // of a channel's range: 27 weights, largest code 127
	for k, d := range l.DWStep.Get(nil) {
		along += float64(ranges[k]) * float64(d) / lsqScale
	}
	check("filters and ranges", along, func(h float64) {
		l.W.Set(scaled(w, 1+h))
		l.WStep.Set(scaled(ranges, 1+h))
	})
}

// A child taken out of a residual net is the LSQ net of the same grid, where no value lies beyond LSQ's codes.
func TestTakeChildOfResidual(t *testing.T) {
	dev := openHost(t)
	g := chain()
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	params, gates := nestedNet(dev, g, space, nn.Residual)
	for i := range params.Layers {
		l := &params.Layers[i]
		l.WStep.Set(uniform(l.WStep.Len(), uint32(10+i), 1.5, 2))
		l.XStep.Set([]float32{9})
	}
	logits := func(p *nn.Params, gates *nn.Gates) []float32 {
		plan := nn.NewPlan(p, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3})
		defer plan.Free()
		plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
		dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
		return plan.Logits.Get(nil)
	}
	for _, bits := range [][2]int{{8, 8}, {8, 4}, {4, 8}, {4, 4}} {
		child, err := quant.Uniform(space, bits[0], bits[1])
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, child)
		want := logits(params, gates)
		only := searchAll(t, g, []int{bits[0]}, []int{bits[1]})
		alone := nn.NewParams(dev, g, nn.Config{Space: only, Norm: nn.NormPlain})
		for i := range alone.Layers {
			w, x := space.Choice(child, i)
			alone.Layers[i].TakeChild(&params.Layers[i], w, x)
		}
		for i := range alone.Norms {
			alone.Norms[i].TakeChild(&params.Norms[i], 0, 0)
		}
		for i, v := range logits(alone, nn.NewGates(dev, only)) {
			if math.Abs(float64(v-want[i])) > 1e-4*(1+math.Abs(float64(want[i]))) {
				t.Errorf("%v bits: logit %d is %g, in the residual net %g", bits, i, v, want[i])
			}
		}
	}
}

// A channel whose pruning gate is 0 is exactly 0 behind the convolution, all others are, bit for bit, what they are without gates;
// and the gradient of a gate is the slope of the loss, by central differences.
func TestPrunedChannelIsZero(t *testing.T) {
	dev := openHost(t)
	g := oneConv()
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	params, gates := nestedNet(dev, g, space, nn.Residual)
	gates.SetChild(space, quant.MaxAssignment(space))
	l := &params.Layers[0]
	l.W.Set(uniform(l.W.Len(), 1, -1, 1))
	l.WStep.Set(uniform(l.WStep.Len(), 2, 0.5, 1.2))
	l.XStep.Set([]float32{1.7})
	compile := func() (*nn.Plan, func()) {
		plan := nn.NewPlan(params, gates, nn.NewScalars(dev), nn.PlanOptions{Batch: 3, Train: true})
		plan.Input.Set(uniform(plan.Input.Len(), 4, -2, 2))
		plan.Labels.SetInt32([]int32{3, 11, 5})
		return plan, dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch
	}
	plain, launch := compile()
	launch()
	want := plain.Logits.Get(nil)
	l.Prune, l.DPrune = dev.From(uniform(18, 9, 1, 1), 18), dev.New(cuda.Float32, 18)
	plan, launch := compile()
	z := l.Prune.Get(nil)
	z[2], z[11] = 0, 0
	l.Prune.Set(z)
	launch()
	for i, v := range plan.Logits.Get(nil) {
		switch k := i % 18; {
		case z[k] == 0 && v != 0:
			t.Errorf("output %d of a pruned channel is %g", i, v)
		case z[k] == 1 && v != want[i]:
			t.Errorf("output %d is %g, without gates %g", i, v, want[i])
		}
	}
	dz := l.DPrune.Get(nil)
	const h = 1.0 / 128
	for k := range z {
		slope := 0.0
		for _, d := range []float32{h, -h} {
			moved := slices.Clone(z)
			moved[k] += d
			l.Prune.Set(moved)
			launch()
			slope += float64(plan.Loss.At(0)) / 3 / float64(2*d)
		}
		if math.Abs(slope-float64(dz[k])) > 1e-3*(0.1+math.Abs(slope)) {
			t.Errorf("the gradient of gate %d is %g, the loss has slope %g", k, dz[k], slope)
		}
	}
}
