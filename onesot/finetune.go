package onesot

import (
	"context"
	"fmt"

	"vimps-gpu/quant"
)

// FineTuneName is the method that run.json records for a fine-tuning.
const FineTuneName = "finetune"

// startNet is the name under which a run keeps the net that its fine-tuning starts from.
const startNet = "start"

// FineTune is quantization-aware training of one child. It is a System, so that it has all that a search has: a run
// directory, resume, metrics, a report.
type FineTune struct {
	Child string // quant.Assignment as JSON
	// From names where the net to start from came from; it lies in the run directory. "fp32" starts from the fp32 net.
	From string
}

// FromFP32 is FineTune.From for a start from the fp32 net.
const FromFP32 = "fp32"

// Name is FineTuneName.
func (*FineTune) Name() string { return FineTuneName }

// About says what it is.
func (*FineTune) About() string { return "quantization-aware training of one child" }

// Defaults are the model's.
func (*FineTune) Defaults(s Settings) Settings { return s }

// Options are the child and the start, so that a run records them.
func (f *FineTune) Options() []Option {
	return []Option{{"assignment", "the child", &f.Child}, {"from", "what it starts from", &f.From}}
}

// Asks for nothing.
func (*FineTune) Asks() Asks { return Asks{Kind: AskBudgets} }

// Check wants a child of the space.
func (f *FineTune) Check(p *Problem) error {
	_, err := f.child(p)
	return err
}

func (f *FineTune) child(p *Problem) (quant.Assignment, error) {
	a, err := quant.ParseAssignment(p.Space, []byte(f.Child))
	if err != nil {
		return a, fmt.Errorf("--assignment: %w", err)
	}
	return a, nil
}

// StartFrom puts the net that a run's fine-tuning starts from into its directory. It is a child's alone, as Extract
// gives it.
func (s *Search) StartFrom(child *Quantized) error {
	return s.State.Keep(startNet, child.Params.State())
}

// Search trains the child.
func (f *FineTune) Search(ctx context.Context, p *Problem) (*Found, error) {
	a, err := f.child(p)
	if err != nil {
		return nil, err
	}
	net := NewChild(p, a)
	if err := f.train(ctx, p, net); err != nil {
		net.Free()
		return nil, err
	}
	judge := NewJudge(p, net)
	points := []Point{judge.Child(a, 0)}
	MarkFront(points)
	only := func(_ context.Context, other quant.Assignment) (*Judge, error) {
		if !other.Equal(a) {
			return nil, fmt.Errorf("the run holds one child's net, %v, and not that of %v", a, other)
		}
		return judge, nil
	}
	return &Found{Points: points, Judge: only, Free: func() { judge.Free(); net.Free() }}, nil
}

// train does what is left of the training of the child's net, which holds fp32's values.
func (f *FineTune) train(ctx context.Context, p *Problem, net *Quantized) error {
	if f.From != FromFP32 {
		found, err := p.State.Kept(startNet, net.Params.State())
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("the run directory lacks %s, the net that the fine-tuning starts from", netFile(startNet))
		}
	}
	net.strata.start()
	var note TrainingNote
	if _, err := p.State.Read(&note, net.State); err != nil {
		return err
	}
	return p.FineTune(ctx, net, &note, func() error { return p.State.Write(note, net.State()) })
}

// FineTune does what is left of the training of a child's net, by p.Settings. save, as of [Training], may be nil.
func (p *Problem) FineTune(ctx context.Context, child *Quantized, note *TrainingNote, save func() error) error {
	t := &Training{Phase: PhaseSearch, Epochs: p.Settings.Epochs, TrainingNote: *note}
	if t.Step == p.Steps(t) {
		return nil
	}
	tuner := NewTuner(p, child, nil)
	defer tuner.Free()
	t.Trainer = tuner
	t.Save = func() error {
		*note = t.TrainingNote
		if save == nil {
			return nil
		}
		return save()
	}
	return p.Run(ctx, t)
}

// With is the same problem for work by other settings that is not kept on disk, with an account of its own.
func (p *Problem) With(s Settings) *Problem {
	other := *p
	other.Settings, other.Account = s, &Account{}
	other.State = &Checkpoint{p: &other}
	return &other
}
