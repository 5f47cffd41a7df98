package kernels_test

import (
	"math"
	"testing"

	"vimps-gpu/kernels"
)

var elementaryCases = []struct {
	name    string
	op      kernels.ElementaryOp
	f       func(float64) float64
	maxULPs float64
}{
	{"exp", kernels.Exp, math.Exp, 1},
	{"log", kernels.Log, math.Log, 1},
	{"tanh", kernels.Tanh, math.Tanh, 2},
}

// ulpsOff is the distance of got from want in units of the last place of a float32 at want.
func ulpsOff(got float32, want float64) float64 {
	if w := float32(want); math.IsNaN(want) || math.IsInf(float64(w), 0) || w == 0 {
		if got == w || got != got && w != w {
			return 0
		}
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

func TestElementaryAccuracy(t *testing.T) {
	const n, stride = 1 << 20, 4093 // every 4093rd of the 2^32 floats: all signs, exponents, NaNs, subnormals
	x, y := newWords(t, make([]float32, n)...), newWords(t, make([]float32, n)...)
	for i := range x.v {
		x.v[i] = math.Float32frombits(uint32(i * stride))
	}
	for _, f := range elementaryCases {
		runCall(kernels.Elementary(kernels.ElementaryArgs{Op: f.op, X: x.p, Y: y.p}), n, 1)
		worst, at := 0.0, float32(0)
		for i, got := range y.v {
			if u := ulpsOff(got, f.f(float64(x.v[i]))); !(u <= worst) {
				worst, at = u, x.v[i]
			}
		}
		t.Logf("%s: at most %.3f ulp, at %g", f.name, worst, at)
		if !(worst <= f.maxULPs) {
			t.Errorf("%s(%g) is %.3f ulp off, want at most %g", f.name, at, worst, f.maxULPs)
		}
	}
}

func TestElementarySpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	minus0, tiny := math.Float32frombits(1<<31), math.Float32frombits(1)
	cases := []struct {
		op      kernels.ElementaryOp
		x, want float32
	}{
		{kernels.Exp, 0, 1}, {kernels.Exp, minus0, 1}, {kernels.Exp, inf, inf}, {kernels.Exp, -inf, 0}, {kernels.Exp, nan, nan},
		{kernels.Exp, 88.72284, inf}, {kernels.Exp, 1e38, inf},
		{kernels.Exp, -103.97, tiny}, {kernels.Exp, -103.98, 0}, {kernels.Exp, -1e38, 0},
		{kernels.Log, 1, 0}, {kernels.Log, 0, -inf}, {kernels.Log, minus0, -inf}, {kernels.Log, inf, inf}, {kernels.Log, -1, nan},
		{kernels.Log, -inf, nan}, {kernels.Log, nan, nan}, {kernels.Log, tiny, -103.27893},
		{kernels.Tanh, 0, 0}, {kernels.Tanh, minus0, minus0}, {kernels.Tanh, inf, 1}, {kernels.Tanh, -inf, -1}, {kernels.Tanh, nan, nan},
		{kernels.Tanh, tiny, tiny}, {kernels.Tanh, -tiny, -tiny}, {kernels.Tanh, 50, 1}, {kernels.Tanh, -50, -1},
	}
	for _, c := range cases {
		x, y := newWords(t, c.x), newWords[float32](t, 7)
		runCall(kernels.Elementary(kernels.ElementaryArgs{Op: c.op, X: x.p, Y: y.p}), 1, 1)
		if got := y.v[0]; math.Float32bits(got) != math.Float32bits(c.want) && !(got != got && c.want != c.want) {
			t.Errorf("op %d of %g is %g, want %g", c.op, c.x, got, c.want)
		}
	}
}
