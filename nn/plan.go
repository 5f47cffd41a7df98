package nn

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// Gates is the gate matrix that a Plan reads and, in training, whose gradient it adds to. Row g is the
// g-th searched gate of Space.Gates, column i its i-th candidate; one more row, of ones, stands for
// every pinned gate.
type Gates struct {
	Z, DZ     *cuda.Tensor // f32 [gates+1, cuda.MaxBits]
	Quantizer Quantizer    // of the net that reads them; set it after NewGates where it is not LSQ
	rows      [][2]int     // [layer] row of the weight gate and of the input gate
}

// NewGates allocates the matrix for a space; nil for the fp32 net.
func NewGates(dev *cuda.Device, s *quant.Space) *Gates {
	searched := s.Gates()
	g := &Gates{Z: dev.New(cuda.Float32, len(searched)+1, cuda.MaxBits), DZ: dev.New(cuda.Float32, len(searched)+1, cuda.MaxBits)}
	for range s.Layers {
		g.rows = append(g.rows, [2]int{len(searched), len(searched)})
	}
	for row, gate := range searched {
		g.rows[gate.Layer][gate.Kind] = row
		for _, tied := range gate.Tied {
			g.rows[tied][gate.Kind] = row
		}
	}
	z := make([]float32, g.Z.Len())
	for i := range cuda.MaxBits {
		z[len(searched)*cuda.MaxBits+i] = 1
	}
	g.Z.Set(z)
	return g
}

// Free returns the memory.
func (g *Gates) Free() {
	g.Z.Free()
	g.DZ.Free()
}

// Row is the row of a layer's gate; the last one where it is pinned.
func (g *Gates) Row(layer int, k quant.Kind) int { return g.rows[layer][k] }

func (g *Gates) view(t *cuda.Tensor, layer int, k quant.Kind) *cuda.Tensor {
	return t.View(g.rows[layer][k]*cuda.MaxBits, cuda.MaxBits)
}

// SetChild makes every row the choice of a: one-hot or, of a Residual net, ones up to the chosen level.
func (g *Gates) SetChild(s *quant.Space, a quant.Assignment) {
	z := make([]float32, g.Z.Len())
	for layer := range s.Layers {
		w, x := s.Choice(a, layer)
		for kind, chosen := range [2]int{quant.Weight: w, quant.Input: x} {
			first := chosen
			if g.Quantizer == Residual {
				first = 0
			}
			for i := first; i <= chosen; i++ {
				z[g.rows[layer][kind]*cuda.MaxBits+i] = 1
			}
		}
	}
	for i := range cuda.MaxBits { // pinned gates share the last row
		z[(g.Z.Dim(0)-1)*cuda.MaxBits+i] = 1
	}
	g.Z.Set(z)
}

// Scalars are the device numbers that a Plan's recorded work reads anew at each launch.
type Scalars struct {
	GradScale *cuda.Tensor // f32 [1]: 1/G, where G micro-batches make a step
	Momentum  *cuda.Tensor // f32 [1]: of the running statistics
	U         *cuda.Tensor // f32 [1]: u(eta) for NormEta
}

// NewScalars allocates them with GradScale 1 and Momentum 0.1.
func NewScalars(dev *cuda.Device) *Scalars {
	return &Scalars{GradScale: dev.From([]float32{1}, 1), Momentum: dev.From([]float32{0.1}, 1), U: dev.New(cuda.Float32, 1)}
}

// Free returns their memory.
func (s *Scalars) Free() {
	for _, t := range []*cuda.Tensor{s.GradScale, s.Momentum, s.U} {
		t.Free()
	}
}

// PlanOptions says what a Plan is for.
type PlanOptions struct {
	Batch       int
	Train       bool         // Backward is wanted; implies BatchStats
	BatchStats  bool         // normalise by the batch and move the running statistics: training, recalibration
	LossScale   *cuda.Tensor // f32 [1] that multiplies the loss's gradient; nil: 1
	KeepValues  bool         // every node's value stays readable after Forward: calibration
	Integer     bool         // a child's exact integer arithmetic: gates must be one-hot. Not for Train
	Graph       *Graph       // the parameters' net for images of another size (Graph.At); nil: Params.Graph
	SquaredLoss bool         // a restoring net's loss is the mean squared error; else the mean absolute error
}

// Plan is a Graph compiled for a batch: its buffers, and the methods that put its work on the device's
// queue. Call PackFilters, Forward and Backward in this order inside cuda.Device.Record.
type Plan struct {
	Params  *Params
	Graph   *Graph
	Options PlanOptions
	Input   *cuda.Tensor // [N,H,W,C]: the images, normalised
	Labels  *cuda.Tensor // i32 [N]
	Target  *cuda.Tensor // of a net that restores images, f32 like Logits: what it should make, 0 to 1; else nil
	Logits  *cuda.Tensor // f32 [N,1,1,classes] or the images [N,H,W,C] that the net makes: the value of the last node
	// Loss is f32 [2]: sums over the batch of cross-entropy and of right answers or, of a net that restores images, of the images'
	// losses and of their mean squared errors.
	Loss *cuda.Tensor
	// Bytes of the buffers: what the forward pass writes, mixed inputs and packed filters included, and what the
	// backward pass adds.
	ForwardBytes, BackwardBytes int64

	dev      *cuda.Device
	gates    *Gates
	scalars  *Scalars
	steps    []step
	value    []*cuda.Tensor // of each node; nil where fused into a later one or computed anew by its readers
	mixes    []*cuda.Tensor // of each convolution whose mixed input a unit writes: the buffer of it
	grad     []*cuda.Tensor // of each node while the backward pass is compiled
	free     map[bufferKey][]*cuda.Tensor
	all      []*cuda.Tensor // everything to free
	taps     []*cuda.Taps   // too
	partial  *cuda.Tensor   // filter gradients of the chunks, one layer at a time
	lossRows *cuda.Tensor   // [N,2]
	dlogits  *cuda.Tensor   // gradient of Logits; nil unless training
	last     *cuda.Tensor   // the last node's value where the device stores it otherwise than Logits, and its gradient; else nil
	dlast    *cuda.Tensor
	pending  []func() // parameter gradients that wait for the end of a region
}

// step is a part of a Plan: a convolution, a unit [norm . add . relu], a pool or another op alone.
type step interface {
	compileBackward(p *Plan)
	forward(p *Plan)
	backward(p *Plan)
}

type bufferKey struct {
	border, h, w, c int
	dtype           cuda.DType
}

// NewPlan compiles. gates is nil for an fp32 net. It panics with cuda.OutOfMemory, before it allocates, where the
// device has too little memory, and with cuda.Failure where a net has no integer arithmetic that fits int32.
func NewPlan(params *Params, gates *Gates, scalars *Scalars, o PlanOptions) (p *Plan) {
	what := fmt.Sprintf("a batch of %d", o.Batch)
	params.Dev.Reserve(what, func() { p = compilePlan(params, gates, scalars, o) })
	return p
}

func compilePlan(params *Params, gates *Gates, scalars *Scalars, o PlanOptions) *Plan {
	checkInteger(params, o)
	if gates != nil && gates.Quantizer != params.Config.Quantizer {
		panic(fmt.Sprintf("nn.NewPlan: a %v net under gates for a %v one", params.Config.Quantizer, gates.Quantizer))
	}
	o.BatchStats = o.BatchStats || o.Train
	g := params.Graph
	if o.Graph != nil {
		g = o.Graph
	}
	p := &Plan{
		Params: params, Graph: g, Options: o, dev: params.Dev, gates: gates, scalars: scalars,
		value: make([]*cuda.Tensor, len(g.Nodes)), grad: make([]*cuda.Tensor, len(g.Nodes)),
		mixes: make([]*cuda.Tensor, len(g.Nodes)),
		free:  map[bufferKey][]*cuda.Tensor{},
	}
	before := p.dev.Bytes()
	p.compileForward()
	out := p.value[len(p.value)-1]
	p.Logits = out
	if out.DType() != cuda.Float32 {
		p.last, p.Logits = out, p.keep(p.dev.New(cuda.Float32, out.Shape()...))
	}
	p.Labels = p.keep(p.dev.New(cuda.Int32, o.Batch))
	if g.Restores() {
		p.Target = p.keep(p.dev.New(cuda.Float32, out.Shape()...))
	}
	p.Loss = p.keep(p.dev.New(cuda.Float32, 2))
	p.lossRows = p.keep(p.dev.New(cuda.Float32, o.Batch, 2))
	p.ForwardBytes = p.dev.Bytes() - before
	if o.Train {
		last := len(p.value) - 1
		p.dlogits = p.takeAs(last, 0, cuda.Float32)
		p.grad[last] = p.dlogits
		if p.last != nil {
			p.dlast = p.take(last, 0)
			p.grad[last] = p.dlast
		}
		for i := len(p.steps) - 1; i >= 0; i-- {
			p.steps[i].compileBackward(p)
		}
	}
	p.BackwardBytes = p.dev.Bytes() - before - p.ForwardBytes
	return p
}

// Free returns the Plan's buffers.
func (p *Plan) Free() {
	for _, t := range p.all {
		t.Free()
	}
	for _, t := range p.taps {
		t.Free()
	}
}

// keep notes a buffer that the Plan owns.
func (p *Plan) keep(t *cuda.Tensor) *cuda.Tensor {
	p.all = append(p.all, t)
	return t
}

// unitAt is the unit that computes a node, or nil.
func (p *Plan) unitAt(node int) *unitStep {
	for _, s := range p.steps {
		if u, ok := s.(*unitStep); ok && u.u.out == node {
			return u
		}
	}
	return nil
}

// take gives an activation buffer for a node's value. A buffer is reused only for the same shape and
// border: the same image then lies at the same place, so that ops of one region, which do image after
// image, never meet each other's images, and the border stays zero.
func (p *Plan) take(node, border int) *cuda.Tensor {
	dtype := p.dev.Storage()
	logits := node == len(p.Graph.Nodes)-1 && p.Graph.Nodes[node].Op == OpConv // other ops read and write one type
	if logits || p.Options.Integer {
		dtype = cuda.Float32 // the logits, and what must be the same bits everywhere, whatever the device stores activations in
	}
	return p.takeAs(node, border, dtype)
}

func (p *Plan) takeAs(node, border int, dtype cuda.DType) *cuda.Tensor {
	n := p.Graph.Nodes[node]
	key := bufferKey{border, n.H, n.W, n.C, dtype}
	if list := p.free[key]; len(list) > 0 {
		t := list[len(list)-1]
		p.free[key] = list[:len(list)-1]
		return t
	}
	return p.keep(p.dev.NewActOf(key.dtype, border, p.Options.Batch, n.H, n.W, n.C))
}

// give returns a buffer for reuse by work compiled later.
func (p *Plan) give(t *cuda.Tensor) {
	s := t.Shape()
	key := bufferKey{t.Border(), s[1], s[2], s[3], t.DType()}
	p.free[key] = append(p.free[key], t)
}

// PackFilters emits the mix of every layer's filters under the gates and their packing.
func (p *Plan) PackFilters() {
	for _, s := range p.steps {
		if c, ok := s.(interface{ pack(*Plan) }); ok {
			c.pack(p)
		}
	}
}

// Forward emits the forward pass and the loss, from Input and Labels or Target to Logits and Loss.
func (p *Plan) Forward() {
	if !p.Options.BatchStats {
		for _, s := range p.steps {
			if u, ok := s.(*unitStep); ok {
				u.running(p)
			}
		}
	}
	for _, s := range p.steps {
		s.forward(p)
	}
	if p.last != nil {
		cuda.CopyAct(p.Logits, p.last)
	}
	if p.Target != nil {
		cuda.PixelLoss(p.lossRows, p.dlogits, p.Logits, p.Target, !p.Options.SquaredLoss, p.Options.LossScale)
	} else {
		cuda.SoftmaxCrossEntropy(p.lossRows, p.dlogits, p.Logits, p.Labels, p.Options.LossScale)
	}
	cuda.SumRows(p.Loss, p.lossRows, nil, false)
}

// Backward emits the backward pass: gradients of the mean loss are added, times GradScale, to the
// parameters' and, unscaled, to those of the gates.
func (p *Plan) Backward() { p.emitBackward(len(p.steps), 0) }

// flush emits the parameter gradients whose image parts have been emitted.
func (p *Plan) flush() {
	for _, f := range p.pending {
		f()
	}
	p.pending = p.pending[:0]
}

// addGrad returns the buffer of a node's gradient and whether a contribution must be added to it.
func (p *Plan) addGrad(node int) (t *cuda.Tensor, accumulate bool) {
	if p.grad[node] == nil {
		p.grad[node] = p.take(node, 0)
		return p.grad[node], false
	}
	return p.grad[node], true
}
