// Package restart is what the systems that search at one hardware penalty share: a ladder of penalties, a net trained
// from fp32 for each, and the child that each training ends with.
package restart

import (
	"context"
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Build makes the supernet of a penalty; those of all penalties have the same tensors.
type Build func(p *onesot.Problem, penalty float64) (*onesot.Supernet, error)

// Search trains a net for each penalty in p.Asked, or goes on with it, and evaluates each one's child in its own net.
// A child that two penalties led to is that of the smaller one.
func Search(ctx context.Context, p *onesot.Problem, build Build) (*onesot.Found, error) {
	l := &ladder{p: p, build: build, copies: make([][][]float32, len(p.Asked)), at: -1}
	if err := l.train(ctx); err != nil {
		return nil, err
	}
	found := &onesot.Found{Judge: l.judgeOf, Free: l.free}
	var err error
	if found.Points, err = l.evaluate(ctx); err != nil {
		l.free()
		return nil, err
	}
	found.Notes = l.notes
	return found, nil
}

// Check refuses penalties that cannot be.
func Check(p *onesot.Problem) error {
	if len(p.Asked) == 0 {
		return fmt.Errorf("no penalty is given; want one or more")
	}
	for _, penalty := range p.Asked {
		if !(penalty >= 0) || math.IsInf(penalty, 1) {
			return fmt.Errorf("penalty %g: want a number of 0 or more", penalty)
		}
	}
	return nil
}

// ladder is a search under way.
type ladder struct {
	p        *onesot.Problem
	build    Build
	copies   [][][]float32 // of the nets of each penalty, where there is no run directory to keep them in
	children []quant.Assignment
	notes    []string         // of each penalty's net that has channels to prune
	net      *onesot.Supernet // holds the net of penalty number `at`
	at       int
	judge    *onesot.Judge
}

// note is where the work stands: the state is that of penalty number Done, of which TrainingNote is done.
type note struct {
	Done int `json:"penalties_done"`
	onesot.TrainingNote
}

// train trains what is left, one penalty after the other, and puts each net aside.
func (l *ladder) train(ctx context.Context) error {
	n, net, err := l.resume()
	for err == nil && n.Done < len(l.p.Asked) {
		err = l.trainOne(ctx, net, &n)
		net = nil
	}
	return err
}

// resume reads the state, with the net that it is of, if any.
func (l *ladder) resume() (n note, net *onesot.Supernet, err error) {
	var failed error
	_, err = l.p.State.Read(&n, func() []nn.NamedTensor {
		if n.Done < 0 || n.Done >= len(l.p.Asked) {
			return nil
		}
		if net, failed = l.build(l.p, l.p.Asked[n.Done]); failed != nil {
			return nil
		}
		return net.State()
	})
	if failed != nil {
		err = failed
	}
	if err == nil && (n.Done < 0 || n.Done > len(l.p.Asked)) {
		err = fmt.Errorf("the state says that %d of %d penalties are done; it is damaged", n.Done, len(l.p.Asked))
	}
	if err != nil && net != nil {
		net.Free()
		net = nil
	}
	return n, net, err
}

// trainOne trains the net of penalty number n.Done, net or, where that is nil, a new one.
func (l *ladder) trainOne(ctx context.Context, net *onesot.Supernet, n *note) (err error) {
	if net == nil {
		if net, err = l.build(l.p, l.p.Asked[n.Done]); err != nil {
			return err
		}
		net.Start(l.p)
	}
	defer net.Free()
	save := func() error { return l.p.State.Write(n, net.State()) }
	if err := net.Train(ctx, l.p, n.Done, len(l.p.Asked), &n.TrainingNote, save); err != nil {
		return err
	}
	if err := l.keep(n.Done, net); err != nil {
		return err
	}
	*n = note{Done: n.Done + 1}
	if n.Done < len(l.p.Asked) {
		return nil
	}
	return l.p.State.Write(n, nil)
}
