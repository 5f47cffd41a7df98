package bench

import (
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn/model"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// TestConvGFLOP: the training step of ResNet-20 at batch 128 is 40.55 M multiply-adds x 2 x 3 passes x 128 images,
// less the input gradient of the first layer.
func TestConvGFLOP(t *testing.T) {
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 32, W: 32, C: 3, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := (40_551_040*6 - 442_368*2) * 128 / 1e9
	if got := convGFLOP(g, 128); math.Abs(got-want) > 1e-9 {
		t.Errorf("%v GFLOP, want %v", got, want)
	}
}

// TestSteps: every kind of step is timed, as a whole and by op.
func TestSteps(t *testing.T) {
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	s := onesot.Defaults(onesot.OneShot, "digitsnet")
	s.Batch = 16
	r, err := Steps(dev, StepOptions{Model: "digitsnet", H: 8, W: 8, C: 1, Classes: 10, Policy: quant.DefaultPolicy(), Settings: s, Steps: 4}, func(StepTime) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Kinds) != 4 || r.Kinds[0].Kind != "supernet" || r.Kinds[3].Kind != "fp32" {
		t.Fatalf("kinds %+v", r.Kinds)
	}
	for _, k := range r.Kinds {
		if !(k.Min > 0 && k.Min <= k.Median) || k.ImagesPerSecond != 16/k.Median {
			t.Errorf("%s: min %v, median %v, %v images/s", k.Kind, k.Min, k.Median, k.ImagesPerSecond)
		}
		if len(k.Ops) < 5 || k.ConvGFLOPS <= 0 {
			t.Errorf("%s: ops %v, %v GFLOP/s", k.Kind, k.Ops, k.ConvGFLOPS)
		}
	}
	for _, name := range []string{"input mix", "gates", "bit model"} {
		if has(r.Kinds[3], name) || !has(r.Kinds[0], name) {
			t.Errorf("op %q must be in the supernet step and not in the fp32 step", name)
		}
	}
}

func has(t StepTime, op string) bool {
	for _, o := range t.Ops {
		if o.Op == op {
			return true
		}
	}
	return false
}
