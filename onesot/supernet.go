package onesot

import (
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/quant"
)

// Supernet is a net that holds every candidate bit width, with the BitModel that chooses among them, compiled
// for training on a device.
type Supernet struct {
	Settings Settings
	Space    *quant.Space
	Cost     *quant.CostTable
	Params   *nn.Params
	Gates    *nn.Gates
	Model    *BitModel

	dev     *cuda.Device
	plan    *nn.Plan
	feed    *nn.Feed
	scalars *nn.Scalars
	ctl     control
	gate    cuda.GateTensors
	terms   terms
	cost    cuda.CostTensors
	// One step is G launches of micro, one of theta or freeze, one of update.
	micro, update, theta, freeze *cuda.Graph
	predict                      *cuda.Graph   // u -> logits and pi
	relative                     [][][]float32 // normalised cost of the searched layers
	searched                     []int         // layers
	history                      history
	choice                       []int // of each gate; room for what Report computes
}

// control is the device numbers that change from step to step.
type control struct {
	eta, temperature, lambda, mu *cuda.Tensor // f32 [1]
	lr, stepLR, thetaLR          *cuda.Tensor // f32 [1]
	stepBias, thetaBias          *cuda.Tensor // f32 [2]: 1-beta^t
	mode                         *cuda.Tensor // i32 [1]: gate mode
	noise                        *cuda.Tensor // u32 [4]: seed, step, micro-batch
	factor, costWeight           *cuda.Tensor // f32 [1]: DNAS's factor on the task loss, weight of dE/dz
}

// terms are the parts of the objective of the last micro-batch, f32 [1] each.
type terms struct {
	cost, prior, entropy *cuda.Tensor
	all                  *cuda.Tensor // f32 [3]: the three above
	similarity, partial  *cuda.Tensor // f32 [layers]; what Similarity uses beside
	dpi                  *cuda.Tensor // f32 [gates, MaxBits]
}

// NewSupernet allocates a supernet for a net. It predicts and its children can be evaluated; [PrepareTraining]
// readies it for steps.
func NewSupernet(dev *cuda.Device, g *nn.Graph, space *quant.Space, cost *quant.CostTable, s Settings) (*Supernet, error) {
	h, err := cost.Normalised()
	if err != nil {
		return nil, err
	}
	n := &Supernet{Settings: s, Space: space, Cost: cost, dev: dev, relative: h, searched: space.Searched()}
	n.Params = nn.NewParams(dev, g, nn.Config{Space: space, Norm: s.Norm, SharedWeights: s.SharedWeights})
	n.Gates = nn.NewGates(dev, space)
	n.scalars = nn.NewScalars(dev)
	n.scalars.GradScale.Set([]float32{1 / float32(s.MicroBatches)})
	n.Model = newBitModel(dev, s, space.Gates(), n.scalars.U)
	n.allocate()
	fixed := dev.New(cuda.Int32, 1)
	fixed.SetInt32([]int32{int32(cuda.GateFixed)})
	n.predict = dev.Record(func() {
		n.Model.emitForward()
		cuda.GateSample(n.gate, n.ctl.temperature, fixed, n.ctl.noise)
	})
	return n, nil
}

// PrepareTraining compiles the training step for the images of a data set.
func (n *Supernet) PrepareTraining(set *data.Set, a nn.Augment) {
	s := n.Settings
	n.plan = nn.NewPlan(n.Params, n.Gates, n.scalars, nn.PlanOptions{Batch: s.Batch / s.MicroBatches, Train: true, LossScale: n.lossScale()})
	n.feed = nn.NewFeed(n.plan, set.Mean, set.Std, a)
	n.history = newHistory(n.dev, s.MicroBatches, []*cuda.Tensor{n.plan.Loss, n.terms.all, n.gate.Pi}, n.terms.similarity)
	n.micro = n.dev.Record(func() { n.emitMicro(n.feed.Emit) })
	n.update = n.dev.Record(n.emitUpdate)
	t := n.Model.theta
	n.theta = n.dev.Record(func() { cuda.Adam(t.Value, t.Grad, t.M, t.V, n.ctl.thetaLR, n.ctl.thetaBias, 0.9, 0.999, 1e-8) })
	n.freeze = n.dev.Record(func() { cuda.Zero(t.Grad) })
}

// FinishTraining returns the memory that only steps need.
func (n *Supernet) FinishTraining() {
	for _, g := range []*cuda.Graph{n.micro, n.update, n.theta, n.freeze} {
		g.Free()
	}
	n.history.free()
	n.feed.Free()
	n.plan.Free()
	n.plan, n.feed = nil, nil
}

func (n *Supernet) scalar(v float32) *cuda.Tensor { return n.dev.From([]float32{v}, 1) }

func (n *Supernet) allocate() {
	gates := len(n.Space.Gates())
	matrix := func() *cuda.Tensor { return n.dev.New(cuda.Float32, gates, cuda.MaxBits) }
	n.ctl = control{
		eta: n.scalar(0), temperature: n.scalar(1), lambda: n.scalar(float32(n.Settings.Lambda)), mu: n.scalar(0),
		lr: n.scalar(0), stepLR: n.scalar(0), thetaLR: n.scalar(0),
		stepBias: n.dev.New(cuda.Float32, 2), thetaBias: n.dev.New(cuda.Float32, 2),
		mode: n.dev.New(cuda.Int32, 1), noise: n.dev.New(cuda.Uint32, 4),
		factor: n.scalar(1), costWeight: n.scalar(0),
	}
	n.gate = cuda.GateTensors{
		Bits: n.Model.bits, Logits: n.Model.logits, LogP: matrix(), Pi: matrix(), Soft: matrix(),
		Z: n.Gates.Z.View(0, gates, cuda.MaxBits), DZ: n.Gates.DZ.View(0, gates, cuda.MaxBits),
	}
	searched := n.searched
	all := n.dev.New(cuda.Float32, 3)
	n.terms = terms{cost: all.View(0, 1), prior: all.View(1, 1), entropy: all.View(2, 1), all: all, dpi: matrix(),
		similarity: n.dev.New(cuda.Float32, len(searched)), partial: n.similarityPartial()}
	n.cost = n.costTensors(searched)
	n.choice = make([]int, gates)
}

// similarityPartial is room for the kernel similarity of one layer after the other.
func (n *Supernet) similarityPartial() *cuda.Tensor {
	size := 1
	for _, layer := range n.searched {
		size = max(size, cuda.SimilarityPartialLen(n.Params.Layers[layer].W))
	}
	return n.dev.New(cuda.Float32, size)
}

func (n *Supernet) costTensors(searched []int) cuda.CostTensors {
	row := cuda.MaxBits
	table := make([]float32, len(searched)*row*row)
	rows := [2][]int32{make([]int32, len(searched)), make([]int32, len(searched))}
	for k, layer := range searched {
		for i, costs := range n.relative[k] {
			copy(table[(k*row+i)*row:], costs)
		}
		for _, kind := range []quant.Kind{quant.Weight, quant.Input} {
			rows[kind][k] = int32(n.Gates.Row(layer, kind))
			if n.Space.Gate(layer, kind).Pinned() {
				rows[kind][k] = -1
			}
		}
	}
	c := cuda.CostTensors{WeightGate: n.dev.New(cuda.Int32, len(searched)), InputGate: n.dev.New(cuda.Int32, len(searched)),
		Table: n.dev.From(table, len(searched), row, row), Bits: n.Model.bits}
	c.WeightGate.SetInt32(rows[quant.Weight])
	c.InputGate.SetInt32(rows[quant.Input])
	return c
}

// lossScale is DNAS's factor on the task loss; nil for the additive methods.
func (n *Supernet) lossScale() *cuda.Tensor {
	if n.Settings.Method == DNAS {
		return n.ctl.factor
	}
	return nil
}

// emitMicro is one micro-batch: eta -> logits -> gates -> cost and prior -> images -> forward -> backward.
func (n *Supernet) emitMicro(images func()) {
	c, t := n.ctl, n.terms
	cuda.Zero(n.Gates.DZ)
	cuda.Zero(t.dpi)
	n.Model.emitForward()
	cuda.GateSample(n.gate, c.temperature, c.mode, c.noise)
	if n.Settings.Method == DNAS {
		cuda.ExpectedCost(t.cost, nil, n.gate.Z, n.cost, nil)
		cuda.CostFactor(c.factor, t.cost, n.logCostMax(), n.Settings.Gamma)
	} else {
		cuda.ExpectedCost(t.cost, t.dpi, n.gate.Pi, n.cost, c.eta)
	}
	cuda.Prior(string(n.Settings.Prior), t.prior, t.entropy, t.dpi, n.gate, n.Model.tilt, c.lambda)
	images()
	n.plan.PackFilters()
	n.plan.Forward()
	n.plan.Backward()
	if n.Settings.Method == DNAS {
		cuda.CostFactorGrad(c.costWeight, n.plan.Loss, n.plan.Options.Batch, t.cost, n.logCostMax(), n.Settings.Gamma)
		cuda.ExpectedCost(t.cost, n.gate.DZ, n.gate.Z, n.cost, c.costWeight)
	}
	cuda.GateGrad(n.Model.dlogits, n.gate, t.dpi, c.temperature, c.mode)
	n.Model.emitBackward(n.scalars.GradScale)
}

// emitUpdate is the kernel similarity term and the optimizers of filters, affine parameters and steps.
func (n *Supernet) emitUpdate() {
	if n.Settings.Mu > 0 && !n.Settings.SharedWeights {
		for k, layer := range n.searched {
			l := n.Params.Layers[layer]
			cuda.Similarity(n.terms.similarity.View(k, 1), l.DW, n.terms.partial, l.W, n.ctl.mu)
		}
	}
	f, a, s := n.Params.Groups[nn.Filters], n.Params.Groups[nn.Affine], n.Params.Groups[nn.Steps]
	cuda.SGD(f.Value, f.Grad, f.M, n.ctl.lr, 0.9, float32(n.Settings.WeightDecay))
	cuda.SGD(a.Value, a.Grad, a.M, n.ctl.lr, 0.9, 0)
	cuda.LogAdam(s.Value, s.Grad, s.M, s.V, n.ctl.stepLR, n.ctl.stepBias, 0.9, 0.99, 1e-12)
}

// logCostMax is the natural logarithm of the searched layers' cost when all are at their widest.
func (n *Supernet) logCostMax() float64 {
	total := 0.0
	for _, k := range n.searched {
		last := n.Cost.Layers[k][len(n.Cost.Layers[k])-1]
		total += last[len(last)-1]
	}
	return math.Log(total)
}

// State lists everything that training changes.
func (n *Supernet) State() []nn.NamedTensor {
	t := n.Model.theta
	return append(n.Params.State(), nn.NamedTensor{Name: "theta", T: t.Value},
		nn.NamedTensor{Name: "theta.moment", T: t.M}, nn.NamedTensor{Name: "theta.moment2", T: t.V})
}

// nonFinite names the first place in the net, in forward order, where a value is NaN or infinite: of what the last
// step computed, else of what training changes, else of the objective's terms.
func (n *Supernet) nonFinite() string {
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
	return fmt.Sprintf("the objective (%d gates)", len(n.Model.gates))
}

func isFinite(values []float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
