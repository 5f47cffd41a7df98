package onesot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// Phase is a part of a run.
type Phase string

// The phases of training, in order; evaluation follows.
const (
	PhaseFP32   Phase = "fp32"   // training of the fp32 net, where no weights were given
	PhaseSearch Phase = "search" // what the system trains
)

// ErrInterrupted ends a run that was asked to stop; its state is saved.
var ErrInterrupted = errors.New("interrupted; the state is saved")

// ErrDiverged ends a training whose loss or state is no longer finite.
var ErrDiverged = errors.New("training diverged")

// Progress is told of every step, of several at a time where a GPU is left to itself for as many.
type Progress struct {
	Metric      Metric // of the net
	Phase       Phase
	Part, Parts int // of the phase: trainings one after the other, from 0
	Step, Steps int // steps done, of the part
	Images      int // of one step
	Epochs      int
	Terms       Terms
	EpochEnd    bool
	Epoch       Terms // mean over the epoch, at its end
	First       int   // where this process began, and when
	Began       time.Time
}

// Trainer does steps. They are put on the device's queue, and what they came to is read when the trainer remembers no
// more, and before anything else happens: the end of an epoch, a save.
type Trainer interface {
	Enqueue(step, steps int, split data.Split, positions []int)
	Full() bool      // the next step finds no room before Report
	Report() []Terms // of the steps since the last report, in order
	NonFinite() string
	Settle() // brings together what the micro-batches left: before a save
}

// Training is a number of epochs with a Trainer.
type Training struct {
	Phase       Phase
	Part, Parts int // Parts 0: one
	Epochs      int
	Trainer     Trainer
	Images      data.Split // Len 0: the Problem's training images
	TrainingNote
	// Save puts the state on disk: every Options.SaveEvery steps, at the end, and where the context is cancelled.
	Save func() error
}

// TrainingNote is where a training stands, as a checkpoint notes it.
type TrainingNote struct {
	Step int   `json:"step"`
	Sum  Terms `json:"epoch_sum"` // of the epoch under way
}

// Run does what is left of a training. The order of the images depends on the seed and the epoch alone.
func (p *Problem) Run(ctx context.Context, t *Training) error {
	l := p.newLoop(t)
	if t.Step < 0 || t.Step > l.steps {
		return fmt.Errorf("the state says that step %d of %s is done, which has %d; %s is damaged", t.Step, t.Phase, l.steps, stateFile)
	}
	if err := p.State.truncateMetrics(t); err != nil {
		return err
	}
	if t.Step < l.steps && p.Options.Trained {
		return fmt.Errorf("the training has not ended (%s step %d of %d); go on with it by search --resume", t.Phase, t.Step, l.steps)
	}
	for t.Step < l.steps {
		if p.Stopped(ctx) != nil {
			if err := l.save(); err != nil {
				return err
			}
			return ErrInterrupted
		}
		l.enqueue(ctx)
		if err := l.report(); err != nil {
			return err
		}
		if t.Step-l.saved >= p.Options.SaveEvery || t.Step == l.steps {
			if err := l.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// save puts the state on disk.
func (l *loop) save() error {
	l.t.Trainer.Settle()
	if err := l.t.Save(); err != nil {
		return err
	}
	l.saved = l.t.Step
	return nil
}

// Stopped is the error of a cancelled context: in a job, of any rank's, so that all ranks stop at the same place. All call it together.
func (p *Problem) Stopped(ctx context.Context) error { return stopped(ctx, p.World) }

func stopped(ctx context.Context, w *job.World) error {
	if w.Any(ctx.Err() != nil) {
		return cmp.Or(ctx.Err(), context.Canceled)
	}
	return nil
}

// Steps is how many steps a training has.
func (p *Problem) Steps(t *Training) int { return p.newLoop(t).steps }

// loop is a training under way.
type loop struct {
	p                      *Problem
	t                      *Training
	images                 data.Split
	batch, perEpoch, steps int
	order                  []int
	ordered                int // epoch that order is of
	saved, first           int // steps done at the last save, and when this process began
	began                  time.Time
}

func (p *Problem) newLoop(t *Training) *loop {
	l := &loop{p: p, t: t, images: t.Images, batch: p.Settings.Batch, ordered: -1, saved: t.Step, first: t.Step, began: time.Now()}
	if l.images.Len() == 0 {
		l.images = p.Train
	}
	l.batch = min(l.batch, l.images.Len())
	l.perEpoch = l.images.Len() / l.batch // a last partial batch is dropped
	l.steps = t.Epochs * l.perEpoch
	l.order = make([]int, l.images.Len())
	return l
}

// enqueue puts steps on the device's queue until one must be reported.
func (l *loop) enqueue(ctx context.Context) {
	alone := l.p.World.Size() == 1 // ranks stop together, between reports
	for next := l.t.Step; (!alone || ctx.Err() == nil) && next < l.steps && !l.t.Trainer.Full() && (next == l.t.Step || !l.pause(next)); next++ {
		if epoch := next / l.perEpoch; epoch != l.ordered {
			nn.Order(l.order, l.p.Settings.Seed, epoch+l.t.Phase.epochBase())
			l.ordered = epoch
		}
		at := next % l.perEpoch * l.batch
		l.t.Trainer.Enqueue(next, l.steps, l.images, l.order[at:at+l.batch])
	}
}

// pause tells whether all steps before next must be reported before it may be put on the queue.
func (l *loop) pause(next int) bool {
	return next%l.perEpoch == 0 || next-l.saved >= l.p.Options.SaveEvery
}

// report takes in what the steps on the queue came to.
func (l *loop) report() error {
	t := l.t
	reports := t.Trainer.Report()
	for i, terms := range reports {
		if total := terms.Total(); math.IsNaN(total) || math.IsInf(total, 0) {
			return l.diverged(len(reports) - 1 - i)
		}
		t.Step++
		l.p.Account.Forward += int64(l.batch)
		l.p.Account.Backward += int64(l.batch)
		t.Sum.add(terms)
		now := Progress{Metric: l.p.Metric(), Phase: t.Phase, Part: t.Part, Parts: max(1, t.Parts), Step: t.Step, Steps: l.steps, Images: l.batch, Epochs: t.Epochs,
			Terms: terms, First: l.first, Began: l.began}
		if t.Step%l.perEpoch == 0 {
			now.EpochEnd, now.Epoch = true, t.Sum.scaled(1/float64(l.perEpoch))
			t.Sum = Terms{}
			if err := l.p.State.appendMetrics(metricsRow(now, l.perEpoch)); err != nil {
				return err
			}
		}
		l.p.Options.Progress(now)
	}
	return nil
}

// epochBase keeps the order of the images in the phases apart.
func (p Phase) epochBase() int {
	if p == PhaseFP32 {
		return 1 << 20
	}
	return 0
}

// diverged is the error of the next step, whose first values that are not finite the trainer names; later tells how
// many steps had been done by the time it was looked.
func (l *loop) diverged(later int) error {
	where := l.t.Trainer.NonFinite()
	if later > 0 {
		where += fmt.Sprintf(", as it is %d steps later", later)
	}
	return fmt.Errorf("%w at %s step %d: the loss is not finite, and the first values that are not are in %s; "+
		"lower the learning rates (--learning-rate, --step-learning-rate) or raise --warm-up; the state on disk is the good one of step %d",
		ErrDiverged, l.t.Phase, l.t.Step+1, where, l.saved)
}

func (t *Terms) add(o Terms) {
	t.Task += o.Task
	t.Accuracy += o.Accuracy
	if o.Eta > 0 {
		t.Eta += math.Log(o.Eta)
	}
	t.Hardware += o.Hardware
	t.Expected += o.Expected
	t.Argmax += o.Argmax
	t.Prior += o.Prior
	t.Entropy += o.Entropy
	t.Similarity += o.Similarity
}

// scaled is the mean of a sum over 1/f steps; Eta, summed as a logarithm, becomes its geometric mean.
func (t Terms) scaled(f float64) Terms {
	return Terms{Task: t.Task * f, Accuracy: t.Accuracy * f, Eta: math.Exp(t.Eta * f), Hardware: t.Hardware * f, Expected: t.Expected * f,
		Argmax: t.Argmax * f, Prior: t.Prior * f, Entropy: t.Entropy * f, Similarity: t.Similarity * f}
}
