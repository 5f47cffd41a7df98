package kernels_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// edgeValues are the values at, next below and next above every bound and every half step.
func edgeValues(step, qmin, qmax float32) []float32 {
	inf := float32(math.Inf(1))
	v := []float32{0, float32(math.Copysign(0, -1)), 1e30, -1e30, inf, -inf, 1e-30, -1e-30, 1e-44, -1e-44}
	for c := qmin - 1; c <= qmax+1; c += 0.5 {
		x := c * step
		below, above := math.Nextafter32(x, -inf), math.Nextafter32(x, inf)
		v = append(v, x, below, above, math.Nextafter32(below, -inf), math.Nextafter32(above, inf))
	}
	return v
}

func edgeCase(t *testing.T, isa kernels.ISA, step, qmin, qmax float32) {
	values := edgeValues(step, qmin, qmax)
	n := len(values)
	x, y := newTensor(t, n, 1, 1, 1, 0, zeros), newTensor(t, n, 1, 1, 1, 1, zeros)
	dy, dx := newTensor(t, n, 1, 1, 1, 0, func() float32 { return 1 }), newTensor(t, n, 1, 1, 1, 0, zeros)
	x.fill(values)
	partial := newBuffer(t, 2*n)
	mix := kernels.Mix{QMin: []float32{qmin}, QMax: []float32{qmax}, Z: bufferOf(t, []float32{1}).P, Step: bufferOf(t, []float32{step}).P}
	runCall(kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: mix, X: x.Act, Y: y.Act}), n, n)
	runCall(kernels.MixInputBackward(isa, kernels.MixInputBackwardArgs{Mix: mix, X: x.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P}), n, n)
	for i, v := range values {
		code, quotient, in := quantize(v, step, qmin, qmax)
		wantDx, wantDs := float32(0), code
		if in {
			wantDx, wantDs = 1, code-quotient
		}
		tiny := v != 0 && math.Abs(float64(v)) < 0x1p-100 // the quotient may be off by its last place
		gotDs := partial.F[2*i+1]
		if *y.at(i, 0, 0, 0) != step*code || *dx.at(i, 0, 0, 0) != wantDx || partial.F[2*i] != step*code || (gotDs != wantDs && !tiny) {
			t.Fatalf("x = %g (v = %.9g) step %g range %g..%g: y %g dx %g dz %g ds %g, want %g %g %g %g", v, quotient, step, qmin, qmax,
				*y.at(i, 0, 0, 0), *dx.at(i, 0, 0, 0), partial.F[2*i], gotDs, step*code, wantDx, step*code, wantDs)
		}
	}
}

func TestQuantizerAtBoundsAndHalfSteps(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		r := rand.New(rand.NewPCG(7, 7))
		for bits := 1; bits <= 8; bits++ {
			steps := []float32{1e-6, 0.1, 1, 3.7}
			for range 20 {
				steps = append(steps, float32(math.Exp(r.Float64()*14-12)))
			}
			for _, step := range steps {
				lo, hi := ranges(false, bits)
				edgeCase(t, isa, step, lo[0], hi[0])
				if lo, hi = ranges(true, bits); bits > 1 {
					edgeCase(t, isa, step, lo[0], hi[0])
				}
			}
		}
	})
}

// Ten million random values and as many beside a tie of the quotient between two codes get the code and, via ds, the
// quotient of IEEE division.
func TestQuantizerDividesExactly(t *testing.T) {
	const rows, n = 100, 100_000
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		if isa == kernels.Portable {
			t.Skip("divides by the division itself")
		}
		x, y := newTensor(t, 1, 1, 1, n, 0, zeros), newTensor(t, 1, 1, 1, n, 0, zeros)
		z, step := bufferOf(t, []float32{1}), newBuffer(t, 1)
		mix := kernels.Mix{QMin: []float32{-128}, QMax: []float32{127}, Z: z.P, Step: step.P}
		call := kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: mix, X: x.Act, Y: y.Act})
		defer call.Free()
		r := rand.New(rand.NewPCG(3, 9))
		for range rows {
			s := float32(math.Exp2(r.Float64()*17 - 15))
			step.F[0] = s
			for i := range x.buffer.F {
				if i%2 == 0 {
					x.buffer.F[i] = s * (r.Float32()*260 - 130)
				} else {
					v := s * (float32(r.IntN(256)-128) + 0.5)
					x.buffer.F[i] = math.Float32frombits(math.Float32bits(v) + uint32(r.IntN(5)) - 2)
				}
			}
			kernels.Run([]kernels.HostCall{call.Host()}, 0, 1, 1, nil)
			for i, v := range x.buffer.F {
				if code, _, _ := quantize(v, s, -128, 127); y.buffer.F[i] != s*code {
					t.Fatalf("x = %x, step = %x: %g, want %g", math.Float32bits(v), math.Float32bits(s), y.buffer.F[i], s*code)
				}
			}
		}
	})
}

// inverse is a^-1 modulo m, both odd or coprime.
func inverse(a, m int64) int64 {
	t, next, r, rest := int64(0), int64(1), m, a%m
	for rest != 0 {
		q := r / rest
		t, next, r, rest = next, t-q*next, rest, r-q*rest
	}
	return (t + m) % m
}

// midpointCases are the significands x of 24 bits for which x/s comes within about 5 parts in 2^24 of a unit in the last place
// of a midpoint between two floats: 2^e x = (2n+1) s + j with a small j != 0.
func midpointCases(s int64, found func(x int64)) {
	odd, even := s, int64(1)
	for odd%2 == 0 {
		odd, even = odd/2, even*2
	}
	for e := 24; e <= 25; e++ { // quotients in 1..2 and in 1/2..1
		inv := inverse((1<<e)%odd, odd)
		for j := int64(-10); j <= 10; j++ {
			if j == 0 || j%even != 0 {
				continue
			}
			x := inv * ((j%odd + odd) % odd) % odd
			x += ((1<<23 - x + odd - 1) / odd) * odd
			for ; x < 1<<24; x += odd {
				if n := x<<e - j; n%s == 0 && n/s%2 != 0 && (e == 24) == (x >= s) {
					found(x)
				}
			}
		}
	}
}

// Where the quotient nears a midpoint of two floats the product with the reciprocal could round to the wrong side.
func TestQuantizerDividesBesideMidpoints(t *testing.T) {
	var w, step []float32
	r := rand.New(rand.NewPCG(11, 4))
	for range 5000 {
		s := 1<<23 + 1 + r.Int64N(1<<23-1)
		scale := float32(math.Exp2(float64(r.IntN(17) - 38)))
		midpointCases(s, func(x int64) { w, step = append(w, float32(x)*scale), append(step, float32(s)*scale) })
	}
	if len(w) < 20_000 {
		t.Fatalf("only %d cases", len(w))
	}
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		k := len(w)
		one := newBuffer(t, k)
		for i := range one.F {
			one.F[i] = 1
		}
		partial := newBuffer(t, 2*k)
		mix := kernels.Mix{QMin: []float32{-128}, QMax: []float32{127}, Z: one.P, Step: bufferOf(t, step).P}
		runCall(kernels.MixWeightBackward(isa, kernels.MixWeightBackwardArgs{Mix: mix, W: bufferOf(t, w).P, DY: one.P, DW: newBuffer(t, k).P,
			Partial: partial.P, K: k, Len: 1, GradScale: one.P}), k, 1)
		for i := range w {
			code, v, _ := quantize(w[i], step[i], -128, 127)
			if partial.F[2*i+1] != code-v { // exact: v is within a factor 2 of its code
				t.Fatalf("x = %x, step = %x: quotient %x, want %x", math.Float32bits(w[i]), math.Float32bits(step[i]),
					math.Float32bits(code-partial.F[2*i+1]), math.Float32bits(v))
			}
		}
	})
}

func TestNaNStaysNaN(t *testing.T) {
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		nan := func() float32 { return float32(math.NaN()) }
		x, y := newTensor(t, 1, 1, 2, 19, 0, nan), newTensor(t, 1, 1, 2, 19, 0, zeros)
		lo, hi := ranges(false, 2, 4, 8)
		mix := kernels.Mix{QMin: lo, QMax: hi, Z: bufferOf(t, []float32{0, 1, 0}).P, Step: bufferOf(t, []float32{1, 1, 1}).P}
		runCall(kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: mix, X: x.Act, Y: y.Act}), 1, 1)
		a := newTensor(t, 1, 1, 2, 19, 0, zeros)
		runCall(kernels.NormApply(isa, kernels.NormApplyArgs{Y: y.Act, A: a.Act, ReLU: true}), 1, 1)
		for i := range y.inside() {
			if !math.IsNaN(float64(y.inside()[i])) || !math.IsNaN(float64(a.inside()[i])) {
				t.Fatalf("NaN became %g after the mix, %g after ReLU", y.inside()[i], a.inside()[i])
			}
		}
	})
}
