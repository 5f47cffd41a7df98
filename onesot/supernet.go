package onesot

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Supernet is a net that holds every candidate bit width, with the gating that chooses among them, compiled for training on
// a device.
type Supernet struct {
	*Quantized
	World *job.World // whose ranks share the steps; nil: this process alone

	plan    *nn.Plan
	feed    *nn.Feed
	scalars *nn.Scalars
	ctl     control
	terms   terms
	gating  gating
	own     tensors
	deal    *deal
	// One step is G launches of micro, one of theta or freeze, one of update.
	micro, update, theta, freeze *cuda.Graph
	predict                      *cuda.Graph   // u -> law
	relative                     [][][]float32 // normalised cost of the searched layers
	searched                     []int         // layers
	history                      history
	choice                       []int // of each gate; room for what Report computes
}

// control is the device numbers that change from step to step.
type control struct {
	eta, temperature, lambda, mu *cuda.Tensor // f32 [1]
	stepLR, thetaLR              *cuda.Tensor // f32 [1]
	descent                      descent
	stepBias, thetaBias          *cuda.Tensor // f32 [2]: 1-beta^t
	mode                         *cuda.Tensor // i32 [1]: how the gating samples
	noise                        *cuda.Tensor // u32 [4]: seed, step, micro-batch
	factor, costWeight           *cuda.Tensor // f32 [1]: DNAS's factor on the task loss, weight of dE/dz
}

// terms are the parts of the objective of the last micro-batch, f32 [1] each.
type terms struct {
	cost, prior, entropy *cuda.Tensor
	all                  *cuda.Tensor // f32 [3]: the three above
	similarity, partial  *cuda.Tensor // f32 [layers]; what Similarity uses beside
}

// NewSupernet allocates a supernet for a net, every gate chosen for itself. It predicts and its children can be evaluated;
// [Supernet.PrepareTraining] readies it for steps.
func NewSupernet(dev *cuda.Device, g *nn.Graph, space *quant.Space, cost *quant.CostTable, s Settings) (*Supernet, error) {
	return newSupernet(dev, g, cost, s, nn.Config{Space: space, Norm: s.Norm, SharedWeights: s.SharedWeights}, newConcrete)
}

func newSupernet(dev *cuda.Device, g *nn.Graph, cost *quant.CostTable, s Settings, c nn.Config, gates func(*Supernet) gating) (*Supernet, error) {
	h, err := cost.Normalised()
	if err != nil {
		return nil, err
	}
	n := &Supernet{relative: h, searched: c.Space.Searched(), choice: make([]int, len(c.Space.Gates())), own: tensors{dev: dev}}
	n.Quantized = newQuantized(dev, g, cost, s, c, s.MicroBatches)
	n.scalars = nn.NewScalars(dev)
	n.scalars.GradScale.Set([]float32{1 / float32(s.MicroBatches)})
	n.allocate()
	n.gating = gates(n)
	n.predict = dev.Record(n.gating.emitLaw)
	return n, nil
}

// Free returns all memory.
func (n *Supernet) Free() {
	n.predict.Free()
	n.own.free()
	n.Quantized.Free()
}

// Start gives the supernet the values of a Problem's fp32 net.
func (n *Supernet) Start(p *Problem) {
	p.startFromFP32(n.Params)
	n.strata.start()
}

// Train does what is left of the supernet's training on a Problem's images, its part-th of several; note says how much has been done, and is
// kept up to date for save, which puts it and State on disk.
func (n *Supernet) Train(ctx context.Context, p *Problem, part, parts int, note *TrainingNote, save func() error) error {
	t := &Training{Phase: PhaseSearch, Part: part, Parts: parts, Epochs: n.Settings.Epochs, Trainer: n, TrainingNote: *note}
	t.Save = func() error {
		*note = t.TrainingNote
		return save()
	}
	if note.Step == p.Steps(t) {
		return nil
	}
	n.World = p.World
	before := n.Dev.Bytes()
	n.PrepareTraining(p.Set, p.Model.Augment)
	p.Memory = StepMemory{Parameters: before, Forward: n.plan.ForwardBytes, Backward: n.plan.BackwardBytes}
	defer n.FinishTraining()
	return p.Run(ctx, t)
}

// PrepareTraining compiles the training step for the images of a data set.
func (n *Supernet) PrepareTraining(set *data.Set, a nn.Augment) {
	s := n.Settings
	n.plan = nn.NewPlan(n.Params, n.Gates, n.scalars, nn.PlanOptions{Batch: s.Batch / s.MicroBatches, Train: true, LossScale: n.lossScale()})
	n.feed = nn.NewFeed(n.plan, set.Mean, set.Std, a)
	t := n.gating.parameters()
	n.deal = newDeal(cmp.Or(n.World, job.Alone()), "--micro-batches", s.MicroBatches, n.Params, &n.strata, t.Grad)
	n.history = newHistory(n.Dev, n.deal, []*cuda.Tensor{n.plan.Loss, n.terms.all, n.gating.law()}, n.terms.similarity)
	n.micro = n.deal.record(n.plan, func() { n.emitForward(n.feed.Emit) }, n.gating.emitGrad)
	n.update = n.Dev.Record(n.emitStep)
	n.theta = n.Dev.Record(func() { cuda.Adam(t.Value, t.Grad, t.M, t.V, n.ctl.thetaLR, n.ctl.thetaBias, 0.9, 0.999, 1e-8) })
	n.freeze = n.Dev.Record(func() { cuda.Zero(t.Grad) })
}

// Settle makes the net's batch-norm statistics those of all micro-batches.
func (n *Supernet) Settle() { n.deal.settle() }

// FinishTraining returns the memory that only steps need.
func (n *Supernet) FinishTraining() {
	for _, g := range []*cuda.Graph{n.micro, n.update, n.theta, n.freeze} {
		g.Free()
	}
	n.deal.free()
	n.history.free()
	n.feed.Free()
	n.plan.Free()
	n.plan, n.feed = nil, nil
}

func (n *Supernet) allocate() {
	own := &n.own
	n.ctl = control{
		eta: own.scalar(0), temperature: own.scalar(1), lambda: own.scalar(float32(n.Settings.Lambda)), mu: own.scalar(0),
		descent: n.Quantized.descent(), stepLR: own.scalar(0), thetaLR: own.scalar(0), stepBias: own.zeros(2), thetaBias: own.zeros(2),
		mode: own.ints([]int32{0}, 1), noise: own.keep(n.Dev.New(cuda.Uint32, 4)), factor: own.scalar(1), costWeight: own.scalar(0),
	}
	all := own.zeros(3)
	n.terms = terms{cost: all.View(0, 1), prior: all.View(1, 1), entropy: all.View(2, 1), all: all,
		similarity: own.zeros(len(n.searched)), partial: n.similarityPartial()}
	for _, t := range append(n.ctl.descent.tensors(), n.scalars.GradScale, n.scalars.Momentum, n.scalars.U) {
		own.keep(t)
	}
}

// similarityPartial is room for the kernel similarity of one layer after the other.
func (n *Supernet) similarityPartial() *cuda.Tensor {
	size := 1
	for _, layer := range n.searched {
		size = max(size, cuda.SimilarityPartialLen(n.Params.Layers[layer].W))
	}
	return n.own.zeros(size)
}

// lossScale is DNAS's factor on the task loss; nil for the additive methods.
func (n *Supernet) lossScale() *cuda.Tensor {
	if n.Settings.Method == DNAS {
		return n.ctl.factor
	}
	return nil
}

// emitForward is one micro-batch up to its loss: eta -> law -> gates, their terms -> images -> forward.
func (n *Supernet) emitForward(images func()) {
	cuda.Zero(n.Gates.DZ)
	n.gating.emitSample()
	images()
	n.plan.PackFilters()
	n.plan.Forward()
}

// emitStep is the kernel similarity term and the optimizers of filters, affine parameters and steps.
func (n *Supernet) emitStep() {
	if n.Settings.Mu > 0 && !n.Settings.SharedWeights {
		for k, layer := range n.searched {
			l := n.Params.Layers[layer]
			cuda.Similarity(n.terms.similarity.View(k, 1), l.DW, n.terms.partial, l.W, n.ctl.mu)
		}
	}
	n.emitUpdate(n.ctl.descent, n.ctl.stepLR, n.ctl.stepBias)
}

// State lists everything that training changes.
func (n *Supernet) State() []nn.NamedTensor {
	t := n.gating.parameters()
	return append(n.Quantized.State(), nn.NamedTensor{Name: "theta", T: t.Value},
		nn.NamedTensor{Name: "theta.moment", T: t.M}, nn.NamedTensor{Name: "theta.moment2", T: t.V})
}

// NonFinite names the first place in the net, in forward order, where a value is NaN or infinite: of what the last
// step computed, else of what training changes, else of the objective's terms.
func (n *Supernet) NonFinite() string {
	if name := n.plan.NonFinite(); name != "" {
		return name
	}
	for _, t := range n.State() {
		if !isFinite(t.T.Get(nil)) {
			return t.Name
		}
	}
	for k, layer := range n.Space.Searched() {
		if !isFinite([]float32{n.terms.similarity.At(k)}) {
			return "the kernel similarity of " + n.Space.Layers[layer].Name
		}
	}
	return fmt.Sprintf("the objective (%d gates)", len(n.choice))
}

func isFinite(values []float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
