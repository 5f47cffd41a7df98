package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

// windowReference pools x straightforwardly and gives each window's gradient to dx.
func windowReference(w kernels.Window, x, dy tensor) (y, dx []float64) {
	values := float64s(x.inside())
	dx = make([]float64, len(values))
	place := func(i, p, q, k int) int { return ((i*x.H+p)*x.W+q)*x.C + k }
	dy.each(func(d *float32, i, p, q, k int) {
		best, sum, n, at := math.Inf(-1), 0.0, 0.0, []int{}
		first := -1
		for r := range w.R {
			for s := range w.S {
				h, v := p*w.Stride-w.PadTop+r, q*w.Stride-w.PadLeft+s
				if h < 0 || h >= x.H || v < 0 || v >= x.W {
					continue
				}
				to := place(i, h, v, k)
				if values[to] > best || first < 0 {
					best, first = values[to], to
				}
				sum, n, at = sum+values[to], n+1, append(at, to)
			}
		}
		if w.CountPad {
			n = float64(w.R * w.S)
		}
		if w.Max {
			y = append(y, best)
			dx[first] += float64(*d)
			return
		}
		y = append(y, sum/n)
		for _, to := range at {
			dx[to] += float64(*d) / n
		}
	})
	return y, dx
}

// coarse draws have many equal values.
func coarse(seed uint64) func() float32 {
	normal := normals(seed, 2)
	return func() float32 { return float32(math.Round(float64(normal()))) }
}

func TestWindow(t *testing.T) {
	windows := []kernels.Window{
		{R: 3, S: 3, Stride: 2, PadTop: 1, PadLeft: 1}, {R: 2, S: 2, Stride: 2}, {R: 3, S: 2, Stride: 1, PadTop: 2, PadLeft: 1, CountPad: true},
		{R: 5, S: 1, Stride: 3, PadTop: 1}, {R: 1, S: 1, Stride: 2}, {R: 2, S: 3, Stride: 3, CountPad: true},
	}
	for _, w := range windows {
		for _, w.Max = range []bool{false, true} {
			for _, s := range [][4]int{{4, 7, 6, 35}, {3, 5, 5, 16}, {2, 4, 9, 3}} {
				t.Run(fmt.Sprint(w, s), func(t *testing.T) {
					n, h, v, c := s[0], s[1], s[2], s[3]
					outH, outW := (h+w.PadTop-1)/w.Stride+1, (v+w.PadLeft-w.S)/w.Stride+1
					sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
						x, y := newTensor(t, n, h, v, c, 1, coarse(1)), newTensor(t, n, outH, outW, c, 2, normals(9, 1))
						dy, dx := newTensor(t, n, outH, outW, c, 1, normals(2, 1)), newTensor(t, n, h, v, c, 2, normals(3, 1))
						more := newTensor(t, n, h, v, c, 0, normals(4, 1))
						wantY, wantDX := windowReference(w, x, dy)
						wantMore := float64s(more.inside())
						for i, d := range wantDX {
							wantMore[i] += d
						}
						runCall(kernels.WindowForward(isa, kernels.WindowForwardArgs{X: x.Act, Y: y.Act, Window: w}), n, block)
						back := kernels.WindowBackwardArgs{X: x.Act, DY: dy.Act, DX: dx.Act, Window: w}
						runCall(kernels.WindowBackward(isa, back), n, block)
						back.DX, back.Accumulate = more.Act, true
						runCall(kernels.WindowBackward(isa, back), n, block)
						near(t, "y", y.inside(), wantY, 1e-6)
						near(t, "dx", dx.inside(), wantDX, 1e-6)
						near(t, "dx added to", more.inside(), wantMore, 1e-6)
						return append(append(y.inside(), dx.inside()...), more.inside()...)
					})
				})
			}
		}
	}
}

// A NaN is the maximum of its windows, wherever in them it stands, and a window of infinities has one.
func TestWindowMaxNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		x, y := newTensor(t, 1, 1, 6, 1, 0, zeros), newTensor(t, 1, 1, 3, 1, 0, zeros)
		dy, dx := newTensor(t, 1, 1, 3, 1, 0, normals(1, 1)), newTensor(t, 1, 1, 6, 1, 0, zeros)
		x.fill([]float32{nan, 2, 3, nan, inf, inf})
		w := kernels.Window{Max: true, R: 1, S: 2, Stride: 2}
		runCall(kernels.WindowForward(isa, kernels.WindowForwardArgs{X: x.Act, Y: y.Act, Window: w}), 1, 1)
		runCall(kernels.WindowBackward(isa, kernels.WindowBackwardArgs{X: x.Act, DY: dy.Act, DX: dx.Act, Window: w}), 1, 1)
		near(t, "y", y.inside()[:2], []float64{math.NaN(), math.NaN()}, 0)
		if y.inside()[2] != inf {
			t.Errorf("the maximum of two -inf is %g", y.inside()[2])
		}
		d := dy.inside()
		sameBits(t, "dx", dx.inside(), []float32{d[0], 0, 0, d[1], d[2], 0})
	})
}

func TestWindowShapes(t *testing.T) {
	x, y := newTensor(t, 1, 4, 4, 2, 0, zeros), newTensor(t, 1, 3, 2, 2, 0, zeros)
	for _, w := range []kernels.Window{{R: 2, S: 2, Stride: 2}, {R: 2, S: 2, Stride: 1, PadLeft: 2}, {R: 2, S: 2}, {R: 0, S: 1, Stride: 1}} {
		wantRefused(t, fmt.Sprint(w), func() {
			kernels.WindowForward(kernels.Portable, kernels.WindowForwardArgs{X: x.Act, Y: y.Act, Window: w})
		})
	}
}
