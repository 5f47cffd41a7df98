package onesot

import (
	"math"
	"slices"
	"strings"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

func newResidualRun(t *testing.T, dev *cuda.Device, mu float64, change func(*Settings)) gatedRun {
	return newGatedRun(t, dev, func(g *nn.Graph, space *quant.Space) (*Supernet, error) {
		s := Defaults(BayesianBits, "digitsnet")
		s.Seed, s.Batch, s.Eta = 3, 32, mu
		if change != nil {
			change(&s)
		}
		return NewResidualSupernet(dev, g, space, quant.BOPs(space), s, false)
	})
}

// penalty64 is the penalty and its gradient by phi, [gates][MaxBits], from the formulas of the paper: the sum over tensors and
// widths b of MACs/max MACs * b * P(z_2 > 0) ... P(z_b > 0), where z_2 is always open here.
func penalty64(space *quant.Space, phi []float32) (value float64, grad []float64) {
	most := 0.0
	for _, l := range space.Layers {
		most = max(most, float64(l.MACs))
	}
	open := func(x float64) float64 { return 1 / (1 + math.Exp(-x+2.0/3*math.Log(0.1/1.1))) }
	grad = make([]float64, len(phi))
	for g, gate := range space.Gates() {
		share, row := float64(space.Layers[gate.Layer].MACs)/most, phi[g*cuda.MaxBits:]
		for l, b := range gate.Bits {
			term := share * float64(b)
			for i := 1; i <= l; i++ {
				term *= open(float64(row[i]))
			}
			value += term
			for i := 1; i <= l; i++ {
				grad[g*cuda.MaxBits+i] += term * (1 - open(float64(row[i]))) // P' = P (1 - P)
			}
		}
	}
	return value, grad
}

// The penalty in the objective and its gradient are those of the paper's formula, and the law is the one that the formula's
// probabilities give.
func TestResidualPenalty(t *testing.T) {
	const mu = 0.03
	r := newResidualRun(t, twoThreads(t), mu, nil)
	h := r.gating.(*hardConcrete)
	phi := h.phi.Value.Get(nil)
	for i, v := range phi {
		if v != 0 {
			phi[i] = 3 * float32(math.Sin(float64(i)))
		}
	}
	h.phi.Value.Set(phi)
	now := r.Settings.at(0)
	r.setStep(now, 0, 1)
	eta := r.setMicro(now, 0, 0)
	r.feed.Fill(r.set.Train, make([]int, r.Settings.Batch), nn.Draw{})
	r.micro.Launch()
	r.history.keepMicro(0, eta)
	r.history.keepStep(0)
	terms := r.Report()[0]
	value, grad := penalty64(r.Space, phi)
	if math.Abs(terms.Hardware-mu*value) > 1e-6*value || terms.Prior != 0 {
		t.Errorf("the penalty is %g, want %g; prior %g", terms.Hardware, mu*value, terms.Prior)
	}
	got, dz, slope := h.phi.Grad.Get(nil), r.Gates.DZ.Get(nil), h.gate.Slope.Get(nil)
	task := 0.0
	for i, want := range grad {
		task = max(task, math.Abs(float64(dz[i]*slope[i])))
		if d := float64(got[i]) - float64(dz[i])*float64(slope[i]) - mu*want; math.Abs(d) > 1e-6*(1+math.Abs(float64(dz[i]))) {
			t.Errorf("dphi[%d] is %g, off by %g", i, got[i], d)
		}
	}
	if task == 0 {
		t.Error("the task loss has no gradient")
	}
}

// Gates start open, so that the child is the widest; the child's gates are a thermometer whatever phi is, the same as the
// kernel's and as the net runs it.
func TestResidualChildIsAThermometer(t *testing.T) {
	r := newResidualRun(t, twoThreads(t), 0.01, nil)
	if a := r.Child(); a.Key() != quant.MaxAssignment(r.Space).Key() {
		t.Errorf("before training the child is %s", a.Key())
	}
	h := r.gating.(*hardConcrete)
	gates := r.Space.Gates()
	seen := map[int]bool{}
	for draw := range uint32(40) {
		phi := make([]float32, len(gates)*cuda.MaxBits)
		for i := range phi {
			word := kernels.Philox([4]uint32{draw, uint32(i), 0, 0}, [2]uint32{1, 2})[0]
			phi[i] = 8 * (float32(word)/(1<<31) - 1)
		}
		h.phi.Value.Set(phi)
		p := r.Predict([]float64{1})[0]
		z := h.unused.Get(nil)
		r.Gates.SetChild(r.Space, p.Child)
		run := r.Gates.Z.Get(nil)
		for g, gate := range gates {
			row := z[g*cuda.MaxBits:][:len(gate.Bits)]
			if !slices.Equal(row, run[g*cuda.MaxBits:][:len(gate.Bits)]) {
				t.Fatalf("gate %d: the kernel's child is %v, the child's gates are %v, phi %v", g, row, run[g*cuda.MaxBits:][:len(gate.Bits)], phi[g*cuda.MaxBits:][:len(gate.Bits)])
			}
			for i := 1; i < len(row); i++ {
				if row[i] > row[i-1] || row[i] != 0 && row[i] != 1 {
					t.Fatalf("gate %d: %v is no thermometer", g, row)
				}
			}
			seen[r.choice[g]] = true
			sum := float32(0)
			for _, v := range p.Pi[g] {
				sum += v
			}
			if math.Abs(float64(sum)-1) > 1e-5 {
				t.Errorf("gate %d: the law sums to %g", g, sum)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("only options %v were chosen", seen)
	}
}

// A larger penalty closes more gates: fewer expected bits, and no dearer a child. The net learns meanwhile.
func TestResidualBitsFallWithMu(t *testing.T) {
	train := func(mu float64) (bits, first, last float64, child quant.Assignment) {
		r := newResidualRun(t, twoThreads(t), mu, func(s *Settings) { s.ThetaLR = 0.2 })
		const steps = 100
		r.train(steps, func(step int, terms Terms) {
			if step < 5 {
				first += terms.Task / 5
			}
			if step >= steps-5 {
				last += terms.Task / 5
			}
		})
		gates := r.Space.Gates()
		for g, law := range r.Predict([]float64{mu})[0].Pi {
			for i, p := range law {
				bits += float64(p) * float64(gates[g].Bits[i]) / float64(len(gates))
			}
		}
		return bits, first, last, r.Child()
	}
	before, cost := math.Inf(1), math.Inf(1)
	for _, mu := range []float64{0, 0.02, 1} {
		bits, first, last, child := train(mu)
		_, space := digitsSpace(t, nil)
		c := quant.BOPs(space).Relative(child)
		t.Logf("mu %g: %.2f bits expected, child %.3f of the dearest, loss %.3f -> %.3f", mu, bits, c, first, last)
		if !(bits < before-0.3) || c > cost {
			t.Errorf("mu %g: %.2f bits expected, child %.3f; at the mu before %.2f and %.3f", mu, bits, c, before, cost)
		}
		if mu < 1 && !(last < first) {
			t.Errorf("mu %g: the loss went from %.3f to %.3f", mu, first, last)
		}
		before, cost = bits, c
	}
}

// What residual quantizers cannot do is refused before anything is made.
func TestResidualRefuses(t *testing.T) {
	dev := openDevice(t, cuda.Options{Device: "host"})
	refused := func(weights []int, norm nn.NormKind, words ...string) {
		t.Helper()
		g, space := digitsSpace(t, func(p *quant.Policy) { p.WeightBits = weights })
		s := Defaults(BayesianBits, "digitsnet")
		s.Norm = norm
		_, err := NewResidualSupernet(dev, g, space, quant.BOPs(space), s, false)
		for _, w := range words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error %v does not name %q", err, w)
			}
		}
		if dev.Bytes() != 0 {
			t.Errorf("%d bytes are left", dev.Bytes())
		}
	}
	refused([]int{2, 3, 4}, nn.NormPlain, "conv2", "weight", "[2 3 4]", "--weight-bits")
	refused([]int{2, 4, 8}, nn.NormPair, "--norm pair")
	_, space := digitsSpace(t, func(p *quant.Policy) { p.WeightBits, p.InputBits = []int{3, 6}, []int{4} })
	if err := CheckResidual(space, nn.NormPlain); err != nil {
		t.Error(err)
	}
}
