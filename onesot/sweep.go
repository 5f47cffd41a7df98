package onesot

import (
	"math"

	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

// Etas are n hardware penalties, equally spaced on the logarithmic scale, both ends of the range included.
func (s Settings) Etas(n int) []float64 {
	etas := make([]float64, n)
	for i := range etas {
		etas[i] = s.etaAt(float64(i) / float64(max(1, n-1)))
	}
	return etas
}

// Prediction is what the gates say at one eta.
type Prediction struct {
	Eta   float64          `json:"eta"`
	Child quant.Assignment `json:"child"` // the most probable option of every gate
	Pi    [][]float32      `json:"pi"`    // [gate][candidate]
}

// Predict tells the law of the gates at each eta, which only a BitModel looks at. It costs microseconds and touches no image.
func (n *Supernet) Predict(etas []float64) []Prediction {
	out, law := make([]Prediction, len(etas)), make([]float32, n.gating.law().Len())
	for i, eta := range etas {
		n.scalars.U.Set([]float32{float32(n.Settings.u(eta))})
		n.predict.Launch()
		n.gating.child(n.choice, n.gating.law().Get(law))
		out[i] = Prediction{Eta: eta, Child: n.assignment(n.choice), Pi: n.gating.marginals(law)}
	}
	return out
}

// Child is the most probable child at Settings.Eta.
func (n *Supernet) Child() quant.Assignment { return n.Predict([]float64{n.Settings.Eta})[0].Child }

// Distinct keeps the first prediction of each child.
func Distinct(predictions []Prediction) []Prediction {
	seen := map[string]bool{}
	var out []Prediction
	for _, p := range predictions {
		if !seen[p.Child.Key()] {
			seen[p.Child.Key()] = true
			out = append(out, p)
		}
	}
	return out
}

// philoxRandom keeps the draws of random children apart from others under the same seed.
const philoxRandom = 0x2C

// RandomChildren draws n distinct children as a baseline for the search. Options drawn with equal probability would all
// cost about the same, so each child first draws a tilt t in [-3, 3] and its gates then draw from
// softmax(t*rank): children of every cost.
func RandomChildren(space *quant.Space, count int, seed uint64) []quant.Assignment {
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	uniform := func(child, gate uint32) float64 {
		return float64(kernels.Philox([4]uint32{child, gate, 0, philoxRandom}, key)[0]) / (1 << 32)
	}
	seen, gates := map[string]bool{}, space.Gates()
	var out []quant.Assignment
	for child := uint32(0); len(out) < count && child < uint32(100*count); child++ {
		tilt := 6*uniform(child, math.MaxUint32) - 3
		choice := make([]int, len(gates))
		for g, gate := range gates {
			choice[g] = quant.TiltedDraw(len(gate.Bits), tilt, uniform(child, uint32(g)))
		}
		a := quant.ChooseGates(space, choice)
		if !seen[a.Key()] {
			seen[a.Key()] = true
			out = append(out, a)
		}
	}
	return out
}
