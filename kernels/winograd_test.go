package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

type winogradCase struct{ n, h, w, c, k, chunk int }

func winogradCases() []winogradCase {
	return []winogradCase{
		{1, 2, 2, 16, 16, 1}, {2, 4, 2, 16, 48, 1}, {3, 2, 10, 32, 16, 2}, {1, 36, 34, 16, 16, 1}, // a row of more than 16 tiles
		{5, 8, 8, 64, 64, 2}, {2, 6, 12, 48, 32, 2}, {1, 16, 16, 32, 32, 4}, {1, 4, 4, 128, 128, 1}, {5, 32, 32, 16, 16, 2}, // chunks of 2, 2 and 1 images, many blocks each
	}
}

func (w winogradCase) geom() kernels.ConvGeom {
	return kernels.ConvGeom{C: w.c, K: w.k, R: 3, S: 3, Stride: 1, PadTop: 1, PadLeft: 1, Dilation: 1, Groups: 1}
}

// winogradRun is forward, input gradient and filter gradient of one case, in blocks of images. All that the kernels
// must overwrite is NaN before.
func winogradRun(t *testing.T, isa kernels.ISA, w winogradCase, x, dy, filters []float32, block int) (y, dx, dw []float32) {
	xt, yt := newTensor(t, w.n, w.h, w.w, w.c, 1, zeros), newTensor(t, w.n, w.h, w.w, w.k, 2, nans)
	dyt, dxt := newTensor(t, w.n, w.h, w.w, w.k, 1, zeros), newTensor(t, w.n, w.h, w.w, w.c, 0, nans)
	xt.fill(x)
	dyt.fill(dy)
	size, chunks := kernels.WinogradPackedSize(w.c, w.k), (w.n+w.chunk-1)/w.chunk
	forward, backward, partial := bufferOf(t, take(size, nans)), bufferOf(t, take(size, nans)), bufferOf(t, take(chunks*size, nans))
	dwb := bufferOf(t, take(len(filters), nans))
	runCall(kernels.WinogradPack(isa, kernels.WinogradPackArgs{C: w.c, K: w.k, W: bufferOf(t, filters).P, Forward: forward.P, Backward: backward.P}), w.k, block)
	runCall(kernels.WinogradConv(isa, kernels.WinogradConvArgs{X: xt.Act, Y: yt.Act, U: forward.P}), w.n, block)
	runCall(kernels.WinogradConv(isa, kernels.WinogradConvArgs{X: dyt.Act, Y: dxt.Act, U: backward.P}), w.n, block)
	runCall(kernels.WinogradWgrad(isa, kernels.WinogradWgradArgs{X: xt.Act, DY: dyt.Act, Partial: partial.P, Chunk: w.chunk}), w.n, block)
	runCall(kernels.WinogradWgradReduce(isa, kernels.WinogradWgradReduceArgs{C: w.c, K: w.k, Chunks: chunks, Partial: partial.P, DW: dwb.P}), w.c, block)
	return yt.inside(), dxt.inside(), dwb.F
}

func nans() float32 { return float32(math.NaN()) }

// convolution3x3 sums, in float64, the products that y, dx and dw are made of, and their magnitudes.
func convolution3x3(w winogradCase, x, dy, filters []float32) (y, dx, dw, ay, ax, aw []float64) {
	y, ay = make([]float64, len(dy)), make([]float64, len(dy))
	dx, ax = make([]float64, len(x)), make([]float64, len(x))
	dw, aw = make([]float64, len(filters)), make([]float64, len(filters))
	add := func(sum, size *float64, a, b float32) {
		v := float64(a) * float64(b)
		*sum, *size = *sum+v, *size+math.Abs(v)
	}
	for n := range w.n {
		for p := range w.h {
			for q := range w.w {
				for r := range 3 {
					for s := range 3 {
						i, j := p+r-1, q+s-1
						if i < 0 || i >= w.h || j < 0 || j >= w.w {
							continue
						}
						xp, yp := ((n*w.h+i)*w.w+j)*w.c, ((n*w.h+p)*w.w+q)*w.k
						for k := range w.k {
							f := ((k*3+r)*3 + s) * w.c
							for c := range w.c {
								add(&y[yp+k], &ay[yp+k], x[xp+c], filters[f+c])
								add(&dx[xp+c], &ax[xp+c], dy[yp+k], filters[f+c])
								add(&dw[f+c], &aw[f+c], x[xp+c], dy[yp+k])
							}
						}
					}
				}
			}
		}
	}
	return
}

// Each transform adds at most 4 terms twice, so values grow by 4*4 in V and A dy A', and by at most 9/4 in U, and the
// result's transform adds 9 (16 for dw) of the products: against a direct sum the rounding error may grow by
// about 9 * 4 * 9/4 = 81 in the worst case; typically it is a few. Errors are compared with the largest magnitude
// near them, since the transforms mix neighbouring pixels.
func winogradTolerance(terms int, sizes []float64) float64 {
	largest := 0.0
	for _, s := range sizes {
		largest = max(largest, s)
	}
	return 81 * math.Sqrt(float64(terms)) * math.Pow(2, -24) * largest
}

func TestWinograd(t *testing.T) {
	for _, w := range winogradCases() {
		t.Run(fmt.Sprintf("%+v", w), func(t *testing.T) {
			x, dy := take(w.n*w.h*w.w*w.c, normals(1, 1)), take(w.n*w.h*w.w*w.k, normals(2, 1))
			filters := take(w.k*9*w.c, normals(3, 1))
			y, dx, dw, ay, ax, aw := convolution3x3(w, x, dy, filters)
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				gy, gdx, gdw := winogradRun(t, isa, w, x, dy, filters, block)
				within(t, "y", gy, y, winogradTolerance(9*w.c, ay))
				within(t, "dx", gdx, dx, winogradTolerance(9*w.k, ax))
				within(t, "dw", gdw, dw, winogradTolerance(w.n*w.h*w.w, aw))
				return append(append(gy, gdx...), gdw...)
			})
		})
	}
}

func within(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	worst, at := 0.0, 0
	for i, v := range got {
		if d := math.Abs(float64(v) - want[i]); !(d <= worst) {
			worst, at = d, i
		}
	}
	if !(worst <= tolerance) {
		t.Errorf("%s[%d] = %g, want %g: off by %g, tolerance %g", what, at, got[at], want[at], worst, tolerance)
	}
}

func TestWinogradFits(t *testing.T) {
	fits := winogradCase{1, 8, 8, 16, 16, 1}.geom()
	if !kernels.WinogradFits(fits, 8, 8) {
		t.Error("a plain 3x3 convolution does not fit")
	}
	for name, change := range map[string]func(*kernels.ConvGeom){
		"stride 2": func(g *kernels.ConvGeom) { g.Stride = 2 }, "1x1": func(g *kernels.ConvGeom) { g.R, g.S = 1, 1 },
		"no padding": func(g *kernels.ConvGeom) { g.PadTop, g.PadLeft = 0, 0 }, "groups": func(g *kernels.ConvGeom) { g.Groups = 2 },
		"dilation": func(g *kernels.ConvGeom) { g.Dilation = 2 }, "3 channels": func(g *kernels.ConvGeom) { g.C = 3 },
		"many channels": func(g *kernels.ConvGeom) { g.K = 256 },
	} {
		g := fits
		change(&g)
		if kernels.WinogradFits(g, 8, 8) {
			t.Errorf("%s fits", name)
		}
	}
	if kernels.WinogradFits(fits, 7, 8) {
		t.Error("odd images fit")
	}
}
