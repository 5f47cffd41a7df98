package kernels_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// cost64 is the expected cost; a gate of -1 is pinned.
func cost64(pi []float64, bits []int32, weightGate, inputGate []int32, table []float32) (e float64) {
	options := func(gate int32) []float64 {
		if gate < 0 {
			return []float64{1}
		}
		return pi[gate*row : gate*row+bits[gate]]
	}
	for l := range weightGate {
		for i, p := range options(weightGate[l]) {
			for j, q := range options(inputGate[l]) {
				e += p * q * float64(table[(l*row+i)*row+j])
			}
		}
	}
	return e
}

func TestExpectedCost(t *testing.T) {
	r := rand.New(rand.NewPCG(24, 25))
	// Gate 2 is shared by two layers, one layer has pinned both.
	weightGate, inputGate := []int32{0, -1, 2, -1, 2}, []int32{1, 2, -1, -1, 3}
	table := gaussians(r, 5*row*row, 1)
	s := newGateSet(t, gateBits, kernels.GateSoftmax, 1, 0, 0, 0, 0)
	s.set(s.logits, gaussians(r, countBits(gateBits), 1))
	s.set(s.dpi, gaussians(r, countBits(gateBits), 1))
	s.sample()
	start, pi := float64s(s.dpi.v), float64s(s.pi.v)
	cost, weight := newWords[float32](t, -1), newWords[float32](t, 2.5)
	runCall(kernels.ExpectedCost(kernels.CostArgs{Layers: 5, WeightGate: newWords(t, weightGate...).p, InputGate: newWords(t, inputGate...).p,
		Bits: s.bits.p, Table: newWords(t, table...).p, Pi: s.pi.p, DPi: s.dpi.p, Cost: cost.p, Weight: weight.p}), 1, 1)
	value := func() float64 { return cost64(pi, gateBits, weightGate, inputGate, table) }
	near(t, "cost", cost.v, []float64{value()}, 1e-6)
	want := centralDifference(value, pi)
	for i := range want {
		want[i] = start[i] + 2.5*want[i]
	}
	near(t, "dpi", s.dpi.v, want, 2e-6)
}

func TestPrior(t *testing.T) {
	r := rand.New(rand.NewPCG(26, 27))
	n := countBits(gateBits)
	for _, kind := range []kernels.PriorKind{kernels.PriorNone, kernels.PriorEntropy, kernels.PriorKL} {
		s := newGateSet(t, gateBits, kernels.GateSoftmax, 1, 0, 0, 0, 0)
		s.set(s.logits, gaussians(r, n, 1))
		s.set(s.dpi, gaussians(r, n, 1))
		s.sample()
		start, tilt := slices.Clone(s.dpi.v), gaussians(r, len(gateBits)*row, 2)
		value, entropy, weight := newWords[float32](t, -1), newWords[float32](t, -1), newWords[float32](t, 0.3)
		runCall(kernels.Prior(kernels.PriorArgs{Gates: len(gateBits), Prior: kind, Bits: s.bits.p, Pi: s.pi.p, LogP: s.logp.p,
			Tilt: newWords(t, tilt...).p, DPi: s.dpi.p, Value: value.p, Entropy: entropy.p, Weight: weight.p}), 1, 1)
		wantValue, wantEntropy := 0.0, 0.0
		for g, b := range gateBits {
			at, to := g*row, g*row+int(b)
			pi, logq := float64s(s.pi.v[at:to]), make([]float64, b)
			if kind == kernels.PriorKL {
				logq = logSoftmax64(float64s(tilt[at:to]))
			}
			divergence := func() (sum float64) {
				for i, p := range pi {
					sum += p * (math.Log(p) - logq[i])
				}
				return sum
			}
			want := make([]float64, b)
			if kind != kernels.PriorNone {
				wantValue += divergence()
				want = centralDifference(divergence, pi)
			}
			for i := range want {
				want[i] = float64(start[at+i]) + float64(float32(0.3))*want[i]
				wantEntropy -= pi[i] * math.Log(pi[i])
			}
			near(t, "dpi", s.dpi.v[at:to], want, 2e-6)
		}
		wantUntouched(t, "dpi", s.dpi.v, gateBits, 777)
		near(t, "value", value.v, []float64{wantValue}, 2e-6)
		near(t, "entropy", entropy.v, []float64{wantEntropy}, 2e-6)
	}
}

// A pi that underflows to 0 must not give NaN, neither in the value nor after the softmax Jacobian.
func TestPriorWherePiIsZero(t *testing.T) {
	s := newGateSet(t, []int32{3}, kernels.GateSoftmax, 1, 0, 0, 0, 0)
	s.set(s.logits, []float32{0, -300, 2})
	s.set(s.dz, []float32{0, 0, 0})
	s.set(s.dpi, []float32{0, 0, 0})
	s.sample()
	value, entropy, weight := newWords[float32](t, -1), newWords[float32](t, -1), newWords[float32](t, 1)
	runCall(kernels.Prior(kernels.PriorArgs{Gates: 1, Prior: kernels.PriorEntropy, Bits: s.bits.p, Pi: s.pi.p, LogP: s.logp.p,
		DPi: s.dpi.p, Value: value.p, Entropy: entropy.p, Weight: weight.p}), 1, 1)
	s.grad()
	p := 1 / (1 + math.Exp(2))
	h := -p*math.Log(p) - (1-p)*math.Log(1-p)
	near(t, "entropy", entropy.v, []float64{h}, 1e-6)
	near(t, "value", value.v, []float64{-h}, 1e-6)
	near(t, "dlogits", s.dlogits.v[:3], []float64{p * (math.Log(p) + h), 0, (1 - p) * (math.Log(1-p) + h)}, 1e-6)
}

func TestNormCoef(t *testing.T) {
	r := rand.New(rand.NewPCG(28, 29))
	const u = -0.6
	coefficients := func(kind kernels.NormKind, zw, zx []float64) []float64 { // nil: pinned
		switch kind {
		case kernels.NormPair:
			if zw == nil {
				zw = []float64{1}
			}
			if zx == nil {
				zx = []float64{1}
			}
			var v []float64
			for _, a := range zw {
				for _, b := range zx {
					v = append(v, a*b)
				}
			}
			return v
		case kernels.NormGate:
			return slices.Concat([]float64{1}, zw, zx)
		case kernels.NormEta:
			x := float64(float32(u))
			return []float64{1, x, x * x, x * x * x}
		}
		return []float64{1}
	}
	for kind := kernels.NormPlain; kind <= kernels.NormEta; kind++ {
		for _, bits := range [][2]int{{3, 2}, {8, 8}, {1, 3}, {4, 1}, {1, 1}} {
			gate := func(n int) (p, dp kernels.Ptr, z, start []float64, dz []float32) {
				if n == 1 {
					return nil, nil, nil, nil, nil
				}
				w, d := newWords(t, gaussians(r, n, 1)...), newWords(t, gaussians(r, n, 1)...)
				return w.p, d.p, float64s(w.v), float64s(d.v), d.v
			}
			zw, dzw, wantW, startW, gotW := gate(bits[0])
			zx, dzx, wantX, startX, gotX := gate(bits[1])
			want := coefficients(kind, wantW, wantX)
			if n := kind.Sets(bits[0], bits[1]); n != len(want) {
				t.Fatalf("kind %d, %v: %d sets, want %d", kind, bits, n, len(want))
			}
			v, dv := newWords(t, filledWith(len(want), 777)...), newWords(t, gaussians(r, len(want), 1)...)
			a := kernels.NormCoefArgs{Kind: kind, WeightBits: bits[0], InputBits: bits[1], ZW: zw, ZX: zx, U: newWords[float32](t, u).p, V: v.p, DV: dv.p}
			runCall(kernels.NormCoefForward(a), 1, 1)
			near(t, "v", v.v, want, 1e-6)
			a.DZW, a.DZX = dzw, dzx
			runCall(kernels.NormCoefBackward(a), 1, 1)
			loss := func() (sum float64) {
				for i, c := range coefficients(kind, wantW, wantX) {
					sum += float64(dv.v[i]) * c
				}
				return sum
			}
			gradW, gradX := centralDifference(loss, wantW), centralDifference(loss, wantX)
			for i := range gradW {
				gradW[i] += startW[i]
			}
			for i := range gradX {
				gradX[i] += startX[i]
			}
			near(t, "dzw", gotW, gradW, 2e-6)
			near(t, "dzx", gotX, gradX, 2e-6)
		}
	}
}
