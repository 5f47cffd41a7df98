package kernels_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

const optimizerSteps = 5

// optimizerRun makes steps with fresh random gradients and returns p, m, v after the last. step binds the
// call; block is the number of units a kernel call gets at once.
func optimizerRun(t *testing.T, p []float32, block int, step func(p, g, m, v, lr, bias kernels.Ptr) kernels.Call) [3][]float32 {
	t.Helper()
	n := len(p)
	pw, g := newWords(t, p...), newWords(t, make([]float32, n)...)
	m, v := newWords(t, make([]float32, n)...), newWords(t, make([]float32, n)...)
	lr, bias := newWords[float32](t, 0), newWords[float32](t, 0, 0)
	call := step(pw.p, g.p, m.p, v.p, lr.p, bias.p)
	defer call.Free()
	for s := 1; s <= optimizerSteps; s++ {
		copy(g.v, optimizerGradients(s, n))
		lr.v[0] = optimizerRate(s)
		bias.v[0], bias.v[1] = float32(1-math.Pow(0.9, float64(s))), float32(1-math.Pow(0.999, float64(s)))
		kernels.Run([]kernels.HostCall{call.Host()}, 0, kernels.OptimizerUnits(n), block, nil)
		if i := slices.IndexFunc(g.v, func(f float32) bool { return f != 0 }); i >= 0 {
			t.Fatalf("gradient %d is %g after a step, want 0", i, g.v[i])
		}
	}
	return [3][]float32{slices.Clone(pw.v), slices.Clone(m.v), slices.Clone(v.v)}
}

func optimizerRate(step int) float32 { return 0.05 / float32(step) }

func optimizerGradients(step, n int) []float32 {
	return gaussians(rand.New(rand.NewPCG(uint64(step), 9)), n, 0.5)
}

func optimizerStart(n int) []float32 {
	p := gaussians(rand.New(rand.NewPCG(10, 11)), n, 0.3)
	for i := range p {
		p[i] = float32(math.Abs(float64(p[i]))) + 1e-3
	}
	return p
}

func TestSGD(t *testing.T) {
	for _, n := range []int{1, 16, 17, 4096, 3*4096 + 13} {
		p := optimizerStart(n)
		wantP, wantM := float64s(p), make([]float64, n)
		for s := 1; s <= optimizerSteps; s++ {
			for i, g := range optimizerGradients(s, n) {
				wantM[i] = float64(float32(0.9))*wantM[i] + float64(g) + float64(float32(1e-2))*wantP[i]
				wantP[i] -= float64(optimizerRate(s)) * wantM[i]
			}
		}
		var wide [][]float32
		for _, isa := range supportedISAs() {
			sgd := func(p, g, m, _, lr, _ kernels.Ptr) kernels.Call {
				return kernels.SGD(isa, kernels.SGDArgs{P: p, G: g, M: m, Len: n, LR: lr, Momentum: 0.9, Decay: 1e-2})
			}
			got := optimizerRun(t, p, 1, sgd)
			near(t, isa.String()+" p", got[0], wantP, 1e-6)
			near(t, isa.String()+" m", got[1], wantM, 1e-6)
			if whole := optimizerRun(t, p, 100, sgd); !slices.Equal(whole[0], got[0]) {
				t.Errorf("%v n=%d: unit by unit and all at once differ", isa, n)
			}
			if isa != kernels.Portable {
				wide = append(wide, got[0])
			}
		}
		if len(wide) == 2 && !slices.Equal(wide[0], wide[1]) {
			t.Errorf("n=%d: AVX2 and AVX-512 differ", n)
		}
	}
}

// adam64 is the float64 reference; logarithmic takes the step on ln p.
func adam64(p []float64, eps float64, logarithmic bool) (m, v []float64) {
	const beta1, beta2 = 0.9, 0.999
	m, v = make([]float64, len(p)), make([]float64, len(p))
	for s := 1; s <= optimizerSteps; s++ {
		lr := float64(optimizerRate(s))
		for i, g32 := range optimizerGradients(s, len(p)) {
			g := float64(g32)
			if logarithmic {
				g *= p[i]
			}
			m[i] = beta1*m[i] + (1-beta1)*g
			v[i] = beta2*v[i] + (1-beta2)*g*g
			d := lr * m[i] / (1 - math.Pow(beta1, float64(s))) / (math.Sqrt(v[i]/(1-math.Pow(beta2, float64(s)))) + eps)
			if logarithmic {
				p[i] = max(1e-6, math.Exp(math.Log(p[i])-d))
			} else {
				p[i] -= d
			}
		}
	}
	return m, v
}

func TestAdam(t *testing.T) {
	for _, logarithmic := range []bool{false, true} {
		for _, n := range []int{1, 17, 4096, 2*4096 + 5} {
			p := optimizerStart(n)
			p[0] = 1e-6 // at the clamp
			want := float64s(p)
			m, v := adam64(want, float64(float32(1e-8)), logarithmic)
			bind := func(p, g, m, v, lr, bias kernels.Ptr) kernels.Call {
				a := kernels.AdamArgs{P: p, G: g, M: m, V: v, Len: n, LR: lr, Bias: bias, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
				if logarithmic {
					return kernels.LogAdam(a)
				}
				return kernels.Adam(a)
			}
			got := optimizerRun(t, p, 1, bind)
			near(t, "p", got[0], want, 2e-6)
			near(t, "m", got[1], m, 1e-6)
			near(t, "v", got[2], v, 1e-6)
			if whole := optimizerRun(t, p, 100, bind); !slices.Equal(whole[0], got[0]) {
				t.Errorf("n=%d: unit by unit and all at once differ", n)
			}
		}
	}
}

// A step is invariant to the scale of the gradient and relative to p, and a step size stays positive.
func TestLogAdamIsRelative(t *testing.T) {
	p, g := newWords[float32](t, 1e-3, 1, 1e3, 1e-6, float32(math.NaN())), newWords[float32](t, 5, 1e-3, -1e-6, 1, 1)
	m, v := newWords(t, make([]float32, 5)...), newWords(t, make([]float32, 5)...)
	lr, bias := newWords[float32](t, 0.01), newWords[float32](t, 0.1, 0.01)
	runCall(kernels.LogAdam(kernels.AdamArgs{P: p.p, G: g.p, M: m.p, V: v.p, Len: 5, LR: lr.p, Bias: bias.p, Beta1: 0.9, Beta2: 0.99, Eps: 1e-12}), 1, 1)
	for i, want := range []float64{1e-3 * math.Exp(-0.01), math.Exp(-0.01), 1e3 * math.Exp(0.01), 1e-6} {
		if math.Abs(float64(p.v[i])/want-1) > 1e-6 {
			t.Errorf("entry %d: %g, want %g", i, p.v[i], want)
		}
	}
	if p.v[4] == p.v[4] {
		t.Errorf("a NaN became %g: it must stay visible", p.v[4])
	}
}
