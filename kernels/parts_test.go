package kernels_test

import (
	"testing"

	"vimps-gpu/kernels"
)

// Images are cut into equal parts of whole rows of pixels, the more the fewer images there are, and no part too small.
func TestRows(t *testing.T) {
	for _, c := range []struct{ n, h, w, c, want int }{
		{128, 32, 32, 16, 512}, {128, 16, 16, 32, 256}, {128, 8, 8, 64, 128}, {1, 7, 7, 2048, 7}, {256, 56, 56, 64, 1024}, {2, 224, 224, 3, 64},
		{5000, 32, 32, 16, 5000}, {3, 1, 1, 10, 3}, {1, 112, 112, 64, 112},
	} {
		a := kernels.Act{H: c.h, W: c.w, C: c.c}
		if got := kernels.UnitRows(a, c.n); got != c.want || kernels.NormRows(a, c.n) != got || kernels.MixRows(a, c.n) != got {
			t.Errorf("%+v: %d rows", c, got)
		}
	}
}
