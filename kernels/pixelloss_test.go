package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

func TestGoldenPixelLoss(t *testing.T) {
	g := readGolden(t, "pointwise")
	n := g.shapes["x"][0]
	for _, name := range []string{"l1", "mse"} {
		y, target, dy, partial := g.act(t, "x", 0), g.act(t, "target", 1), g.empty(t, "x", 2), newBuffer(t, 2*n)
		runCall(kernels.PixelLoss(kernels.PixelLossArgs{Y: y.Act, Target: target.Act, DY: dy.Act, L1: name == "l1", Partial: partial.P, N: n}), n, 1)
		for i := range n {
			near(t, name, partial.F[2*i:2*i+2], []float64{g.want(name + ".loss")[i], g.want("mse.loss")[i]}, 1e-7)
		}
		near(t, name+" dy", dy.inside(), g.want(name+".dy"), 1e-7)
	}
}

// Rows longer than the number of sums, a scale, equal pixels, and no gradient.
func TestPixelLoss(t *testing.T) {
	for _, s := range [][4]int{{3, 4, 5, 1}, {2, 3, 200, 3}} {
		for _, l1 := range []bool{true, false} {
			t.Run(fmt.Sprint(s, l1), func(t *testing.T) {
				n, h, w, c := s[0], s[1], s[2], s[3]
				y, target := newTensor(t, n, h, w, c, 0, normals(1, 1)), newTensor(t, n, h, w, c, 1, normals(2, 1))
				*y.at(0, 1, 2, 0) = *target.at(0, 1, 2, 0)
				count := float64(h * w * c)
				rows, grad := make([]float64, 2*n), []float64{}
				y.each(func(v *float32, i, p, q, k int) {
					d := float64(*v) - float64(*target.at(i, p, q, k))
					square := d * d / count
					rows[2*i+1] += square
					if l1 {
						rows[2*i] += math.Abs(d) / count
						if d != 0 {
							d = math.Copysign(1, d)
						}
					} else {
						rows[2*i] += square
						d *= 2
					}
					grad = append(grad, 0.5*d/(count*8))
				})
				dy, partial, alone := newTensor(t, n, h, w, c, 2, zeros), newBuffer(t, 2*n), newBuffer(t, 2*n)
				a := kernels.PixelLossArgs{Y: y.Act, Target: target.Act, DY: dy.Act, L1: l1, Scale: bufferOf(t, []float32{0.5}).P, Partial: partial.P, N: 8}
				runCall(kernels.PixelLoss(a), n, 2)
				near(t, "rows", partial.F, rows, 1e-6)
				near(t, "dy", dy.inside(), grad, 1e-8)
				a.DY, a.Partial = kernels.Act{}, alone.P
				runCall(kernels.PixelLoss(a), n, 1)
				sameBits(t, "rows without a gradient", alone.F, partial.F)
				*y.at(n-1, 0, 0, 0) = float32(math.NaN())
				runCall(kernels.PixelLoss(a), n, 1)
				if v := alone.F[2*n-2]; v == v || alone.F[0] != partial.F[0] {
					t.Errorf("with a NaN in the last image: %v", alone.F)
				}
			})
		}
	}
}
