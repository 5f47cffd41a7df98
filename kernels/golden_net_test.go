package kernels_test

import (
	"encoding/json"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

func TestGoldenNorms(t *testing.T) {
	g := readGolden(t, "norm")
	var cases []struct {
		Name           string
		Relu, Shortcut int
	}
	g.decodeCases(&cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			eachISA(t, func(t *testing.T, isa kernels.ISA) { goldenNorm(t, g, c.Name, isa, c.Relu == 1, c.Shortcut) })
		})
	}
}

func goldenNorm(t *testing.T, g golden, name string, isa kernels.ISA, relu bool, kind int) {
	s := g.shapes[name+".y"]
	n, hw, c := s[0], s[1]*s[2], s[3]
	vec := func() buffer { return newBuffer(t, c) }
	y, a, da, dy := g.act(t, name+".y", 0), g.empty(t, name+".y", 1), g.act(t, name+".da", 0), g.empty(t, name+".y", 1)
	var short, dshort kernels.Shortcut
	var ds tensor
	if kind > 0 {
		ds = g.empty(t, name+".shortcut", 0)
		short = kernels.Shortcut{T: g.act(t, name+".shortcut", 0).Act, Stride: kind, Offset: (c - g.shapes[name+".shortcut"][3]) / 2}
		dshort = kernels.Shortcut{T: ds.Act, Stride: kind, Offset: short.Offset}
	}
	one, gamma, beta := bufferOf(t, []float32{1}), bufferOf(t, g.data[name+".gamma"]), bufferOf(t, g.data[name+".beta"])
	rows, mean, inv, scale, shift, coef := newBuffer(t, n*2*c), vec(), vec(), vec(), vec(), newBuffer(t, 3*c)
	rm, rv, dgamma, dbeta := bufferOf(t, make([]float32, c)), bufferOf(t, make([]float32, c)), bufferOf(t, make([]float32, c)), bufferOf(t, make([]float32, c))
	runCall(kernels.NormStats(isa, kernels.NormStatsArgs{Y: y.Act, Partial: rows.P}), n, 1)
	runCall(kernels.NormCombine(kernels.NormCombineArgs{N: n, HW: hw, C: c, Sets: 1, StatSets: 1, Partial: rows.P, V: one.P, Gamma: gamma.P, Beta: beta.P,
		RunningMean: rm.P, RunningVar: rv.P, Momentum: one.P, Mean: mean.P, Inv: inv.P, Scale: scale.P, Shift: shift.P, Eps: 1e-5}), 1, 1)
	runCall(kernels.NormApply(isa, kernels.NormApplyArgs{Y: y.Act, A: a.Act, Scale: scale.P, Shift: shift.P, Shortcut: short, ReLU: relu}), n, 1)
	runCall(kernels.NormBackwardReduce(isa, kernels.NormBackwardReduceArgs{DA: da.Act, A: a.Act, Y: y.Act, Mean: mean.P, Inv: inv.P, DShortcut: dshort, ReLU: relu, Partial: rows.P}), n, 1)
	runCall(kernels.NormBackwardCombine(kernels.NormBackwardCombineArgs{N: n, HW: hw, C: c, Sets: 1, Partial: rows.P, V: one.P, Gamma: gamma.P, Beta: beta.P,
		Mean: mean.P, Inv: inv.P, Scale: scale.P, GradScale: one.P, DGamma: dgamma.P, DBeta: dbeta.P, Coef: coef.P}), 1, 1)
	runCall(kernels.NormBackwardApply(isa, kernels.NormBackwardApplyArgs{D: da.Act, Y: y.Act, DY: dy.Act, Coef: coef.P}), n, 1)

	tolerance := sumTolerance(8)
	near(t, "mean", mean.F, g.want(name+".mean"), tolerance)
	unbiased := g.want(name + ".var")
	for i := range unbiased {
		unbiased[i] *= float64(n*hw) / float64(n*hw-1)
	}
	near(t, "running mean", rm.F, g.want(name+".mean"), tolerance)
	near(t, "running variance", rv.F, unbiased, tolerance)
	near(t, "a", a.inside(), g.want(name+".a"), tolerance)
	near(t, "dy", dy.inside(), g.want(name+".dy"), tolerance)
	near(t, "dgamma", dgamma.F, g.want(name+".dgamma"), sumTolerance(n*hw))
	near(t, "dbeta", dbeta.F, g.want(name+".dbeta"), sumTolerance(n*hw))
	if kind > 0 {
		near(t, "dshortcut", ds.inside(), g.want(name+".dshortcut"), 0)
	}
}

func TestGoldenLossAndPool(t *testing.T) {
	g := readGolden(t, "loss")
	n, classes := g.shapes["logits"][0], g.shapes["logits"][1]
	row := func() tensor { return newTensor(t, n, 1, 1, classes, 0, zeros) }
	logits, d, partial := row(), row(), newBuffer(t, 2*n)
	logits.fill(g.data["logits"])
	var classOf []int32
	for _, v := range g.data["labels"] {
		classOf = append(classOf, int32(v))
	}
	labels := newWords(t, classOf...)
	runCall(kernels.SoftmaxCrossEntropy(kernels.SoftmaxCrossEntropyArgs{Logits: logits.Act, DLogits: d.Act, Labels: labels.p, Partial: partial.P, N: n}), n, 2)
	for i := range n {
		near(t, "loss and right", partial.F[2*i:2*i+2], []float64{g.want("losses")[i], g.want("right")[i]}, sumTolerance(2))
	}
	near(t, "dlogits", d.inside(), g.want("dlogits"), sumTolerance(1))

	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		s := g.shapes["pool.x"]
		x, dx := g.act(t, "pool.x", 1), g.empty(t, "pool.x", 0)
		y, dy := newTensor(t, s[0], 1, 1, s[3], 0, zeros), newTensor(t, s[0], 1, 1, s[3], 0, zeros)
		dy.fill(g.data["pool.dy"])
		runCall(kernels.AvgPoolForward(isa, kernels.PoolArgs{X: x.Act, Y: y.Act}), s[0], 1)
		runCall(kernels.AvgPoolBackward(isa, kernels.PoolArgs{X: dx.Act, Y: dy.Act}), s[0], 1)
		near(t, "pool y", y.inside(), g.want("pool.y"), sumTolerance(1))
		near(t, "pool dx", dx.inside(), g.want("pool.dx"), sumTolerance(1))
	})
}

// The gradients of theta through BitModel, gates, expected cost and prior, all in a row, are autograd's. The soft
// sample is PyTorch's: its noise is in the place of Gumbel's.
func TestGoldenBitModelAndGates(t *testing.T) {
	g := readGolden(t, "gates")
	var c struct {
		Bits                        []int32
		Hidden                      int
		U, Eta, Lambda, Temperature float64
	}
	if err := json.Unmarshal([]byte(g.cases), &c); err != nil {
		t.Fatal(err)
	}
	gates := len(c.Bits)
	matrix := func() buffer { return bufferOf(t, make([]float32, gates*kernels.MaxBits)) }
	scalar := func(v float64) buffer { return bufferOf(t, []float32{float32(v)}) }
	bits, mode, noise := newWords(t, c.Bits...), newWords(t, int32(kernels.GateGumbel)), newWords[uint32](t, 0, 0, 0, 0)
	wg, xg := newWords[int32](t, 0, 2), newWords[int32](t, 1, 3)
	logits, tilt, logp, pi, z, soft, dpi, dlogits := matrix(), matrix(), matrix(), matrix(), matrix(), matrix(), matrix(), matrix()
	theta, dtheta := bufferOf(t, g.data["theta"]), bufferOf(t, make([]float32, len(g.data["theta"])))
	cost, value, entropy, temperature := scalar(0), scalar(0), scalar(0), scalar(c.Temperature)
	model := kernels.BitModelArgs{Depth: 2, Hidden: c.Hidden, Gates: gates, Bits: bits.p, Theta: theta.P, U: scalar(c.U).P, KappaRank: bufferOf(t, g.data["kappa_rank"]).P,
		H: newBuffer(t, 2*c.Hidden).P, Logits: logits.P, Tilt: tilt.P, DLogits: dlogits.P, DTheta: dtheta.P, GradScale: scalar(1).P}
	runCall(kernels.BitModelForward(model), 1, 1)
	runCall(kernels.GateSample(kernels.GateSampleArgs{Gates: gates, Bits: bits.p, Logits: logits.P, LogP: logp.P, Pi: pi.P, Z: z.P, Soft: soft.P,
		Temperature: temperature.P, Mode: mode.p, Noise: noise.p}), 1, 1)
	runCall(kernels.ExpectedCost(kernels.CostArgs{Layers: 2, WeightGate: wg.p, InputGate: xg.p, Bits: bits.p, Table: bufferOf(t, g.data["table"]).P,
		Pi: pi.P, DPi: dpi.P, Cost: cost.P, Weight: scalar(c.Eta).P}), 1, 1)
	runCall(kernels.Prior(kernels.PriorArgs{Gates: gates, Prior: kernels.PriorKL, Bits: bits.p, Pi: pi.P, LogP: logp.P, Tilt: tilt.P, DPi: dpi.P,
		Value: value.P, Entropy: entropy.P, Weight: scalar(c.Lambda).P}), 1, 1)
	copy(soft.F, g.data["soft"])
	runCall(kernels.GateGrad(kernels.GateGradArgs{Gates: gates, Bits: bits.p, Pi: pi.P, Soft: soft.P, DZ: bufferOf(t, g.data["dz"]).P, DPi: dpi.P, DLogits: dlogits.P,
		Temperature: temperature.P, Mode: mode.p}), 1, 1)
	runCall(kernels.BitModelBackward(model), 1, 1)

	near(t, "cost, KL, entropy", []float32{cost.F[0], value.F[0], entropy.F[0]}, g.want("values"), sumTolerance(16))
	for gate, n := range c.Bits {
		at, to := gate*kernels.MaxBits, gate*kernels.MaxBits+int(n)
		near(t, "logits", logits.F[at:to], g.want("logits")[at:to], sumTolerance(c.Hidden))
		near(t, "pi", pi.F[at:to], g.want("pi")[at:to], sumTolerance(c.Hidden))
		near(t, "dlogits", dlogits.F[at:to], g.want("dlogits")[at:to], sumTolerance(c.Hidden))
	}
	near(t, "dtheta", dtheta.F, g.want("dtheta"), sumTolerance(gates*kernels.MaxBits))
}

func TestGoldenSimilarityAndOptimizers(t *testing.T) {
	g := readGolden(t, "gates")
	one := bufferOf(t, []float32{1})
	eachISA(t, func(t *testing.T, isa kernels.ISA) {
		s := g.shapes["similarity.w"]
		dw, value := bufferOf(t, make([]float32, len(g.data["similarity.w"]))), newBuffer(t, 1)
		runCall(kernels.Similarity(isa, kernels.SimilarityArgs{W: bufferOf(t, g.data["similarity.w"]).P, DW: dw.P, Value: value.P, Bits: s[0], Len: s[1] * s[2], Weight: one.P}), 1, 1)
		near(t, "similarity", value.F, g.want("similarity.value"), sumTolerance(2))
		near(t, "its gradient", dw.F, g.want("similarity.dw"), sumTolerance(2))

		n := len(g.data["optimizer.start"])
		for _, name := range []string{"sgd", "adam", "logadam"} {
			p, m, v := bufferOf(t, g.data["optimizer.start"]), bufferOf(t, make([]float32, n)), bufferOf(t, make([]float32, n))
			for step := range 5 {
				grad := bufferOf(t, g.data["optimizer.grads"][step*n:(step+1)*n])
				beta2 := map[string]float64{"adam": 0.999, "logadam": 0.99}[name]
				bias := bufferOf(t, []float32{float32(1 - math.Pow(0.9, float64(step+1))), float32(1 - math.Pow(beta2, float64(step+1)))})
				adam := kernels.AdamArgs{P: p.P, G: grad.P, M: m.P, V: v.P, Len: n, LR: bufferOf(t, []float32{0.02}).P, Bias: bias.P, Beta1: 0.9, Beta2: beta2, Eps: 1e-8}
				switch name {
				case "sgd":
					runCall(kernels.SGD(isa, kernels.SGDArgs{P: p.P, G: grad.P, M: m.P, Len: n, LR: bufferOf(t, []float32{0.1}).P, Momentum: 0.9, Decay: 1e-2}), 1, 1)
				case "adam":
					runCall(kernels.Adam(adam), 1, 1)
				case "logadam":
					adam.Eps = 1e-12
					runCall(kernels.LogAdam(adam), 1, 1)
				}
			}
			near(t, name, p.F, g.want("optimizer."+name), sumTolerance(10))
		}
	})
}
