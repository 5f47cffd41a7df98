package onesot

import (
	"context"
	"math"
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Etas are n hardware penalties, equally spaced on the logarithmic scale, both ends of the range included.
func (s Settings) Etas(n int) []float64 {
	if s.freeLogits() {
		return []float64{s.Eta}
	}
	etas := make([]float64, n)
	for i := range etas {
		etas[i] = s.etaAt(float64(i) / float64(max(1, n-1)))
	}
	return etas
}

// Prediction is what the BitModel says at one eta.
type Prediction struct {
	Eta   float64          `json:"eta"`
	Child quant.Assignment `json:"child"` // the most probable option of every gate
	Pi    [][]float32      `json:"pi"`    // [gate][candidate]
}

// Predict runs the BitModel at each eta. It costs microseconds and touches no image.
func (n *Supernet) Predict(etas []float64) []Prediction {
	out, pi := make([]Prediction, len(etas)), make([]float32, n.gate.Pi.Len())
	for i, eta := range etas {
		n.scalars.U.Set([]float32{float32(n.Settings.u(eta))})
		n.predict.Launch()
		argmax(n.choice, n.gate.Pi.Get(pi), n.Model.gates)
		out[i] = Prediction{Eta: eta, Child: n.assignment(n.choice)}
		for g, gate := range n.Model.gates {
			row := pi[g*cuda.MaxBits:][:len(gate.Bits)]
			out[i].Pi = append(out[i].Pi, slices.Clone(row))
		}
	}
	return out
}

// Judge evaluates children with the supernet's weights, each distinct one once.
type Judge struct {
	net   *Supernet
	eval  *nn.Evaluator
	train data.Split // for re-estimated statistics
	val   data.Split
	test  data.Split
	size  *quant.CostTable
	bops  *quant.CostTable
	seen  map[string]Point
}

// NewJudge compiles evaluation. train, val and test are the splits of the run.
func NewJudge(n *Supernet, set *data.Set, train, val data.Split, a nn.Augment) *Judge {
	return &Judge{
		net: n, eval: nn.NewEvaluator(n.Params, n.Gates, set, a), train: train, val: val, test: set.Test,
		size: quant.SizeBytes(n.Space), bops: quant.BOPs(n.Space), seen: map[string]Point{},
	}
}

// Free returns the memory.
func (j *Judge) Free() { j.eval.Free() }

// Child evaluates one child, found at eta (0: not by the BitModel).
func (j *Judge) Child(a quant.Assignment, eta float64) Point {
	if p, ok := j.seen[a.Key()]; ok {
		p.Eta = eta
		return p
	}
	val, test := j.score(a, j.eval.Score)
	p := Point{
		Eta: eta, BOPs: j.bops.Cost(a), RelativeBOPs: j.bops.Relative(a), SizeBytes: j.size.Cost(a), Cost: j.net.Cost.Cost(a),
		AccuracyVal: val.Accuracy(), AccuracyTest: test.Accuracy(), LossVal: val.Loss, Assignment: a,
	}
	j.seen[a.Key()] = p
	return p
}

// Integer evaluates one child by its exact integer arithmetic, the statistics as in Child.
func (j *Judge) Integer(a quant.Assignment) (val, test nn.Score) {
	return j.score(a, j.eval.ScoreInteger)
}

// score evaluates a child on the validation and the test split, with the statistics that the settings want.
func (j *Judge) score(a quant.Assignment, by func(data.Split) nn.Score) (val, test nn.Score) {
	n := j.net
	n.Gates.SetChild(n.Space, a)
	if n.Settings.Recalibrate {
		j.eval.Recalibrate(j.train, n.Settings.RecalibrateSize, n.Settings.Seed)
		defer j.eval.Restore()
	}
	return by(j.val), by(j.test)
}

// Children evaluates the distinct children of predictions, the all-maximum end first, and marks the front. after is
// called with each point; a cancelled context ends the work with its error.
func (j *Judge) Children(ctx context.Context, predictions []Prediction, after func(done, of int, p Point)) ([]Point, error) {
	distinct := Distinct(predictions)
	var points []Point
	for i, p := range distinct {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		points = append(points, j.Child(p.Child, p.Eta))
		after(i+1, len(distinct), points[i])
	}
	MarkFront(points)
	return points, nil
}

// All evaluates children that no eta led to and marks those that no other of them beats. after is called with each;
// a cancelled context ends the work with its error.
func (j *Judge) All(ctx context.Context, children []quant.Assignment, after func(done, of int)) ([]Point, error) {
	points := make([]Point, 0, len(children))
	for i, a := range children {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		points = append(points, j.Child(a, 0))
		after(i+1, len(children))
	}
	MarkFront(points)
	return points, nil
}

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
func (n *Supernet) RandomChildren(count int, seed uint64) []quant.Assignment {
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	uniform := func(child, gate uint32) float64 {
		return float64(kernels.Philox([4]uint32{child, gate, 0, philoxRandom}, key)[0]) / (1 << 32)
	}
	seen := map[string]bool{}
	var out []quant.Assignment
	for child := uint32(0); len(out) < count && child < uint32(100*count); child++ {
		tilt := 6*uniform(child, math.MaxUint32) - 3
		choice := make([]int, len(n.Model.gates))
		for g, gate := range n.Model.gates {
			choice[g] = draw(len(gate.Bits), tilt, uniform(child, uint32(g)))
		}
		a := n.assignment(choice)
		if !seen[a.Key()] {
			seen[a.Key()] = true
			out = append(out, a)
		}
	}
	return out
}

// draw is the option that u in [0, 1) falls on under softmax(tilt*rank).
func draw(options int, tilt, u float64) int {
	p, total := make([]float64, options), 0.0
	for i := range p {
		p[i] = math.Exp(tilt * quant.Rank(i, options))
		total += p[i]
	}
	for i := range p {
		u -= p[i] / total
		if u < 0 {
			return i
		}
	}
	return options - 1
}
