package nn

import (
	"math"

	"vimps-gpu/cuda"
)

// TakeChild sets the only candidates of an LSQ layer to the i-th weight and j-th input candidate of another's. Of a nested
// quantizer it takes the step of that candidate's grid; the grids themselves differ from LSQ's: a residual one is symmetric, and
// a truncated signed one lies half a step higher.
func (l *LayerParams) TakeChild(from *LayerParams, i, j int) {
	n := l.W.Len()
	l.W.View(0, n).CopyFrom(from.W.View(min(i, from.W.Dim(0)-1)*n, n))
	takeStep(l.WStep, from.WStep, i, from.Quantizer.stepFactor(from.WeightBits, i, true))
	takeStep(l.XStep, from.XStep, j, from.Quantizer.stepFactor(from.InputBits, j, from.Signed))
	if l.Bias != nil {
		l.Bias.CopyFrom(from.Bias)
	}
}

// takeStep sets the only candidate's step to the i-th of from, times a factor where from has one parameter for all.
func takeStep(step, from *cuda.Tensor, i int, factor float32) {
	n := step.Len()
	if from.Len() > n {
		step.View(0, n).CopyFrom(from.View(i*n, n))
		return
	}
	v := from.Get(nil)
	for k := range v {
		v[k] *= factor
	}
	step.Set(v)
}

// stepFactor is the step of a gate's i-th candidate in parameters: 1 for LSQ, whose parameters are steps.
func (q Quantizer) stepFactor(bits []int, i int, signed bool) float32 {
	codes, widest := float64(int(1)<<bits[i]-1), bits[len(bits)-1]
	switch {
	case q == Residual && signed:
		return float32(2 / codes)
	case q == Residual:
		return float32(1 / codes)
	case q == Truncate && signed:
		return float32(int(1) << (widest - bits[i]))
	case q == Truncate:
		return float32(float64(int(1)<<widest-1) / codes)
	}
	return 1
}

// TakeChild sets a plain norm to what another is where the convolution Layer has its i-th weight candidate chosen and
// InputLayer its j-th input candidate.
func (n *NormParams) TakeChild(from *NormParams, i, j int) {
	c := n.Gamma.Dim(1)
	gamma, beta := make([]float32, c), make([]float32, c)
	sets := from.setsOf(i, j)
	for _, t := range sets {
		for k, v := range from.Gamma.View(t*c, c).Get(nil) {
			gamma[k] += v
		}
		for k, v := range from.Beta.View(t*c, c).Get(nil) {
			beta[k] += v
		}
	}
	n.SetAffine(gamma, beta)
	s := min(sets[0], from.Mean.Dim(0)-1)
	n.SetStats(from.Mean.View(s*c, c).Get(nil), from.Var.View(s*c, c).Get(nil))
}

// setsOf lists the sets whose sum is the gamma and beta of a child (method.md, section 5, "BN").
func (n *NormParams) setsOf(i, j int) []int {
	i, j = min(i, n.WeightOptions-1), min(j, n.InputOptions-1)
	switch n.Kind {
	case NormPlain:
		return []int{0}
	case NormPair, NormTransition:
		return []int{i*n.InputOptions + j}
	case NormGate:
		sets := []int{0}
		if n.WeightOptions > 1 {
			sets = append(sets, 1+i)
		}
		if n.InputOptions > 1 {
			sets = append(sets, n.Gamma.Dim(0)-n.InputOptions+j)
		}
		return sets
	}
	panic("nn: a child of a norm of kind " + string(n.Kind))
}

// Clear makes the filters of output channels 0.
func (l *LayerParams) Clear(channels []int) {
	w := l.W.Get(nil)
	k := l.W.Dim(1)
	size := len(w) / (l.W.Dim(0) * k)
	for b := range l.W.Dim(0) {
		for _, c := range channels {
			clear(w[(b*k+c)*size:][:size])
		}
	}
	l.W.Set(w)
}

// Close makes channels of a plain norm behind cleared filters constant: what they are with the batch's statistics or, where those
// are not re-estimated, with the running ones.
func (n *NormParams) Close(channels []int, batch bool) {
	gamma, beta, mean, variance := n.Gamma.Get(nil), n.Beta.Get(nil), n.Mean.Get(nil), n.Var.Get(nil)
	for _, c := range channels {
		if !batch {
			beta[c] -= gamma[c] * mean[c] / float32(math.Sqrt(float64(variance[c])+float64(n.Eps)))
		}
		gamma[c] = 0
	}
	n.SetAffine(gamma, beta)
}
