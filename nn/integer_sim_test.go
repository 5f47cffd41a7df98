//go:build cuda

package nn

import (
	"math"
	"os"
	"testing"

	"vimps-gpu/cuda"
)

// A child's integer logits are the same bits on a GPU, at either precision, as on the host.
func TestSimIntegerLogits(t *testing.T) {
	logits := func(dev *cuda.Device) []float32 {
		p, gates := integerParams(t, dev, integerNet(), false)
		plan := integerPlan(dev, p, gates, PlanOptions{Integer: true})
		defer plan.Free()
		return plan.Logits.Get(nil)
	}
	host := openDevice(t, "auto", 2)
	if host.Arithmetic() != "fused" {
		t.Skip("needs a CPU with fused multiply-add")
	}
	want := logits(host)
	for _, precision := range []string{"tf32", "bf16"} {
		gpu, err := cuda.Open(cuda.Options{Device: "gpu:0", Precision: precision})
		if err != nil {
			if os.Getenv("VIMPS_LIBCUDA") != "" {
				t.Fatal(err) // there is the simulated one
			}
			t.Skip("needs a GPU, or the simulated one of make test-sim: ", err)
		}
		for i, v := range logits(gpu) {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Errorf("%s: logit %d is %g, the host's %g", precision, i, v, want[i])
			}
		}
		gpu.Close()
	}
}
