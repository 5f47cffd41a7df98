package cuda

import (
	"cmp"
	"fmt"
)

// Interpolation is how [Device.NewTaps] weighs source places.
type Interpolation int

// The interpolations.
const (
	Nearest Interpolation = iota
	Linear
	Cubic
)

// Coordinates is how an output place maps to a source coordinate, with scale = out/in (ONNX Resize).
type Coordinates int

// The mappings.
const (
	HalfPixel    Coordinates = iota // (i+0.5)/scale - 0.5
	Asymmetric                      // i/scale
	AlignCorners                    // i*(in-1)/(out-1), 0 where out is 1
)

// Resampling says how a row or column of another size finds its values.
type Resampling struct {
	Interpolation Interpolation
	Coordinates   Coordinates
	Floor         bool    // Nearest: rounds down; else to the nearest, half down
	A             float64 // Cubic: the kernel's parameter (Keys 1981); 0: -0.75 (PyTorch, ONNX)
}

// tap is a place and its weight.
type tap struct {
	at     int
	weight float64
}

// tapTable holds the taps of each place, rising, none of weight 0.
type tapTable [][]tap

// table gives the source places of each of out places. Coordinates are fractions, so that which of two places is nearer is exact.
func (r Resampling) table(in, out int) tapTable {
	if in < 1 || out < 1 {
		panic(fmt.Sprintf("cuda.NewTaps: %d to %d places", in, out))
	}
	t := make(tapTable, out)
	for i := range t {
		num, den := r.Coordinates.of(i, in, out)
		for _, p := range r.around(num, den) {
			p.at = min(max(p.at, 0), in-1)
			switch last := len(t[i]) - 1; {
			case p.weight == 0:
			case last >= 0 && t[i][last].at == p.at: // the edge again
				t[i][last].weight += p.weight
			default:
				t[i] = append(t[i], p)
			}
		}
	}
	return t
}

// of is the source coordinate of place i as num/den.
func (c Coordinates) of(i, in, out int) (num, den int) {
	switch {
	case c == HalfPixel:
		return (2*i+1)*in - out, 2 * out
	case c == Asymmetric:
		return i * in, out
	case out == 1:
		return 0, 1
	}
	return i * (in - 1), out - 1
}

// around gives the places about coordinate num/den and their weights, some perhaps outside the source.
func (r Resampling) around(num, den int) []tap {
	floor := floorDiv(num, den)
	f := float64(num-floor*den) / float64(den)
	switch r.Interpolation {
	case Nearest:
		if !r.Floor && 2*(num-floor*den) > den {
			floor++
		}
		return []tap{{floor, 1}}
	case Linear:
		return []tap{{floor, 1 - f}, {floor + 1, f}}
	}
	a := cmp.Or(r.A, -0.75)
	near := func(d float64) float64 { return ((a+2)*d-(a+3))*d*d + 1 }  // |d| <= 1
	far := func(d float64) float64 { return ((a*d-5*a)*d+8*a)*d - 4*a } // 1 <= |d| <= 2
	return []tap{{floor - 1, far(1 + f)}, {floor, near(f)}, {floor + 1, near(1 - f)}, {floor + 2, far(2 - f)}}
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// transposed gives, for each of the places that t reads among in, the places that read it.
func (t tapTable) transposed(in int) tapTable {
	r := make(tapTable, in)
	for i, taps := range t {
		for _, p := range taps {
			r[p.at] = append(r[p.at], tap{i, p.weight})
		}
	}
	return r
}

// dense gives arrays [len(t),count], places ended by -1.
func (t tapTable) dense() (at []int32, weight []float32, count int) {
	count = 1
	for _, taps := range t {
		count = max(count, len(taps))
	}
	at, weight = make([]int32, len(t)*count), make([]float32, len(t)*count)
	for i, taps := range t {
		for j := range count {
			at[i*count+j] = -1
			if j < len(taps) {
				at[i*count+j], weight[i*count+j] = int32(taps[j].at), float32(taps[j].weight)
			}
		}
	}
	return at, weight, count
}
