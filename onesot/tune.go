package onesot

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Tuner is quantization-aware training of a net under a child that may change from step to step: the settings' optimizer
// on filters and norms, LogAdam on quantizer steps, both rates falling as a cosine (method.md, section 5,
// "Standalone"). What no gate chose has no gradient, but its momentum and, of filters, the decay go on.
type Tuner struct {
	net      *Quantized
	choose   func(step, steps int) quant.Assignment
	settings Settings
	scalars  *nn.Scalars
	plan     *nn.Plan
	feed     *nn.Feed
	descent  descent
	stepLR   *cuda.Tensor // f32 [1]
	stepBias *cuda.Tensor // f32 [2]
	deal     *deal
	history  history
	// One step is a launch of micro for each micro-batch, one of update.
	micro, update *cuda.Graph
}

// NewTuner compiles the training step of a net. choose names the child of each step; nil leaves the gates alone.
func NewTuner(p *Problem, q *Quantized, choose func(step, steps int) quant.Assignment) *Tuner {
	s, dev := p.Settings, q.Dev
	t := &Tuner{net: q, choose: choose, settings: s, scalars: nn.NewScalars(dev), descent: q.descent(), stepLR: dev.New(cuda.Float32, 1), stepBias: dev.New(cuda.Float32, 2)}
	micros := s.tuneMicros()
	t.scalars.GradScale.Set([]float32{1 / float32(micros)})
	t.plan = nn.NewPlan(q.Params, q.Gates, t.scalars, nn.PlanOptions{Batch: min(s.Batch, p.Train.Len()) / micros, Train: true})
	t.feed = nn.NewFeed(t.plan, p.Set.Mean, p.Set.Std, p.Model.Augment)
	t.deal = newDeal(p.World, "--tune-micro-batches", micros, q.Params, &q.strata)
	t.history = newHistory(dev, t.deal, []*cuda.Tensor{t.plan.Loss})
	t.micro = t.deal.record(t.plan, func() {
		cuda.Zero(q.Gates.DZ)
		t.feed.Emit()
		t.plan.PackFilters()
		t.plan.Forward()
	}, func() {})
	t.update = dev.Record(func() { q.emitUpdate(t.descent, t.stepLR, t.stepBias) })
	return t
}

// emitUpdate puts the optimizers' step on the queue.
func (q *Quantized) emitUpdate(d descent, stepLR, stepBias *cuda.Tensor) {
	for _, u := range d.codes {
		u.To()
	}
	d.emit(q.Params)
	s := q.Params.Groups[nn.Steps]
	cuda.LogAdam(s.Value, s.Grad, s.M, s.V, stepLR, stepBias, 0.9, 0.99, 1e-12)
	for _, u := range d.codes {
		u.From()
	}
}

// drawTune keeps the augmentation of a Tuner apart from that of other trainings under the same seed.
const drawTune = 1 << 42

// Enqueue puts a step on the device's queue; Report tells how it went.
func (t *Tuner) Enqueue(step, steps int, split data.Split, positions []int) {
	cosine := (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2
	t.descent.set(t.settings.LearningRate*cosine, t.settings.CodeLR*cosine, step)
	t.stepLR.Set([]float32{float32(t.settings.StepLR * cosine)})
	setBias(t.stepBias, 0.9, 0.99, step+1)
	if t.choose != nil {
		t.net.Gates.SetChild(t.net.Space, t.choose(step, steps))
	}
	t.deal.step(t.feed, t.micro, split, positions, nn.Draw{Seed: t.settings.Seed, Batch: drawTune}, step, &t.history)
	t.update.Launch()
	t.history.keepStep(0)
}

// Report is what the steps since the last report came to, in order. It waits for them. The slice is good until the
// next call.
func (t *Tuner) Report() []Terms { return t.history.losses(t.plan.Options.Batch) }

// Full tells whether the next step finds no room before Report.
func (t *Tuner) Full() bool { return t.history.full() }

// NonFinite names the first place where a value is NaN or infinite.
func (t *Tuner) NonFinite() string {
	if name := t.plan.NonFinite(); name != "" {
		return name
	}
	for _, s := range t.net.State() {
		if !isFinite(s.T.Get(nil)) {
			return s.Name
		}
	}
	return "the loss"
}

// Settle makes the net's batch-norm statistics those of all micro-batches.
func (t *Tuner) Settle() { t.deal.settle() }

// Free returns the training buffers; the net stays.
func (t *Tuner) Free() {
	t.micro.Free()
	t.update.Free()
	t.deal.free()
	t.history.free()
	t.feed.Free()
	t.plan.Free()
	t.scalars.Free()
	t.descent.free()
	for _, s := range []*cuda.Tensor{t.stepLR, t.stepBias} {
		s.Free()
	}
}
