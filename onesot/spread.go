package onesot

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// asked is a child to evaluate: in which net, and the eta that it was found at.
type asked struct {
	judge *Judge
	child quant.Assignment
	eta   float64
	known *Point // where it was evaluated before; the judge forgets that when it is given another net
}

// outcome is what a rank tells the others of a child that it evaluated.
type outcome struct {
	Scores   scores `json:"scores"`
	Forward  int64  `json:"forward_images"`
	Diverged string `json:"diverged,omitempty"` // how scores are not finite; no file of a run holds such
}

// evaluate evaluates n children, child i by rank i%N of a job; every rank gets all points. get gives child i, on every rank and in
// order, since it may put another net in place. after is called with each point; a cancelled context ends the work with its error.
func evaluate(ctx context.Context, w *job.World, n int, get func(i int) (asked, error), after func(done, of int, p Point)) ([]Point, error) {
	points := make([]Point, 0, n)
	for from := 0; from < n; from += w.Size() {
		if err := stopped(ctx, w); err != nil {
			return nil, err
		}
		var round []asked
		var own outcome
		for i := from; i < min(from+w.Size(), n); i++ {
			a, err := get(i)
			if err != nil {
				return nil, err
			}
			if p, seen := a.judge.seen[a.child.Key()]; seen {
				a.known = &p
			}
			round = append(round, a)
			if i-from == w.Rank() {
				own = a.outcome()
			}
		}
		all, err := exchange(w, own)
		if err != nil {
			return nil, err
		}
		for k, a := range round {
			if all[k].Diverged != "" {
				return nil, fmt.Errorf("child %v: %s", a.child, all[k].Diverged)
			}
			points = append(points, a.point(all[k], k == w.Rank()))
			after(from+k+1, n, points[from+k])
		}
	}
	return points, nil
}

// exchange gives every rank the outcomes of all.
func exchange(w *job.World, own outcome) ([]outcome, error) {
	if w.Size() == 1 {
		return []outcome{own}, nil
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	all := make([]outcome, w.Size())
	for rank, b := range w.Gather(text) {
		if err := json.Unmarshal(b, &all[rank]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// outcome evaluates the child, unless it was evaluated before.
func (a asked) outcome() outcome {
	if a.known != nil {
		return outcome{}
	}
	account := a.judge.p.Account
	before := account.Forward
	s := a.judge.scores(a.child)
	for _, of := range []struct {
		split string
		score nn.Score
	}{{"validation", s.Val}, {"test", s.Test}} {
		if v := of.score.Loss + of.score.PSNR; math.IsNaN(v) || math.IsInf(v, 0) {
			return outcome{Diverged: fmt.Sprintf("its loss on the %s images is %g", of.split, of.score.Loss)}
		}
	}
	return outcome{Scores: s, Forward: account.Forward - before}
}

// point is the child with what a rank, this one or another, found.
func (a asked) point(o outcome, own bool) Point {
	if a.known != nil {
		p := *a.known
		p.Eta = a.eta
		return p
	}
	if p, seen := a.judge.seen[a.child.Key()]; seen { // by an equal child of the round
		p.Eta = a.eta
		return p
	}
	if !own {
		a.judge.p.Account.Forward += o.Forward
	}
	return a.judge.point(a.child, a.eta, o.Scores)
}
