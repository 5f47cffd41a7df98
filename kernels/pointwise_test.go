package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

var activationKinds = map[string]kernels.ActivationKind{"clip": kernels.ActClip, "relu6": kernels.ActClip, "leaky relu": kernels.ActLeaky,
	"prelu": kernels.ActPReLU, "hard sigmoid": kernels.ActHardSigmoid, "hard swish": kernels.ActHardSwish, "sigmoid": kernels.ActSigmoid,
	"silu": kernels.ActSiLU, "tanh": kernels.ActTanh}

// Values, gradients and the gradients of PReLU's slopes are PyTorch's.
func TestGoldenActivations(t *testing.T) {
	g := readGolden(t, "pointwise")
	var cases []struct {
		Name        string
		Alpha, Beta float32
	}
	g.decodeCases(&cases)
	if len(cases) != len(activationKinds) {
		t.Fatalf("%d goldens, want %d", len(cases), len(activationKinds))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			f := kernels.Activation{Kind: activationKinds[c.Name], Alpha: c.Alpha, Beta: c.Beta}
			if f.Kind == kernels.ActPReLU {
				f.Slope = bufferOf(t, g.data["slope"]).P
			}
			n, channels := g.shapes["x"][0], g.shapes["x"][3]
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				x, y, dy, dx := g.act(t, "x", 1), g.empty(t, "x", 2), g.act(t, "dy", 0), g.empty(t, "x", 1)
				runCall(kernels.ActivateForward(isa, kernels.ActivateForwardArgs{Activation: f, X: x.Act, Y: y.Act}), n, block)
				near(t, "y", y.inside(), g.want(c.Name+".y"), 3e-7)
				a := kernels.ActivateBackwardArgs{Activation: f, X: x.Act, DY: dy.Act, DX: dx.Act}
				partial := newBuffer(t, n*channels)
				if f.Kind == kernels.ActPReLU {
					a.Partial = partial.P
				}
				runCall(kernels.ActivateBackward(isa, a), n, block)
				near(t, "dx", dx.inside(), g.want(c.Name+".dx"), 1e-6)
				if f.Kind == kernels.ActPReLU {
					slopes := make([]float32, channels)
					for i, v := range partial.F {
						slopes[i%channels] += v
					}
					near(t, "dslope", slopes, g.want(c.Name+".dslope"), 1e-6)
				}
				return append(append(y.inside(), dx.inside()...), partial.F...)
			})
		})
	}
}

// Rows longer than a vector, in place and added, against the functions in float64.
func TestActivateInPlaceAndAdded(t *testing.T) {
	functions := []struct {
		f     kernels.Activation
		value func(x float64, k int) float64
		slope func(x float64, k int) float64
	}{
		{kernels.Activation{Kind: kernels.ActPReLU}, func(x float64, k int) float64 { return max(x, float64(k)/64*x) },
			func(x float64, k int) float64 { return map[bool]float64{true: 1, false: float64(k) / 64}[x > 0] }},
		{kernels.Activation{Kind: kernels.ActClip, Beta: 1.5}, func(x float64, k int) float64 { return min(max(x, 0), 1.5) },
			func(x float64, k int) float64 { return map[bool]float64{true: 1}[x > 0 && x < 1.5] }},
		{kernels.Activation{Kind: kernels.ActSiLU}, func(x float64, k int) float64 { return x / (1 + math.Exp(-x)) },
			func(x float64, k int) float64 { s := 1 / (1 + math.Exp(-x)); return s * (1 + x*(1-s)) }},
	}
	for _, s := range [][5]int{{3, 3, 5, 1, 1}, {2, 2, 7, 19, 0}, {4, 1, 1, 40, 2}} {
		for _, fn := range functions {
			t.Run(fmt.Sprint(fn.f.Kind, s), func(t *testing.T) {
				n, h, w, c := s[0], s[1], s[2], s[3]
				if fn.f.Kind == kernels.ActPReLU {
					slope := newBuffer(t, c)
					for k := range slope.F {
						slope.F[k] = float32(k) / 64
					}
					fn.f.Slope = slope.P
				}
				sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
					x, dy, dx := newTensor(t, n, h, w, c, s[4], normals(1, 2)), newTensor(t, n, h, w, c, 0, normals(2, 1)), newTensor(t, n, h, w, c, 1, normals(3, 1))
					var y, added, own []float64
					x.each(func(v *float32, i, p, q, k int) {
						d := float64(*dy.at(i, p, q, k)) * fn.slope(float64(*v), k)
						y, own, added = append(y, fn.value(float64(*v), k)), append(own, d), append(added, float64(*dx.at(i, p, q, k))+d)
					})
					back := kernels.ActivateBackwardArgs{Activation: fn.f, X: x.Act, DY: dy.Act, DX: dx.Act, Accumulate: true}
					runCall(kernels.ActivateBackward(isa, back), n, block)
					near(t, "dx added to", dx.inside(), added, 1e-6)
					back.DX, back.Accumulate = dy.Act, false
					runCall(kernels.ActivateBackward(isa, back), n, block)
					near(t, "dx in place of dy", dy.inside(), own, 1e-6)
					runCall(kernels.ActivateForward(isa, kernels.ActivateForwardArgs{Activation: fn.f, X: x.Act, Y: x.Act}), n, block)
					near(t, "y in place", x.inside(), y, 1e-6)
					return append(append(x.inside(), dx.inside()...), dy.inside()...)
				})
			})
		}
	}
}

// A NaN is seen behind every function, and an infinity behind none that ends.
func TestActivationsOfNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		for name, kind := range activationKinds {
			x := newTensor(t, 1, 1, 1, 4, 0, zeros)
			x.fill([]float32{nan, inf, -inf, -200})
			f := kernels.Activation{Kind: kind, Alpha: 0.125, Beta: 0.5}
			if kind == kernels.ActPReLU {
				f.Slope = bufferOf(t, []float32{1, 1, 0.5, 0.5}).P
			}
			runCall(kernels.ActivateForward(isa, kernels.ActivateForwardArgs{Activation: f, X: x.Act, Y: x.Act}), 1, 1)
			v := x.inside()
			if v[0] == v[0] || v[1] != v[1] || v[3] != v[3] {
				t.Errorf("%s of NaN, inf, -inf and -200: %v", name, v)
			}
		}
	})
}

// Products, their gradients, and sums over pixels, with a second factor of the same size or of one pixel.
func TestMultiply(t *testing.T) {
	for _, s := range [][4]int{{3, 3, 5, 1}, {2, 4, 3, 21}, {4, 2, 2, 48}} {
		for _, one := range []bool{false, true} {
			t.Run(fmt.Sprint(s, one), func(t *testing.T) {
				n, h, w, c := s[0], s[1], s[2], s[3]
				bh, bw := h, w
				if one {
					bh, bw = 1, 1
				}
				sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
					a, b := newTensor(t, n, h, w, c, 1, normals(1, 1)), newTensor(t, n, bh, bw, c, 2, normals(2, 1))
					y, added, sum := newTensor(t, n, h, w, c, 0, normals(3, 1)), newTensor(t, n, h, w, c, 1, normals(4, 1)), newTensor(t, n, 1, 1, c, 1, normals(5, 1))
					var want, wantAdded []float64
					wantSum := float64s(sum.inside())
					a.each(func(v *float32, i, p, q, k int) {
						product := float64(*v) * float64(*b.at(i, p%bh, q%bw, k))
						want, wantAdded = append(want, product), append(wantAdded, product+float64(*added.at(i, p, q, k)))
						wantSum[i*c+k] += float64(*v) * float64(*y.at(i, p, q, k))
					})
					runCall(kernels.MultiplySum(isa, kernels.MultiplyArgs{A: a.Act, B: y.Act, Y: sum.Act, Accumulate: true}), n, block)
					near(t, "sum", sum.inside(), wantSum, 1e-6)
					runCall(kernels.MultiplySum(isa, kernels.MultiplyArgs{A: a.Act, B: y.Act, Y: sum.Act}), n, block)
					runCall(kernels.Multiply(isa, kernels.MultiplyArgs{A: a.Act, B: b.Act, Y: added.Act, Accumulate: true}), n, block)
					near(t, "added", added.inside(), wantAdded, 1e-6)
					runCall(kernels.Multiply(isa, kernels.MultiplyArgs{A: a.Act, B: b.Act, Y: y.Act}), n, block)
					near(t, "y", y.inside(), want, 1e-6)
					return append(append(y.inside(), added.inside()...), sum.inside()...)
				})
			})
		}
	}
}

func TestGoldenMultiply(t *testing.T) {
	g := readGolden(t, "pointwise")
	n := g.shapes["x"][0]
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		a, b, dy := g.act(t, "x", 1), g.act(t, "gate", 0), g.act(t, "dy", 0)
		y, da, db := g.empty(t, "x", 0), g.empty(t, "x", 1), g.empty(t, "gate", 0)
		runCall(kernels.Multiply(isa, kernels.MultiplyArgs{A: a.Act, B: b.Act, Y: y.Act}), n, 1)
		runCall(kernels.Multiply(isa, kernels.MultiplyArgs{A: dy.Act, B: b.Act, Y: da.Act}), n, 1)
		runCall(kernels.MultiplySum(isa, kernels.MultiplyArgs{A: dy.Act, B: a.Act, Y: db.Act}), n, 1)
		near(t, "y", y.inside(), g.want("multiply.y"), 1e-6)
		near(t, "da", da.inside(), g.want("multiply.da"), 1e-6)
		near(t, "db", db.inside(), g.want("multiply.db"), 1e-6)
	})
}

func TestPointwiseRefusesWrongArguments(t *testing.T) {
	x, small := kernels.Act{H: 2, W: 3, C: 4}, kernels.Act{H: 1, W: 3, C: 4}
	for want, f := range map[string]func(){
		"multiply: shapes differ: 2x3x4 and 1x3x4": func() { kernels.Multiply(kernels.Portable, kernels.MultiplyArgs{A: x, B: small, Y: x}) },
		"activate: slopes are for PReLU, which needs them": func() {
			kernels.ActivateForward(kernels.Portable, kernels.ActivateForwardArgs{Activation: kernels.Activation{Kind: kernels.ActPReLU}, X: x, Y: x})
		},
		"pixel loss: shapes differ: 2x3x4 and 1x3x4": func() { kernels.PixelLoss(kernels.PixelLossArgs{Y: x, Target: small}) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic %v, want %s", got, want)
				}
			}()
			f()
		}()
	}
}
