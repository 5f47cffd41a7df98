package onesot

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
)

// Pretrainer trains the fp32 net that a supernet starts from, where no weights are given, by the settings'
// optimizer with a cosine learning rate.
type Pretrainer struct {
	Params   *nn.Params
	settings Settings
	scalars  *nn.Scalars
	plan     *nn.Plan
	feed     *nn.Feed
	descent  descent
	strata   strata
	deal     *deal
	history  history
	// One step is a launch of micro for each micro-batch, one of update.
	micro, update *cuda.Graph
}

// NewPretrainer compiles the training step of an fp32 net, which the ranks of w share where it has several micro-batches.
func NewPretrainer(w *job.World, params *nn.Params, s Settings, set *data.Set, a nn.Augment) *Pretrainer {
	t := &Pretrainer{Params: params, settings: s, scalars: nn.NewScalars(params.Dev), descent: newDescent(params.Dev, s)}
	micros := s.pretrainMicros()
	t.scalars.GradScale.Set([]float32{1 / float32(micros)})
	t.plan = nn.NewPlan(params, nil, t.scalars, nn.PlanOptions{Batch: s.Batch / micros, Train: true})
	t.feed = nn.NewFeed(t.plan, set.Mean, set.Std, a)
	t.strata = newStrata(params, micros)
	t.deal = newDeal(w, "--pretrain-micro-batches", micros, params, &t.strata)
	t.history = newHistory(params.Dev, t.deal, []*cuda.Tensor{t.plan.Loss})
	t.micro = t.deal.record(t.plan, func() {
		t.feed.Emit()
		t.plan.PackFilters()
		t.plan.Forward()
	}, func() {})
	t.update = params.Dev.Record(func() { t.descent.emit(params) })
	return t
}

// Start draws the filters that the net is trained from.
func (t *Pretrainer) Start() {
	t.Params.Init(t.settings.Seed)
	t.strata.start()
}

// State lists everything that training changes.
func (t *Pretrainer) State() []nn.NamedTensor { return append(t.Params.State(), t.strata.state()...) }

// Settle makes the batch-norm statistics of the net those of all micro-batches.
func (t *Pretrainer) Settle() { t.deal.settle() }

// drawPretrain keeps the augmentation of a Pretrainer apart from that of other trainings under the same seed.
const drawPretrain = 1 << 41

// Step trains on one batch: step of steps, the images of split at positions.
func (t *Pretrainer) Step(step, steps int, split data.Split, positions []int) Terms {
	t.Enqueue(step, steps, split, positions)
	all := t.Report()
	return all[len(all)-1]
}

// Enqueue puts a step on the device's queue; Report tells how it went.
func (t *Pretrainer) Enqueue(step, steps int, split data.Split, positions []int) {
	t.descent.set(t.settings.PretrainLR*(1+math.Cos(math.Pi*float64(step)/float64(steps)))/2, 0, step)
	t.deal.step(t.feed, t.micro, split, positions, nn.Draw{Seed: t.settings.Seed, Batch: drawPretrain}, step, &t.history)
	t.update.Launch()
	t.history.keepStep(0)
}

// Report is what the steps since the last report came to, in order. It waits for them. The slice is good until the
// next call.
func (t *Pretrainer) Report() []Terms { return t.history.losses(t.plan.Options.Batch) }

// Full tells whether the next step finds no room before Report.
func (t *Pretrainer) Full() bool { return t.history.full() }

// Free returns the training buffers; the parameters stay.
func (t *Pretrainer) Free() {
	t.micro.Free()
	t.update.Free()
	t.deal.free()
	t.strata.free()
	t.history.free()
	t.feed.Free()
	t.plan.Free()
	t.scalars.Free()
	t.descent.free()
}

// NonFinite names the first place where a value is NaN or infinite.
func (t *Pretrainer) NonFinite() string {
	if name := t.plan.NonFinite(); name != "" {
		return name
	}
	return "the loss"
}
