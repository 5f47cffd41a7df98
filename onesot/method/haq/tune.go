package haq

import (
	"context"
	"errors"
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// tuner gives children their short fine-tune, always from the fp32 net and over the same images in the same order, so
// that what a child comes to depends on nothing but the child.
type tuner struct {
	p      *onesot.Problem
	epochs int
	images data.Split
	net    *onesot.Quantized
	judge  *onesot.Judge
	train  *onesot.Tuner // nil for 0 epochs
}

func newTuner(p *onesot.Problem, epochs, images int) *tuner {
	t := &tuner{p: p, epochs: epochs, images: p.Train}
	if images > 0 && images < p.Train.Len() {
		_, t.images = p.Train.Holdout(float64(images)/float64(p.Train.Len()), p.Settings.Seed)
	}
	t.net = onesot.NewQuantized(p, nn.Config{Norm: p.Settings.Norm, SharedWeights: p.Settings.SharedWeights})
	t.judge = onesot.NewJudge(p, t.net)
	if epochs > 0 {
		t.train = onesot.NewTuner(p, t.net, nil)
	}
	return t
}

func (t *tuner) free() {
	if t.train != nil {
		t.train.Free()
	}
	t.judge.Free()
	t.net.Free()
}

// tune fine-tunes a child, as part number part of parts of the Problem's trainings; the judge is then that of its net.
func (t *tuner) tune(ctx context.Context, p *onesot.Problem, a quant.Assignment, part, parts int) error {
	t.net.Start(p)
	t.net.Gates.SetChild(p.Space, a)
	t.judge.Forget()
	if t.epochs == 0 {
		return nil
	}
	return p.Run(ctx, &onesot.Training{Phase: onesot.PhaseSearch, Part: part, Parts: parts, Epochs: t.epochs, Trainer: t.train,
		Images: t.images, Save: func() error { return nil }}) // a state is an episode's
}

// score fine-tunes a child and gives its value on the validation split by the net's metric, 0 where it diverged.
func (t *tuner) score(ctx context.Context, a quant.Assignment, part, parts int) (accuracy float64, err error) {
	err = t.tune(ctx, t.p, a, part, parts)
	if errors.Is(err, onesot.ErrDiverged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	score := t.judge.Quick(a, t.p.Val.Len())
	if math.IsNaN(score.Loss) || math.IsInf(score.Loss, 0) {
		return 0, nil
	}
	return t.p.Metric().Of(score), nil
}

// judgeOf fine-tunes any child as an episode would, after the search, of which no trace is left on disk. The judge is
// good until the next call.
func (t *tuner) judgeOf(ctx context.Context, a quant.Assignment) (*onesot.Judge, error) {
	quiet := t.p.With(t.p.Settings)
	quiet.Options.Trained = false
	quiet.Options.Progress = func(onesot.Progress) {}
	if err := t.tune(ctx, quiet, a, 0, 1); err != nil {
		return nil, fmt.Errorf("haq: child %v: %w", a, err)
	}
	return t.judge, nil
}
