// Package singlepath is what SPOS, FN3 and Bit-Mixer share: a supernet of which every training step trains one child, and
// a search after it whose measurements outlive a kill.
package singlepath

import (
	"context"
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Supernet is a trained net whose children are measured; M is what a measurement gives.
type Supernet[M any] struct {
	Net   *onesot.Quantized
	Judge *onesot.Judge

	p     *onesot.Problem
	note  note[M]
	dirty bool // a measurement is not on disk
}

// note is where the work stands. Measurements are all that a search leaves behind: one that is begun again asks for the
// same in the same order, and goes on where the first not known is asked for.
type note[M any] struct {
	onesot.TrainingNote
	Measured map[string]M `json:"measured,omitempty"`
}

// Train trains a net from fp32, or goes on with it, under the child that choose names for each step.
func Train[M any](ctx context.Context, p *onesot.Problem, c nn.Config, choose func(step, steps int) quant.Assignment) (*Supernet[M], error) {
	n := &Supernet[M]{p: p, Net: onesot.NewQuantized(p, c)}
	n.Net.Gates.Quantizer = c.Quantizer
	if err := n.train(ctx, choose); err != nil {
		n.Net.Free()
		return nil, err
	}
	n.Judge = onesot.NewJudge(p, n.Net)
	return n, nil
}

func (n *Supernet[M]) train(ctx context.Context, choose func(step, steps int) quant.Assignment) error {
	if _, err := n.p.State.Read(&n.note, n.Net.State); err != nil {
		return err
	}
	if n.note.Measured == nil {
		n.note.Measured = map[string]M{}
	}
	t := &onesot.Training{Phase: onesot.PhaseSearch, Epochs: n.p.Settings.Epochs, TrainingNote: n.note.TrainingNote}
	if t.Step == n.p.Steps(t) {
		return nil
	}
	tuner := onesot.NewTuner(n.p, n.Net, choose)
	defer tuner.Free()
	t.Trainer = tuner
	t.Save = func() error {
		n.note.TrainingNote = t.TrainingNote
		return n.write()
	}
	return n.p.Run(ctx, t)
}

func (n *Supernet[M]) write() error { return n.p.State.Write(n.note, n.Net.State()) }

// Measure is what f gives, remembered by name. A cancelled context ends the work before f runs, the state saved.
func (n *Supernet[M]) Measure(ctx context.Context, name string, f func() (M, error)) (M, error) {
	m, known := n.note.Measured[name]
	if known {
		return m, nil
	}
	if n.p.Stopped(ctx) != nil {
		if err := n.Save(); err != nil {
			return m, err
		}
		return m, onesot.ErrInterrupted
	}
	m, err := f()
	if err == nil {
		n.note.Measured[name] = m
		n.dirty = true
	}
	return m, err
}

// Score is a child's on the first images of the validation split.
func (n *Supernet[M]) Score(a quant.Assignment, images int) (nn.Score, error) {
	s := n.Judge.Quick(a, images)
	if math.IsNaN(s.Loss) || math.IsInf(s.Loss, 0) {
		return s, fmt.Errorf("%w: the loss of the child %v is not finite", onesot.ErrDiverged, a)
	}
	return s, nil
}

// Save puts new measurements on disk.
func (n *Supernet[M]) Save() error {
	if !n.dirty {
		return nil
	}
	n.dirty = false
	return n.write()
}

// Found evaluates children, which need not be distinct, in the net. It owns the net, unless there is an error.
func (n *Supernet[M]) Found(ctx context.Context, children []quant.Assignment) (*onesot.Found, error) {
	found := &onesot.Found{Free: n.Free, Judge: func(context.Context, quant.Assignment) (*onesot.Judge, error) { return n.Judge, nil }}
	var err error
	found.Points, err = found.Evaluate(ctx, distinct(children), func(done, of int) { n.p.Options.Evaluated("children", done, of) })
	return found, err
}

// Free returns the memory.
func (n *Supernet[M]) Free() {
	n.Judge.Free()
	n.Net.Free()
}

// distinct keeps the first of equal children.
func distinct(children []quant.Assignment) []quant.Assignment {
	seen := map[string]bool{}
	var out []quant.Assignment
	for _, a := range children {
		if !seen[a.Key()] {
			seen[a.Key()] = true
			out = append(out, a)
		}
	}
	return out
}
