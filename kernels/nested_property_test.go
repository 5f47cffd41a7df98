package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// nestedForward quantizes values as one image.
func nestedForward(t *testing.T, isa kernels.ISA, c nestedCase, values []float32) []float32 {
	x, y := newTensor(t, 1, 1, 1, len(values), 0, zeros), newTensor(t, 1, 1, 1, len(values), 0, zeros)
	x.fill(values)
	runCall(kernels.NestedInputForward(isa, kernels.NestedInputForwardArgs{Nested: c.nested(t, []float32{c.param}), X: x.Act, Y: y.Act}), 1, 1)
	return y.inside()
}

// With the gates up to width b on, and the others off, the residual quantizer is the plain one of b bits of that
// range: s rint(x/s), s = range/(2^b - 1), whose largest code is the last below the range's end.
func TestResidualIsThePlainQuantizer(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, signed := range []bool{false, true} {
			for on, b := range []int{2, 4, 8, 16} {
				c := nestedCase{kernels.NestedResidual, signed, []int{2, 4, 8, 16}, []float32{0, 0, 0, 0}, 0}
				for l := range on + 1 {
					c.z[l] = 1
				}
				for range 20 {
					c.param = float32(math.Exp(r.Float64()*10 - 7))
					hi, lo := float64(c.param), 0.0
					if signed {
						lo = -hi
					}
					values := []float32{c.param, -c.param, 2 * c.param, float32(math.Inf(1)), float32(math.Inf(-1)), 0,
						math.Nextafter32(c.param, 0), math.Nextafter32(c.param, 1e9)}
					for range 1000 {
						values = append(values, float32((r.Float64()*2.2-1.1)*hi))
					}
					step := (hi - lo) / float64(int(1)<<b-1)
					for i, y := range nestedForward(t, isa, c, values) {
						u := min(max(float64(values[i]), lo), hi) / step
						u = min(max(u, math.Ceil(lo/step-.25)), math.Floor(hi/step+.25)) // no code beyond the range
						if off := math.Abs(u - math.Floor(u) - 0.5); off < 0.01 {
							continue // beside a tie the two may differ by a rounding
						}
						if want := step * math.RoundToEven(u); math.Abs(float64(y)-want) > 3e-7*math.Abs(want) {
							t.Fatalf("%d bits, signed %t, range %g: %g became %g, want %g", b, signed, c.param, values[i], y, want)
						}
					}
				}
			}
		}
	})
}

// Of truncated codes that of c bits is that of c+1 bits less its last bit; the widest is LSQ's; an unsigned 0 stays 0 and
// the largest value the largest.
func TestTruncatedCodesNest(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		const step, widest = 0.03125, 8
		for _, signed := range []bool{false, true} {
			lo, hi := ranges(signed, widest)
			var values []float32
			for code := lo[0] - 3; code <= hi[0]+3; code += 0.25 {
				values = append(values, code*step)
			}
			var wider []int
			for on := 6; on >= 0; on-- {
				c := nestedCase{kernels.NestedTruncate, signed, []int{2, 3, 4, 5, 6, 7, 8}, make([]float32, 7), step}
				c.z[on] = 1
				bits := c.bits[on]
				codes := make([]int, len(values))
				for i, y := range nestedForward(t, isa, c, values) {
					drop, unit := widest-bits, float64(y)/step
					code := unit * float64(int(1)<<bits-1) / float64(int(1)<<widest-1)
					if signed {
						code = (unit - float64(int(1)<<drop-1)/2) / float64(int(1)<<drop)
					}
					codes[i] = int(math.Round(code))
					if math.Abs(code-math.Round(code)) > 1e-5 {
						t.Fatalf("%d bits: %g became %g, of no code", bits, values[i], y)
					}
					if on == 6 {
						if want, _, _ := quantize(values[i], step, lo[0], hi[0]); codes[i] != int(want) {
							t.Fatalf("%g has code %d, want %g", values[i], codes[i], want)
						}
					} else if codes[i] != wider[i]>>1 {
						t.Fatalf("%g has code %d of %d bits, %d of one more", values[i], codes[i], bits, wider[i])
					}
					top := hi[0] * step
					if !signed && (values[i] == 0 && y != 0 || values[i] == top && math.Abs(float64(y/top-1)) > 2e-7) {
						t.Fatalf("%d bits: %g became %g", bits, values[i], y)
					}
				}
				wider = codes
			}
		}
	})
}

// The quantizer is homogeneous of degree 1 in x and its parameter: sum dy y = sum x dx + param dparam, for any gates.
func TestNestedIsHomogeneous(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		for name, c := range nestedCases() {
			const n = 500
			x, y := newTensor(t, 1, 1, 1, n, 0, normals(1, 1)), newTensor(t, 1, 1, 1, n, 0, zeros)
			dy, dx := newTensor(t, 1, 1, 1, n, 0, normals(2, 1)), newTensor(t, 1, 1, 1, n, 0, zeros)
			partial, q := newBuffer(t, len(c.bits)+1), c.nested(t, []float32{c.param})
			runCall(kernels.NestedInputForward(isa, kernels.NestedInputForwardArgs{Nested: q, X: x.Act, Y: y.Act}), 1, 1)
			runCall(kernels.NestedInputBackward(isa, kernels.NestedInputBackwardArgs{Nested: q, X: x.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P}), 1, 1)
			left, right := 0.0, float64(c.param)*float64(partial.F[len(c.bits)])
			for i, v := range x.inside() {
				left += float64(dy.inside()[i]) * float64(y.inside()[i])
				right += float64(v) * float64(dx.inside()[i])
			}
			if math.Abs(left-right) > 1e-3 {
				t.Errorf("%s: sum dy y = %g, sum x dx + param dparam = %g", name, left, right)
			}
		}
	})
}

func TestNestedKeepsNaN(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		for name, c := range nestedCases() {
			for i, y := range nestedForward(t, isa, c, take(19, func() float32 { return float32(math.NaN()) })) {
				if !math.IsNaN(float64(y)) {
					t.Fatalf("%s: NaN number %d became %g", name, i, y)
				}
			}
		}
	})
}

func TestCheckNested(t *testing.T) {
	for _, c := range []struct {
		mode       kernels.NestedMode
		bits       []int
		signed, ok bool
	}{
		{kernels.NestedResidual, []int{2, 4, 8, 16}, false, true}, {kernels.NestedResidual, []int{8}, false, true}, {kernels.NestedResidual, []int{2, 4, 6}, false, false},
		{kernels.NestedResidual, []int{1, 2, 4, 8, 16}, false, false}, {kernels.NestedTruncate, []int{2, 3, 8}, false, true}, {kernels.NestedTruncate, []int{3, 3}, false, false},
		{kernels.NestedTruncate, nil, false, false}, {kernels.NestedTruncate, []int{8, 17}, false, false}, {kernels.NestedTruncate, []int{0, 2}, false, false},
		{kernels.NestedResidual, []int{1, 2}, false, true}, {kernels.NestedResidual, []int{1, 2}, true, false}, {kernels.NestedTruncate, []int{1, 2}, true, true},
	} {
		if err := kernels.CheckNested(c.mode, c.bits, c.signed); (err == nil) != c.ok {
			t.Errorf("mode %d, %v: %v", c.mode, c.bits, err)
		}
	}
}
