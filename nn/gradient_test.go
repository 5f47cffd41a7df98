package nn_test

import (
	"math"
	"testing"

	"vimps-gpu/nn"
	"vimps-gpu/nn/model"
)

// The gradient that Backward leaves, along random directions in each parameter group, is the slope of the loss
// by central differences. The net has everything a net can have here: strides, an identity and an option-A
// shortcut, a pool, a linear layer with bias, one value read by two convolutions.
func TestBackwardIsTheSlopeOfTheLoss(t *testing.T) {
	dev := openHost(t)
	g := nn.NewGraph("small", 10, 6, 3)
	x := g.ReLU(g.Norm("n1", g.Conv("c1", 0, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})))
	x = g.ReLU(g.Add(g.Norm("n2", g.Conv("c2", x, nn.Conv{K: 16, R: 3, S: 3, Stride: 1, Pad: 1})), x))
	x = g.ReLU(g.Add(g.Norm("n3", g.Conv("c3", x, nn.Conv{K: 20, R: 3, S: 3, Stride: 2, Pad: 1})), x))
	y := g.ReLU(g.Norm("n4", g.Conv("c4", x, nn.Conv{K: 20, R: 3, S: 3, Stride: 1, Pad: 1, Groups: 20})))
	y = g.ReLU(g.Conv("c5", y, nn.Conv{K: 20, R: 1, S: 1, Stride: 1, Groups: 2, Bias: true})) // no norm behind it
	x = g.ReLU(g.Add(g.Norm("n6", g.Conv("c6", y, nn.Conv{K: 20, R: 1, S: 1, Stride: 1})), x))
	g.Linear("fc", g.AvgPool(x), 5)

	params := nn.NewParams(dev, g, nn.Config{})
	params.Init(3)
	plan := nn.NewPlan(params, nil, nn.NewScalars(dev), nn.PlanOptions{Batch: 7, Train: true})
	plan.Input.Set(uniform(plan.Input.Len(), 1, -1, 1))
	plan.Labels.SetInt32([]int32{0, 1, 2, 3, 4, 0, 1})
	forward := dev.Record(func() { plan.PackFilters(); plan.Forward() })
	loss := func() float64 { forward.Launch(); return float64(plan.Loss.At(0)) / 7 }
	dev.Record(func() { plan.PackFilters(); plan.Forward(); plan.Backward() }).Launch()

	for _, group := range []nn.Group{nn.Filters, nn.Affine} {
		flat := params.Groups[group]
		value, grad := flat.Value.Get(nil), flat.Grad.Get(nil)
		for seed := range uint32(4) {
			direction := uniform(len(value), 10+seed, -1, 1)
			want := 0.0
			for i, d := range direction {
				want += float64(d) * float64(grad[i])
			}
			// The error falls with h as fewer values cross a kink of relu (0.1, 0.03, 0.003 at 1e-3, 1e-4, 3e-5); below
			// that float32 takes over: two losses of about 2, rounded to 2^-24, over 2h are off by 4e-3.
			const h = 3e-5
			at := func(h float64) float64 {
				moved := make([]float32, len(value))
				for i := range moved {
					moved[i] = value[i] + float32(h*float64(direction[i]))
				}
				flat.Value.Set(moved)
				return loss()
			}
			got := (at(h) - at(-h)) / (2 * h)
			flat.Value.Set(value)
			if math.Abs(got-want) > 0.005*math.Abs(want)+0.008 {
				t.Errorf("%v, direction %d: the loss rises by %g, the gradient says %g", group, seed, got, want)
			} else {
				t.Logf("%v, direction %d: slope %.5f, gradient %.5f", group, seed, got, want)
			}
		}
	}
}

// A plan for evaluation reuses its buffers, one for training keeps every value: both give the same logits.
func TestBuffersAreReusedSafely(t *testing.T) {
	dev := openHost(t)
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 32, W: 32, C: 3, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	params := nn.NewParams(dev, g, nn.Config{})
	params.Init(1)
	logits := func(o nn.PlanOptions) ([]float32, int64) {
		before := dev.Bytes()
		plan := nn.NewPlan(params, nil, nn.NewScalars(dev), o)
		defer plan.Free()
		held := dev.Bytes() - before
		plan.Input.Set(uniform(plan.Input.Len(), 2, -1, 1))
		dev.Record(func() { plan.PackFilters(); plan.Forward() }).Launch()
		return plan.Logits.Get(nil), held
	}
	for _, stats := range []bool{false, true} {
		reused, small := logits(nn.PlanOptions{Batch: 5, BatchStats: stats})
		kept, large := logits(nn.PlanOptions{Batch: 5, BatchStats: stats, KeepValues: true})
		for i := range reused {
			if reused[i] != kept[i] {
				t.Fatalf("batch statistics %t: logit %d is %g with reused buffers, %g without", stats, i, reused[i], kept[i])
			}
		}
		if small*2 > large {
			t.Errorf("reuse takes %d bytes, keeping everything %d", small, large)
		}
	}
}
