package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// normCase is a batch-norm unit: shape, sets, shortcut (channels of it; 0 none) and activation.
type normCase struct {
	n, h, w, c                 int
	border                     int // of every tensor that may have one
	sets, statSets             int
	shortcut, stride, offset   int
	relu, accumulate, unscaled bool
	limit                      float32 // of relu; 0: none
}

var normCases = []normCase{
	{n: 4, h: 3, w: 5, c: 16, sets: 1, statSets: 1, relu: true},
	{n: 5, h: 4, w: 4, c: 32, sets: 9, statSets: 9, shortcut: 32, stride: 1, relu: true, border: 1},
	{n: 4, h: 3, w: 2, c: 32, sets: 9, statSets: 9, shortcut: 16, stride: 2, offset: 8, relu: true, accumulate: true},
	{n: 4, h: 3, w: 4, c: 64, sets: 1, statSets: 1, shortcut: 32, stride: 2, offset: 16, relu: true, border: 2},
	{n: 3, h: 5, w: 7, c: 10, sets: 7, statSets: 1, shortcut: 5, stride: 2, offset: 2, relu: true},
	{n: 4, h: 1, w: 3, c: 3, sets: 4, statSets: 1, shortcut: 3, stride: 1, accumulate: true},
	{n: 3, h: 2, w: 2, c: 40, sets: 1, statSets: 1},
	{n: 4, h: 3, w: 3, c: 24, sets: 1, statSets: 1, shortcut: 24, stride: 1, relu: true, unscaled: true, border: 1},
	{n: 4, h: 3, w: 5, c: 21, sets: 1, statSets: 1, relu: true, limit: 0.8, border: 1},
	{n: 4, h: 3, w: 3, c: 24, sets: 1, statSets: 1, shortcut: 24, stride: 1, relu: true, unscaled: true, limit: 1.5},
}

// normRef is the unit in float64: everything a central difference needs.
type normRef struct {
	normCase
	y, short              []float64 // [n][h][w][c]; the shortcut as seen from the output
	v, gamma, beta        []float64
	mean, variance, a     []float64
	scale, shift, inverse []float64
}

const normEps = 1e-5

func dot(v, sets []float64, c, k int) (s float64) {
	for t := range v {
		s += v[t] * sets[t*c+k]
	}
	return s
}

// run fills in mean, variance and a.
func (r *normRef) run() {
	c, m := r.c, len(r.y)/r.c
	r.mean, r.variance, r.a = make([]float64, c), make([]float64, c), make([]float64, len(r.y))
	r.scale, r.shift, r.inverse = make([]float64, c), make([]float64, c), make([]float64, c)
	for k := range c {
		for i := k; i < len(r.y); i += c {
			r.mean[k] += r.y[i] / float64(m)
		}
		for i := k; i < len(r.y); i += c {
			r.variance[k] += (r.y[i] - r.mean[k]) * (r.y[i] - r.mean[k]) / float64(m)
		}
		r.inverse[k] = 1 / math.Sqrt(r.variance[k]+normEps)
		r.scale[k] = dot(r.v, r.gamma, c, k) * r.inverse[k]
		r.shift[k] = dot(r.v, r.beta, c, k) - r.mean[k]*r.scale[k]
		if r.unscaled {
			r.scale[k], r.shift[k] = 1, 0
		}
		for i := k; i < len(r.y); i += c {
			r.a[i] = r.scale[k]*r.y[i] + r.shift[k] + r.short[i]
			if r.relu {
				r.a[i] = math.Max(0, r.a[i])
			}
			if r.limit > 0 {
				r.a[i] = math.Min(r.a[i], float64(r.limit))
			}
		}
	}
}

// slope is the central difference of sum(weight*a) in *p.
func (r *normRef) slope(p *float64, weight []float32) float64 {
	const h = 1e-5
	old, out := *p, [2]float64{}
	for j, d := range []float64{h, -h} {
		*p = old + d
		r.run()
		for i, w := range weight {
			out[j] += float64(w) * r.a[i]
		}
	}
	*p = old
	return (out[0] - out[1]) / (2 * h)
}

func float64s(v []float32) []float64 {
	f := make([]float64, len(v))
	for i := range v {
		f[i] = float64(v[i])
	}
	return f
}

// normState is the unit in kernel memory.
type normState struct {
	normCase
	y, a, da, dy, short, dshort             tensor
	partial, v, gamma, beta, rm, rv         buffer
	mean, inv, scale, shift, momentum, grad buffer
	dgamma, dbeta, dv, coef                 buffer
}

func newNormState(t *testing.T, m normCase) *normState {
	s := &normState{normCase: m}
	s.y = newTensor(t, m.n, m.h, m.w, m.c, 0, normals(1, 2))
	s.a, s.da = newTensor(t, m.n, m.h, m.w, m.c, m.border, zeros), newTensor(t, m.n, m.h, m.w, m.c, m.border, normals(2, 1))
	s.dy = newTensor(t, m.n, m.h, m.w, m.c, m.border, normals(9, 1))
	if m.shortcut > 0 {
		s.short = newTensor(t, m.n, m.h*m.stride, m.w*m.stride, m.shortcut, m.border, normals(3, 1))
		s.dshort = newTensor(t, m.n, m.h*m.stride, m.w*m.stride, m.shortcut, m.border, normals(4, 1))
	}
	r := rand.New(rand.NewPCG(5, 5))
	uniform := func() float32 { return r.Float32() + 0.1 }
	s.v, s.gamma, s.beta = bufferOf(t, take(m.sets, uniform)), bufferOf(t, take(m.sets*m.c, normals(6, 1))), bufferOf(t, take(m.sets*m.c, normals(7, 1)))
	s.rm, s.rv = bufferOf(t, take(m.statSets*m.c, normals(8, 1))), bufferOf(t, take(m.statSets*m.c, uniform))
	s.partial, s.coef = newBuffer(t, m.n*2*m.c), newBuffer(t, 3*m.c)
	s.mean, s.inv, s.scale, s.shift = newBuffer(t, m.c), newBuffer(t, m.c), newBuffer(t, m.c), newBuffer(t, m.c)
	s.momentum, s.grad = bufferOf(t, []float32{0.1}), bufferOf(t, []float32{0.5})
	s.dgamma, s.dbeta, s.dv = newBuffer(t, m.sets*m.c), newBuffer(t, m.sets*m.c), newBuffer(t, m.sets)
	return s
}

func (s *normState) ref() *normRef {
	r := &normRef{normCase: s.normCase, y: float64s(s.y.inside()), v: float64s(s.v.F), gamma: float64s(s.gamma.F), beta: float64s(s.beta.F)}
	s.a.each(func(_ *float32, i, p, q, k int) {
		v := 0.0
		if from := k - s.offset; s.shortcut > 0 && from >= 0 && from < s.shortcut {
			v = float64(*s.short.at(i, p*s.stride, q*s.stride, from))
		}
		r.short = append(r.short, v)
	})
	r.run()
	return r
}

func (s *normState) forward(isa kernels.ISA, block int) {
	apply := kernels.NormApplyArgs{Y: s.y.Act, A: s.a.Act, ReLU: s.relu, Cap: s.limit, Shortcut: kernels.Shortcut{T: s.short.Act, Stride: s.stride, Offset: s.offset}}
	if !s.unscaled {
		runCall(kernels.NormStats(isa, kernels.NormStatsArgs{Y: s.y.Act, Partial: s.partial.P}), s.n, block)
		runCall(kernels.NormCombine(kernels.NormCombineArgs{N: s.n, HW: s.h * s.w, C: s.c, Sets: s.sets, StatSets: s.statSets, Partial: s.partial.P,
			V: s.v.P, Gamma: s.gamma.P, Beta: s.beta.P, RunningMean: s.rm.P, RunningVar: s.rv.P, Momentum: s.momentum.P,
			Mean: s.mean.P, Inv: s.inv.P, Scale: s.scale.P, Shift: s.shift.P, Eps: normEps}), 1, 1)
		apply.Scale, apply.Shift = s.scale.P, s.shift.P
	}
	runCall(kernels.NormApply(isa, apply), s.n, block)
}

func (s *normState) backward(isa kernels.ISA, block int) {
	reduce := kernels.NormBackwardReduceArgs{DA: s.da.Act, A: s.a.Act, ReLU: s.relu, Cap: s.limit, ShortcutAccumulate: s.accumulate,
		DShortcut: kernels.Shortcut{T: s.dshort.Act, Stride: s.stride, Offset: s.offset}}
	if !s.unscaled {
		reduce.Y, reduce.Mean, reduce.Inv, reduce.Partial = s.y.Act, s.mean.P, s.inv.P, s.partial.P
	}
	runCall(kernels.NormBackwardReduce(isa, reduce), s.n, block)
	if s.unscaled {
		return
	}
	runCall(kernels.NormBackwardCombine(kernels.NormBackwardCombineArgs{N: s.n, HW: s.h * s.w, C: s.c, Sets: s.sets, Partial: s.partial.P,
		V: s.v.P, Gamma: s.gamma.P, Beta: s.beta.P, Mean: s.mean.P, Inv: s.inv.P, Scale: s.scale.P, GradScale: s.grad.P,
		DGamma: s.dgamma.P, DBeta: s.dbeta.P, DV: s.dv.P, Coef: s.coef.P}), 1, 1)
	runCall(kernels.NormBackwardApply(isa, kernels.NormBackwardApplyArgs{D: s.da.Act, Y: s.y.Act, DY: s.dy.Act, Coef: s.coef.P}), s.n, block)
}

func TestNorm(t *testing.T) {
	for _, m := range normCases {
		t.Run(fmt.Sprintf("%+v", m), func(t *testing.T) {
			sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
				s := newNormState(t, m)
				weight, rm, rv := s.da.inside(), append([]float32{}, s.rm.F...), append([]float32{}, s.rv.F...)
				var dshort []float32
				if m.shortcut > 0 {
					dshort = s.dshort.inside()
				}
				s.forward(isa, block)
				s.backward(isa, block)
				r := s.ref()
				near(t, "a", s.a.inside(), r.a, 1e-5)
				checkMasked(t, s, r, weight, dshort)
				if m.unscaled {
					return append(s.a.inside(), s.dshort.inside()...)
				}
				near(t, "mean", s.mean.F, r.mean, 1e-6)
				near(t, "inv", s.inv.F, r.inverse, 1e-6)
				near(t, "scale", s.scale.F, r.scale, 1e-5)
				checkRunning(t, s, r, rm, rv)
				checkNormGradients(t, s, r, weight)
				return append(append(append(s.a.inside(), s.dy.inside()...), s.dgamma.F...), s.rm.F...)
			})
		})
	}
}

// checkMasked looks at d and at the gradient of the shortcut.
func checkMasked(t *testing.T, s *normState, r *normRef, weight, before []float32) {
	var d []float64
	for i, w := range weight {
		if r.relu && r.a[i] <= 0 || r.limit > 0 && r.a[i] >= float64(r.limit) {
			w = 0
		}
		d = append(d, float64(w))
	}
	near(t, "d", s.da.inside(), d, 0)
	if s.shortcut == 0 {
		return
	}
	want, j := make([]float64, len(before)), 0
	s.dshort.each(func(_ *float32, i, p, q, k int) {
		if s.accumulate {
			want[j] = float64(before[j])
		}
		if p%s.stride == 0 && q%s.stride == 0 && k+s.offset < s.c {
			want[j] += d[((i*s.h+p/s.stride)*s.w+q/s.stride)*s.c+k+s.offset]
		}
		j++
	})
	near(t, "dshortcut", s.dshort.inside(), want, 1e-6)
}

func checkRunning(t *testing.T, s *normState, r *normRef, rm, rv []float32) {
	m := float64(s.n * s.h * s.w)
	var wantMean, wantVar []float64
	for set := range s.statSets {
		v := 0.1
		if s.statSets > 1 {
			v *= r.v[set]
		}
		for k := range s.c {
			i := set*s.c + k
			wantMean = append(wantMean, float64(rm[i])+v*(r.mean[k]-float64(rm[i])))
			wantVar = append(wantVar, float64(rv[i])+v*(r.variance[k]*m/(m-1)-float64(rv[i])))
		}
	}
	near(t, "running mean", s.rm.F, wantMean, 1e-6)
	near(t, "running variance", s.rv.F, wantVar, 1e-6)
}

// checkNormGradients compares with central differences at every v, and at some of the other values.
func checkNormGradients(t *testing.T, s *normState, r *normRef, weight []float32) {
	const gradScale = 0.5
	check := func(what string, got []float32, p []float64, scale float64, every int) {
		for i := 0; i < len(p); i += every {
			near(t, fmt.Sprintf("%s at %d", what, i), got[i:i+1], []float64{scale * r.slope(&p[i], weight)}, 2e-3)
		}
	}
	check("dv", s.dv.F, r.v, 1, 1)
	check("dgamma", s.dgamma.F, r.gamma, gradScale, 1+len(r.gamma)/13)
	check("dbeta", s.dbeta.F, r.beta, gradScale, 1+len(r.beta)/13)
	check("dy", s.dy.inside(), r.y, 1, 1+len(r.y)/41)
}

func TestNormEval(t *testing.T) {
	const c = 5
	for _, statSets := range []int{1, 3} {
		v := []float32{0.5, 0.3, 0.2}
		set := 0
		if statSets > 1 {
			v, set = []float32{0, 0, 1}, 2
		}
		gamma, beta := bufferOf(t, take(3*c, normals(1, 1))), bufferOf(t, take(3*c, normals(2, 1)))
		mean, variance := bufferOf(t, take(statSets*c, normals(3, 1))), bufferOf(t, take(statSets*c, rand.New(rand.NewPCG(1, 1)).Float32))
		scale, shift := newBuffer(t, c), newBuffer(t, c)
		runCall(kernels.NormEval(kernels.NormEvalArgs{C: c, Sets: 3, StatSets: statSets, V: bufferOf(t, v).P, Gamma: gamma.P, Beta: beta.P,
			RunningMean: mean.P, RunningVar: variance.P, Scale: scale.P, Shift: shift.P, Eps: normEps}), 1, 1)
		var wantScale, wantShift []float64
		for k := range c {
			a := dot(float64s(v), float64s(gamma.F), c, k) / math.Sqrt(float64(variance.F[set*c+k])+normEps)
			wantScale = append(wantScale, a)
			wantShift = append(wantShift, dot(float64s(v), float64s(beta.F), c, k)-a*float64(mean.F[set*c+k]))
		}
		near(t, "scale", scale.F, wantScale, 1e-6)
		near(t, "shift", shift.F, wantShift, 1e-6)
	}
}

func TestNormRefusesWrongShapes(t *testing.T) {
	defer func() {
		want := "norm apply: shapes differ: 2x3x4 and 2x3x5"
		if got := recover(); got != want {
			t.Errorf("panic %v, want %s", got, want)
		}
	}()
	kernels.NormApply(kernels.Portable, kernels.NormApplyArgs{Y: kernels.Act{H: 2, W: 3, C: 4}, A: kernels.Act{H: 2, W: 3, C: 5}})
}
