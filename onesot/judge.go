package onesot

import (
	"context"
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Judge evaluates children of one net, each distinct one once.
type Judge struct {
	Net  *Quantized
	p    *Problem
	eval *nn.Evaluator
	size *quant.CostTable
	bops *quant.CostTable
	acts *quant.Memory
	seen map[string]Point
}

// NewJudge compiles evaluation.
func NewJudge(p *Problem, q *Quantized) *Judge {
	return &Judge{
		Net: q, p: p, eval: nn.NewEvaluator(q.Params, q.Gates, p.Set, p.Model.Augment),
		size: quant.SizeBytes(p.Space), bops: quant.BOPs(p.Space), acts: p.Graph.Memory(), seen: map[string]Point{},
	}
}

// Free returns the memory of the evaluation; the net stays.
func (j *Judge) Free() { j.eval.Free() }

// Forget makes the Judge evaluate every child again: the net was changed.
func (j *Judge) Forget() { clear(j.seen) }

// Child evaluates one child, found at a penalty eta (0: not by one).
func (j *Judge) Child(a quant.Assignment, eta float64) Point {
	if p, ok := j.seen[a.Key()]; ok {
		p.Eta = eta
		return p
	}
	return j.point(a, eta, j.scores(a))
}

// scores evaluates one child on both splits.
func (j *Judge) scores(a quant.Assignment) (s scores) {
	s.Val, s.Test = j.score(a, j.eval.Score)
	return s
}

// scores are those of a child on both splits.
type scores struct{ Val, Test nn.Score }

// point is a child with its scores.
func (j *Judge) point(a quant.Assignment, eta float64, s scores) Point {
	m := j.p.Metric()
	p := Point{
		Metric: m, Eta: eta, BOPs: j.bops.Cost(a), RelativeBOPs: j.bops.Relative(a), SizeBytes: j.size.Cost(a), MemoryBytes: j.acts.Peak(a), Cost: j.p.Cost.Cost(a),
		AccuracyVal: m.Of(s.Val), AccuracyTest: m.Of(s.Test), LossVal: s.Val.Loss, Assignment: a,
	}
	j.seen[a.Key()] = p
	return p
}

// Quick scores one child on the first images of the validation split.
func (j *Judge) Quick(a quant.Assignment, images int) (s nn.Score) {
	j.with(a, func() { s = j.counted(j.eval.Score, j.p.Val.First(images)) })
	return s
}

// Integer evaluates one child by its exact integer arithmetic, the statistics as in Child. Nested quantizers have none.
func (j *Judge) Integer(a quant.Assignment) (val, test nn.Score, err error) {
	if q := j.Net.Params.Config.Quantizer; q != nn.LSQ {
		return val, test, fmt.Errorf("a net with the %v quantizer has no integer arithmetic; that of a child of it that was fine-tuned has", q)
	}
	val, test = j.score(a, j.eval.ScoreInteger)
	return val, test, nil
}

// score evaluates a child on the validation and the test split, with the statistics that the settings want.
func (j *Judge) score(a quant.Assignment, by func(data.Split) nn.Score) (val, test nn.Score) {
	j.with(a, func() {
		val = j.counted(by, j.p.Val)
		j.p.Account.uncounted(func() { test = by(j.p.Set.Test) })
	})
	return val, test
}

func (j *Judge) counted(by func(data.Split) nn.Score, s data.Split) nn.Score {
	j.p.Account.Forward += int64(s.Len())
	return by(s)
}

// with runs f while the net is child a, its statistics re-estimated where the settings want it.
func (j *Judge) with(a quant.Assignment, f func()) {
	q, s := j.Net, j.p.Settings
	q.setChild(a)
	if s.Recalibrate {
		j.p.Account.Forward += int64(j.eval.Recalibrate(j.p.Train, s.RecalibrateSize, s.Seed))
		defer j.eval.Restore()
	}
	f()
}

// Children evaluates the distinct children of predictions, the all-maximum end first, and marks the front. after is
// called with each point; a cancelled context ends the work with its error.
func (j *Judge) Children(ctx context.Context, predictions []Prediction, after func(done, of int, p Point)) ([]Point, error) {
	distinct := Distinct(predictions)
	points, err := evaluate(ctx, j.p.World, len(distinct), func(i int) (asked, error) {
		return asked{judge: j, child: distinct[i].Child, eta: distinct[i].Eta}, nil
	}, after)
	if err != nil {
		return nil, err
	}
	MarkFront(points)
	return points, nil
}

// Evaluate is what the system believes of children, and marks those that no other of them beats. after is called with
// each; a cancelled context ends the work with its error.
func (f *Found) Evaluate(ctx context.Context, children []quant.Assignment, after func(done, of int)) ([]Point, error) {
	if len(children) == 0 {
		return nil, ctx.Err()
	}
	first, err := f.Judge(ctx, children[0])
	if err != nil {
		return nil, err
	}
	points, err := evaluate(ctx, first.p.World, len(children), func(i int) (asked, error) {
		j, err := f.Judge(ctx, children[i])
		return asked{judge: j, child: children[i]}, err
	}, func(done, of int, _ Point) { after(done, of) })
	if err != nil {
		return nil, err
	}
	MarkFront(points)
	return points, nil
}
