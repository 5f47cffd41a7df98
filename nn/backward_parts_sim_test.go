//go:build cuda

package nn_test

import (
	"os"
	"testing"

	"vimps-gpu/cuda"
)

// As TestBackwardParts, on a GPU, whose units and mixes are other kernels.
func TestSimBackwardParts(t *testing.T) {
	dev, err := cuda.Open(cuda.Options{Device: "gpu:0"})
	if err != nil {
		if os.Getenv("VIMPS_LIBCUDA") != "" {
			t.Fatal(err) // there is the simulated one
		}
		t.Skip("needs a GPU, or the simulated one of make test-sim: ", err)
	}
	t.Cleanup(dev.Close)
	checkBackwardParts(t, newPartsNet(t, dev, twoReaders(), true))
}
