package onnx

import (
	"fmt"
	"math"
)

// runResize is Resize over rows and columns: ONNX's formulas, with cubic_coeff_a -0.75 and repeated borders.
func runResize(r *Runner, n *Node, in []*array) (*array, error) {
	x := in[0]
	if !x.image || len(in) < 3 {
		return nil, fmt.Errorf("want an image and scales or sizes")
	}
	h, w := 0, 0
	if in[2] != nil {
		h, w = int(float32(x.dims[1])*in[2].f[0]), int(float32(x.dims[2])*in[2].f[1])
	} else {
		h, w = in[3].whole()[0], in[3].whole()[1]
	}
	if h < 1 || w < 1 {
		return nil, fmt.Errorf("%v to %dx%d", x.dims, h, w)
	}
	c := x.dims[3]
	y := r.newArray(16, x.dims[0], h, w, c)
	rows, columns := resizeTaps(n, x.dims[1], h), resizeTaps(n, x.dims[2], w)
	r.each(x.dims[0], func(image int) {
		for at := range h * w * c {
			sum := 0.0
			for _, a := range rows[at/c/w] {
				for _, b := range columns[at/c%w] {
					sum += a.weight * b.weight * float64(x.f[((image*x.dims[1]+a.at)*x.dims[2]+b.at)*c+at%c])
				}
			}
			y.f[image*h*w*c+at] = float32(sum)
		}
	})
	return y, nil
}

type resizeTap struct {
	at     int
	weight float64
}

// resizeTaps are the places that each of out places is a weighted sum of.
func resizeTaps(n *Node, in, out int) [][]resizeTap {
	list := make([][]resizeTap, out)
	scale := float64(out) / float64(in)
	for i := range list {
		var x float64
		switch runText(n, "coordinate_transformation_mode", "half_pixel") {
		case "asymmetric":
			x = float64(i) / scale
		case "align_corners":
			if out > 1 {
				x = float64(i) * float64(in-1) / float64(out-1)
			}
		default:
			x = (float64(i)+0.5)/scale - 0.5
		}
		low := math.Floor(x)
		f := x - low
		var weights []float64
		first := int(low)
		switch runText(n, "mode", "nearest") {
		case "linear":
			weights = []float64{1 - f, f}
		case "cubic":
			const a = -0.75
			outer := func(d float64) float64 { return ((a*d-5*a)*d+8*a)*d - 4*a }
			inner := func(d float64) float64 { return ((a+2)*d-(a+3))*d*d + 1 }
			weights, first = []float64{outer(1 + f), inner(f), inner(1 - f), outer(2 - f)}, first-1
		default:
			weights = []float64{1}
			if runText(n, "nearest_mode", "round_prefer_floor") != "floor" && f > 0.5 {
				first++
			}
		}
		for k, v := range weights {
			list[i] = append(list[i], resizeTap{min(max(first+k, 0), in-1), v})
		}
	}
	return list
}
