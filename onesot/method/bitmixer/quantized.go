package bitmixer

import (
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// changes is the squared change of a layer's filter when its width goes from one candidate to another,
// ||Q_j(W) - Q_i(W)||^2, for every pair [i][j].
func changes(l *nn.LayerParams) [][]float64 {
	w, steps := l.W.Get(nil), l.WStep.Get(nil)
	per := len(steps) / len(l.WeightBits) // steps of a candidate: one an output channel or one
	q := make([][]float32, len(l.WeightBits))
	for b, bits := range l.WeightBits {
		q[b] = quantize(w, steps[b*per:(b+1)*per], quant.Signed(bits))
	}
	out := make([][]float64, len(q))
	for i := range q {
		out[i] = make([]float64, len(q))
		for j := range q {
			for k := range w {
				d := float64(q[j][k]) - float64(q[i][k])
				out[i][j] += d * d
			}
		}
	}
	return out
}

// quantize is s*round(clamp(w/s)), equal parts of w by a step each.
func quantize(w, steps []float32, r quant.Range) []float32 {
	out := make([]float32, len(w))
	for i, x := range w {
		s := steps[i*len(steps)/len(w)]
		code := math.RoundToEven(float64(min(max(x/s, float32(r.Min)), float32(r.Max))))
		out[i] = s * float32(code)
	}
	return out
}
