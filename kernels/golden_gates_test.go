package kernels_test

import (
	"math"
	"testing"

	"vimps-gpu/kernels"
)

// Samples of every mode from PyTorch, whose Gumbel noise is Philox's by its own integers, and the gradient of the
// logits, straight through where hard, with an entropy prior in it.
func TestGoldenSamples(t *testing.T) {
	g := readGolden(t, "samples")
	var cases []struct {
		Name, Mode          string
		Bits                []int32
		Temperature, Lambda float32
		Noise               []uint32
	}
	g.decodeCases(&cases)
	for _, c := range cases {
		t.Run(c.Name+" "+c.Mode, func(t *testing.T) {
			s := newGateSet(t, c.Bits, gateModes[c.Mode], c.Temperature, c.Noise...)
			copy(s.logits.v, g.data[c.Name+".logits"])
			copy(s.dz.v, g.data[c.Name+".dz"])
			clear(s.dpi.v)
			s.sample()
			value, entropy, lambda := newBuffer(t, 1), newBuffer(t, 1), bufferOf(t, []float32{c.Lambda})
			runCall(kernels.Prior(kernels.PriorArgs{Gates: len(c.Bits), Prior: kernels.PriorEntropy, Bits: s.bits.p, Pi: s.pi.p, LogP: s.logp.p,
				DPi: s.dpi.p, Value: value.P, Entropy: entropy.P, Weight: lambda.P}), 1, 1)
			s.grad()
			// A sum of at most 8 terms, each an exponential of a logit whose rounding the temperature divides.
			tolerance := sumTolerance(8) / float64(min(1, c.Temperature))
			for _, v := range []struct {
				name string
				rows []float32
			}{{"pi", s.pi.v}, {"z", s.z.v}, {"soft", s.soft.v}, {"dlogits", s.dlogits.v}} {
				near(t, v.name, usedColumns(v.rows, c.Bits), float64s(usedColumns(g.data[c.Name+"."+v.name], c.Bits)), tolerance)
			}
			near(t, "entropy", entropy.F, g.want(c.Name+".entropy"), sumTolerance(8))
			near(t, "value", value.F, []float64{-g.want(c.Name + ".entropy")[0]}, sumTolerance(8))
		})
	}
}

// Batch norm with an affine set mixed by two gates, whose gradient is autograd's too.
func TestGoldenConditionalNorms(t *testing.T) {
	g := readGolden(t, "conditional")
	for name, kind := range map[string]kernels.NormKind{"pair": kernels.NormPair, "gate": kernels.NormGate} {
		t.Run(name, func(t *testing.T) {
			eachISA(t, func(t *testing.T, isa kernels.ISA) { goldenConditional(t, g, name, kind, isa) })
		})
	}
}

func goldenConditional(t *testing.T, g golden, name string, kind kernels.NormKind, isa kernels.ISA) {
	s, sets := g.shapes[name+".y"], g.shapes[name+".v"][0]
	n, hw, c := s[0], s[1]*s[2], s[3]
	of := func(tensor string) buffer { return bufferOf(t, g.data[name+"."+tensor]) }
	zero := func(n int) buffer { return bufferOf(t, make([]float32, n)) }
	coef := kernels.NormCoefArgs{Kind: kind, WeightBits: g.shapes[name+".zw"][0], InputBits: g.shapes[name+".zx"][0], ZW: of("zw").P, ZX: of("zx").P}
	v, dv, dzw, dzx := newBuffer(t, sets), newBuffer(t, sets), zero(coef.WeightBits), zero(coef.InputBits)
	coef.V, coef.DV = v.P, dv.P
	runCall(kernels.NormCoefForward(coef), 1, 1)

	y, a, da, dy := g.act(t, name+".y", 0), g.empty(t, name+".y", 0), g.act(t, name+".da", 0), g.empty(t, name+".y", 0)
	one, gamma, beta := bufferOf(t, []float32{1}), of("gamma"), of("beta")
	rows, mean, inv, scale, shift, abc := newBuffer(t, n*2*c), newBuffer(t, c), newBuffer(t, c), newBuffer(t, c), newBuffer(t, c), newBuffer(t, 3*c)
	dgamma, dbeta := zero(sets*c), zero(sets*c)
	runCall(kernels.NormStats(isa, kernels.NormStatsArgs{Y: y.Act, Partial: rows.P}), n, 1)
	runCall(kernels.NormCombine(kernels.NormCombineArgs{N: n, HW: hw, C: c, Sets: sets, StatSets: 1, Partial: rows.P, V: v.P, Gamma: gamma.P, Beta: beta.P,
		Mean: mean.P, Inv: inv.P, Scale: scale.P, Shift: shift.P, Eps: 1e-5}), 1, 1)
	runCall(kernels.NormApply(isa, kernels.NormApplyArgs{Y: y.Act, A: a.Act, Scale: scale.P, Shift: shift.P, ReLU: true}), n, 1)
	runCall(kernels.NormBackwardReduce(isa, kernels.NormBackwardReduceArgs{DA: da.Act, A: a.Act, Y: y.Act, Mean: mean.P, Inv: inv.P, ReLU: true, Partial: rows.P}), n, 1)
	runCall(kernels.NormBackwardCombine(kernels.NormBackwardCombineArgs{N: n, HW: hw, C: c, Sets: sets, Partial: rows.P, V: v.P, Gamma: gamma.P, Beta: beta.P,
		Mean: mean.P, Inv: inv.P, Scale: scale.P, GradScale: one.P, DGamma: dgamma.P, DBeta: dbeta.P, DV: dv.P, Coef: abc.P}), 1, 1)
	runCall(kernels.NormBackwardApply(isa, kernels.NormBackwardApplyArgs{D: da.Act, Y: y.Act, DY: dy.Act, Coef: abc.P}), n, 1)
	coef.DZW, coef.DZX = dzw.P, dzx.P
	runCall(kernels.NormCoefBackward(coef), 1, 1)

	near(t, "v", v.F, g.want(name+".v"), sumTolerance(1))
	near(t, "a", a.inside(), g.want(name+".a"), sumTolerance(8+sets))
	near(t, "dy", dy.inside(), g.want(name+".dy"), sumTolerance(8+sets))
	near(t, "dgamma", dgamma.F, g.want(name+".dgamma"), sumTolerance(n*hw))
	near(t, "dbeta", dbeta.F, g.want(name+".dbeta"), sumTolerance(n*hw))
	near(t, "dzw", dzw.F, g.want(name+".dzw"), sumTolerance(n*hw*c))
	near(t, "dzx", dzx.F, g.want(name+".dzx"), sumTolerance(n*hw*c))
}

// DNAS's factor (ln c / ln 1e9)^5 at c = 0.3e9 and the gradient of factor * loss/n, a loss of 8.5 over 4 images.
func TestGoldenCostFactor(t *testing.T) {
	want := readGolden(t, "conditional").want("factor")
	factor, weight := newBuffer(t, 1), newBuffer(t, 1)
	args := kernels.CostFactorArgs{Cost: bufferOf(t, []float32{float32(want[0])}).P, Factor: factor.P, Loss: bufferOf(t, []float32{8.5}).P, Weight: weight.P,
		N: 4, LogMax: math.Log(1e9), Gamma: 5}
	runCall(kernels.CostFactor(args), 1, 1)
	runCall(kernels.CostFactorGrad(args), 1, 1)
	// An error of the last place in ln is taken to the fifth power.
	near(t, "factor", factor.F, want[1:2], sumTolerance(5))
	near(t, "weight", weight.F, want[2:], sumTolerance(5))
}
