package kernels_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// With a constant task loss the optimum of eta*E[cost] + lambda*prior over free logits is known in closed form
// (method.md section 1): the factorised Boltzmann law. These tests descend to it with the kernels alone,
// with Gumbel samples whose noise must not matter, since no gradient comes through z.

// descend runs SGD on the logits of the gates until they rest and returns pi.
func descend(t *testing.T, bits, weightGate, inputGate []int32, table []float32, prior kernels.PriorKind, tilt []float32, eta, lambda float32) []float32 {
	s := newGateSet(t, bits, kernels.GateGumbel, 0.5, 1, 2, 0, 0)
	n := len(bits) * row
	copy(s.logits.v, make([]float32, n))
	copy(s.dz.v, make([]float32, n))
	copy(s.dlogits.v, make([]float32, n))
	m, lr := newWords(t, make([]float32, n)...), newWords(t, 0.5/lambda) // curvature: at most lambda*pi
	cost, value, entropy := newWords[float32](t, 0), newWords[float32](t, 0), newWords[float32](t, 0)
	calls := []kernels.Call{
		kernels.GateSample(kernels.GateSampleArgs{Gates: len(bits), Bits: s.bits.p, Logits: s.logits.p, LogP: s.logp.p, Pi: s.pi.p,
			Z: s.z.p, Soft: s.soft.p, Temperature: s.temperature.p, Mode: s.mode.p, Noise: s.noise.p}),
		kernels.Zero(s.dpi.p, n),
		kernels.ExpectedCost(kernels.CostArgs{Layers: len(weightGate), WeightGate: newWords(t, weightGate...).p,
			InputGate: newWords(t, inputGate...).p, Bits: s.bits.p, Table: newWords(t, table...).p, Pi: s.pi.p, DPi: s.dpi.p,
			Cost: cost.p, Weight: newWords(t, eta).p}),
		kernels.Prior(kernels.PriorArgs{Gates: len(bits), Prior: prior, Bits: s.bits.p, Pi: s.pi.p, LogP: s.logp.p,
			Tilt: newWords(t, tilt...).p, DPi: s.dpi.p, Value: value.p, Entropy: entropy.p, Weight: newWords(t, lambda).p}),
		kernels.GateGrad(kernels.GateGradArgs{Gates: len(bits), Bits: s.bits.p, Pi: s.pi.p, Soft: s.soft.p, DZ: s.dz.p,
			DPi: s.dpi.p, DLogits: s.dlogits.p, Temperature: s.temperature.p, Mode: s.mode.p}),
		kernels.SGD(kernels.BestISA(), kernels.SGDArgs{P: s.logits.p, G: s.dlogits.p, M: m.p, Len: n, LR: lr.p, Momentum: 0.9}),
	}
	var host []kernels.HostCall
	for _, c := range calls {
		host = append(host, c.Host())
	}
	for step := range 5000 {
		s.noise.v[2] = uint32(step)
		kernels.Run(host, 0, 1, 1, nil)
	}
	for _, c := range calls {
		c.Free()
	}
	return slices.Clone(s.pi.v)
}

// boltzmann is softmax(tilt - eta*h/lambda).
func boltzmann(h []float64, tilt []float32, eta, lambda float32) []float64 {
	x := make([]float64, len(h))
	for i := range h {
		x[i] = float64(tilt[i]) - float64(eta)*h[i]/float64(lambda)
	}
	return softmax64(x)
}

// wantLaw wants pi equal to the law within 1e-4, and the law itself not to be the trivial uniform one.
func wantLaw(t *testing.T, what string, pi []float32, law []float64) {
	t.Helper()
	worst := 0.0
	for i, p := range law {
		worst = max(worst, math.Abs(float64(pi[i])-p))
	}
	t.Logf("%s: pi %.5f, law %.5f, off by %.1e", what, pi[:len(law)], law, worst)
	if !(worst <= 1e-4) {
		t.Errorf("%s: off by %.2e, want at most 1e-4", what, worst)
	}
	if slices.Max(law)-slices.Min(law) < 0.1 {
		t.Errorf("%s: the law %v is too close to uniform to prove anything", what, law)
	}
}

// bopsTable is the normalised cost of layers with bits 2, 4, 8 on both sides; a pinned side (8 bits) has one entry.
func bopsTable(macs []float64, weightGate, inputGate []int32) []float32 {
	table, sum := make([]float32, len(macs)*row*row), 0.0
	for _, m := range macs {
		sum += m
	}
	options := func(gate int32) []float64 {
		if gate < 0 {
			return []float64{8}
		}
		return []float64{2, 4, 8}
	}
	for l, m := range macs {
		for i, a := range options(weightGate[l]) {
			for j, b := range options(inputGate[l]) {
				table[(l*row+i)*row+j] = float32(m * a * b / (64 * sum))
			}
		}
	}
	return table
}

var priors = map[string]kernels.PriorKind{"entropy": kernels.PriorEntropy, "tilted": kernels.PriorKL}

// tilts are prior logits, all 0 for the entropy prior.
func tilts(kind kernels.PriorKind, gates int) []float32 {
	tilt := make([]float32, gates*row)
	if kind == kernels.PriorKL {
		copy(tilt, gaussians(rand.New(rand.NewPCG(30, 31)), len(tilt), 1))
	}
	return tilt
}

// One gate a layer is searched, the other pinned: pi = softmax(tilt - eta*h/lambda).
func TestBoltzmannOneGate(t *testing.T) {
	weightGate, inputGate := []int32{0, -1, 2}, []int32{-1, 1, -1}
	table := bopsTable([]float64{1, 3, 2}, weightGate, inputGate)
	for name, kind := range priors {
		tilt := tilts(kind, 3)
		pi := descend(t, []int32{3, 3, 3}, weightGate, inputGate, table, kind, tilt, 0.1, 0.03)
		for l := range weightGate {
			h := make([]float64, 3)
			for i := range h {
				at := (l*row + i) * row
				if weightGate[l] < 0 {
					at = l*row*row + i
				}
				h[i] = float64(table[at])
			}
			wantLaw(t, name, pi[l*row:], boltzmann(h, tilt[l*row:], 0.1, 0.03))
		}
	}
}

// Both gates of a layer are searched: each is the Boltzmann law of its expected cost under the other.
func TestBoltzmannTwoGates(t *testing.T) {
	weightGate, inputGate := []int32{0, 2}, []int32{1, 3}
	table := bopsTable([]float64{1, 2}, weightGate, inputGate)
	for name, kind := range priors {
		tilt := tilts(kind, 4)
		pi := descend(t, []int32{3, 3, 3, 3}, weightGate, inputGate, table, kind, tilt, 0.1, 0.03)
		for l := range weightGate {
			w, x := pi[weightGate[l]*row:][:3], pi[inputGate[l]*row:][:3]
			costW, costX := make([]float64, 3), make([]float64, 3)
			for i := range 3 {
				for j := range 3 {
					h := float64(table[(l*row+i)*row+j])
					costW[i] += h * float64(x[j])
					costX[j] += h * float64(w[i])
				}
			}
			wantLaw(t, name+" weights", w, boltzmann(costW, tilt[weightGate[l]*row:], 0.1, 0.03))
			wantLaw(t, name+" inputs", x, boltzmann(costX, tilt[inputGate[l]*row:], 0.1, 0.03))
		}
	}
}
