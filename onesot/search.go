package onesot

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
	"vimps-gpu/quant"
)

// Phase is a part of a run.
type Phase string

// The phases of training, in order; the sweep follows.
const (
	PhaseFP32   Phase = "fp32"   // training of the fp32 net, where no weights were given
	PhaseSearch Phase = "search" // training of the supernet
)

// ErrInterrupted ends a run that was asked to stop; its state is saved.
var ErrInterrupted = errors.New("interrupted; the state is saved")

// ErrDiverged ends a training whose loss or state is no longer finite.
var ErrDiverged = errors.New("training diverged")

// Progress is told of every step, of several at a time where a GPU is left to itself for as many.
type Progress struct {
	Phase       Phase
	Step, Steps int // steps done, of the phase
	Images      int // of one step
	Epochs      int
	Terms       Terms
	EpochEnd    bool
	Epoch       Terms // mean over the epoch, at its end
	First       int   // where this process began, and when
	Began       time.Time
}

// Options of running that do not change what is computed.
type Options struct {
	SaveEvery int // steps between states on disk
	Progress  func(Progress)
}

// StepMemory is the bytes of device memory that a supernet's training holds.
type StepMemory struct {
	Parameters int64 // filters of every bit width, norms, steps, theta, with gradients and moments
	Forward    int64 // activations kept for the backward pass, mixed inputs (one copy, whatever the bit widths), packed filters
	Backward   int64 // activation gradients, and sums for the parameters' gradients
}

// Search is a run in memory.
type Search struct {
	Space *quant.Space
	Cost  *quant.CostTable
	Net   *Supernet
	FP32  *Accuracy // of the fp32 net; nil until it is known
	// Memory is what the supernet's training held; zero where this process did not train.
	Memory StepMemory

	run        *Run
	dev        *cuda.Device
	set        *data.Set
	train, val data.Split
	model      model.Model
	graph      *nn.Graph
	phase      Phase
	step       int   // done in this phase
	sum        Terms // of the epoch under way
	fp32       *nn.Params
	arithmetic string // that trained the state on disk; "" where there is none
}

// NewSearch builds what a run needs from its configuration and data. custom, where not nil, makes the cost table that
// replaces BOPs.
func NewSearch(dev *cuda.Device, run *Run, set *data.Set, custom func(*quant.Space) (*quant.CostTable, error)) (*Search, error) {
	c := run.Config
	if c.DataHash != set.Hash {
		return nil, fmt.Errorf("data %s: its images are not those of the run in %s (sha256 %.12s..., then %.12s...)", c.Data, run.Dir, set.Hash, c.DataHash)
	}
	s := &Search{run: run, dev: dev, set: set, phase: PhaseFP32}
	var err error
	if s.model, err = model.Find(c.Model); err != nil {
		return nil, err
	}
	if s.graph, s.Space, err = NetAndSpace(c, set); err != nil {
		return nil, err
	}
	s.Cost = quant.BOPs(s.Space)
	if custom != nil {
		if s.Cost, err = custom(s.Space); err != nil {
			return nil, err
		}
	}
	s.train, s.val = Splits(c, set)
	if s.train.Len() < c.Settings.Batch {
		return nil, fmt.Errorf("--batch %d: there are only %d training images", c.Settings.Batch, s.train.Len())
	}
	s.Net, err = NewSupernet(dev, s.graph, s.Space, s.Cost, c.Settings)
	return s, err
}

// Train runs what is left of the training, from the state on disk where resume is set.
func (s *Search) Train(ctx context.Context, resume bool, o Options) error {
	if resume {
		if err := s.resume(); err != nil {
			return err
		}
		if err := s.run.truncateMetrics(s.phase, s.step); err != nil {
			return err
		}
	}
	if s.phase == PhaseFP32 {
		if err := s.trainFP32(ctx, o); err != nil {
			return err
		}
		s.startSearch()
	}
	before := s.dev.Bytes()
	s.Net.PrepareTraining(s.set, s.model.Augment)
	s.Memory = StepMemory{Parameters: before, Forward: s.Net.plan.ForwardBytes, Backward: s.Net.plan.BackwardBytes}
	defer s.Net.FinishTraining()
	return s.loop(ctx, o, s.run.Config.Settings.Epochs, s.Net)
}

// trainFP32 reads the fp32 net or trains it.
func (s *Search) trainFP32(ctx context.Context, o Options) error {
	c := s.run.Config
	p := s.fp32Params()
	if c.Weights != "" {
		f, err := weights.ReadFile(c.Weights)
		if err != nil {
			return fmt.Errorf("--weights: %w", err)
		}
		if _, err := p.Load(f); err != nil {
			return fmt.Errorf("--weights: %w", err)
		}
		return nil
	}
	if s.step == 0 {
		p.Init(c.Settings.Seed)
	}
	t := NewPretrainer(p, c.Settings, s.set, s.model.Augment)
	defer t.Free()
	return s.loop(ctx, o, c.Settings.PretrainEpochs, t)
}

func (s *Search) fp32Params() *nn.Params {
	if s.fp32 == nil {
		s.fp32 = nn.NewParams(s.dev, s.graph, nn.Config{})
	}
	return s.fp32
}

// startSearch evaluates the fp32 net and gives its values to the supernet.
func (s *Search) startSearch() {
	e := nn.NewEvaluator(s.fp32, nil, s.set, s.model.Augment)
	s.FP32 = &Accuracy{Val: e.Score(s.val).Accuracy(), Test: e.Score(s.set.Test).Accuracy()}
	e.Free()
	s.Net.Params.Start(s.fp32, s.set, s.train)
	s.fp32.Free()
	s.fp32 = nil
	s.phase, s.step, s.sum = PhaseSearch, 0, Terms{}
}

// trainer does the steps of a phase.
type trainer interface {
	Enqueue(step, steps int, split data.Split, positions []int)
	full() bool
	Report() []Terms
	nonFinite() string
}

// loop trains for a number of epochs, from s.step on. Steps are put on the device's queue, and what they came to is
// read when the trainer remembers no more, and before anything else happens: the end of an epoch, a save.
func (s *Search) loop(ctx context.Context, o Options, epochs int, t trainer) error {
	batch := s.run.Config.Settings.Batch
	perEpoch := s.train.Len() / batch // a last partial batch is dropped
	steps := epochs * perEpoch
	order := make([]int, s.train.Len())
	ordered, saved, first, began := -1, s.step, s.step, time.Now()
	for s.step < steps {
		if ctx.Err() != nil {
			if err := s.save(); err != nil {
				return err
			}
			return ErrInterrupted
		}
		for next := s.step; ctx.Err() == nil && next < steps && !t.full() && (next == s.step || !s.pause(next, perEpoch, saved, o)); next++ {
			if epoch := next / perEpoch; epoch != ordered {
				nn.Order(order, s.run.Config.Settings.Seed, epoch+s.phase.epochBase())
				ordered = epoch
			}
			at := next % perEpoch * batch
			t.Enqueue(next, steps, s.train, order[at:at+batch])
		}
		reports := t.Report()
		for i, terms := range reports {
			if total := terms.Total(); math.IsNaN(total) || math.IsInf(total, 0) {
				return s.diverged(saved, t.nonFinite(), len(reports)-1-i)
			}
			s.step++
			p := Progress{Phase: s.phase, Step: s.step, Steps: steps, Images: batch, Epochs: epochs, Terms: terms, First: first, Began: began}
			if err := s.reported(p, perEpoch, o); err != nil {
				return err
			}
		}
		if s.step-saved >= o.SaveEvery || s.step == steps {
			if err := s.save(); err != nil {
				return err
			}
			saved = s.step
		}
	}
	return nil
}

// pause tells whether all steps before next must be reported before it may be put on the queue.
func (s *Search) pause(next, perEpoch, saved int, o Options) bool {
	return next%perEpoch == 0 || next-saved >= o.SaveEvery
}

// reported takes in what a step came to.
func (s *Search) reported(p Progress, perEpoch int, o Options) error {
	s.sum.add(p.Terms)
	if s.step%perEpoch == 0 {
		p.EpochEnd, p.Epoch = true, s.sum.scaled(1/float64(perEpoch))
		s.sum = Terms{}
		if err := s.run.appendMetrics(metricsRow(p, perEpoch)); err != nil {
			return err
		}
	}
	o.Progress(p)
	return nil
}

// epochBase keeps the order of the images in the phases apart.
func (p Phase) epochBase() int {
	if p == PhaseFP32 {
		return 1 << 20
	}
	return 0
}

// diverged is the error of step s.step, whose first values that are not finite are in where; later tells how many
// steps had been done by the time it was looked.
func (s *Search) diverged(saved int, where string, later int) error {
	if later > 0 {
		where += fmt.Sprintf(", as it is %d steps later", later)
	}
	return fmt.Errorf("%w at %s step %d: the loss is not finite, and the first values that are not are in %s; "+
		"lower the learning rates (--learning-rate, --step-learning-rate) or raise --warm-up; the state on disk is the good one of step %d",
		ErrDiverged, s.phase, s.step+1, where, saved)
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

// Judge compiles the evaluation of children on the run's splits.
func (s *Search) Judge() *Judge { return NewJudge(s.Net, s.set, s.train, s.val, s.model.Augment) }

// Front gathers evaluated children.
func (s *Search) Front(points []Point) *Front {
	c := s.run.Config
	return &Front{Method: string(c.Settings.Method), Model: c.Model, Data: c.Data, FP32: s.FP32, Points: points,
		Cost: CostInfo{Name: s.Cost.Name, Unit: s.Cost.Unit, Definition: s.Cost.Definition, Max: s.Cost.Max()}}
}
