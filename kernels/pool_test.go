package kernels_test

import (
	"fmt"
	"testing"

	"vimps-gpu/kernels"
)

func TestAvgPool(t *testing.T) {
	for _, s := range [][5]int{{4, 8, 8, 64, 0}, {3, 3, 5, 19, 1}, {2, 1, 1, 3, 2}} {
		n, h, w, c, border := s[0], s[1], s[2], s[3], s[4]
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				x, y := newTensor(t, n, h, w, c, border, normals(1, 1)), newTensor(t, n, 1, 1, c, border, zeros)
				dy, dx := newTensor(t, n, 1, 1, c, border, normals(2, 1)), newTensor(t, n, h, w, c, border, normals(3, 1))
				more, before := newTensor(t, n, h, w, c, border, normals(3, 1)), float64s(dx.inside())
				runCall(kernels.AvgPoolForward(isa, kernels.PoolArgs{X: x.Act, Y: y.Act}), n, block)
				runCall(kernels.AvgPoolBackward(isa, kernels.PoolArgs{X: dx.Act, Y: dy.Act}), n, block)
				runCall(kernels.AvgPoolBackward(isa, kernels.PoolArgs{X: more.Act, Y: dy.Act, Accumulate: true}), n, block)
				mean, wantDx, wantMore := make([]float64, n*c), []float64{}, []float64{}
				x.each(func(v *float32, i, p, q, k int) {
					mean[i*c+k] += float64(*v) / float64(h*w)
					d := float64(*dy.at(i, 0, 0, k)) / float64(h*w)
					wantMore = append(wantMore, before[len(wantDx)]+d)
					wantDx = append(wantDx, d)
				})
				near(t, "y", y.inside(), mean, 1e-6)
				near(t, "dx", dx.inside(), wantDx, 1e-6)
				near(t, "dx added to", more.inside(), wantMore, 1e-6)
				return append(append(y.inside(), dx.inside()...), more.inside()...)
			})
		})
	}
}
