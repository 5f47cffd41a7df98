package onesot

import (
	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Quantized is a quantized net whose gates say which child it is.
type Quantized struct {
	Dev      *cuda.Device
	Settings Settings
	Space    *quant.Space
	Cost     *quant.CostTable
	Params   *nn.Params
	Gates    *nn.Gates

	strata   strata
	started  []*cuda.Tensor // copies of what Start set
	channels *channelGates  // nil: no gate prunes
}

// setChild makes the net a child, with the channels pruned that all its children have pruned.
func (q *Quantized) setChild(a quant.Assignment) {
	q.Gates.SetChild(q.Space, a)
	if q.channels != nil {
		q.channels.child.Launch()
	}
}

// newQuantized is for trainings with so many micro-batches a step.
func newQuantized(dev *cuda.Device, g *nn.Graph, cost *quant.CostTable, s Settings, c nn.Config, micros int) *Quantized {
	c.Adam = s.Optimizer == Adam
	q := &Quantized{Dev: dev, Settings: s, Space: c.Space, Cost: cost, Params: nn.NewParams(dev, g, c), Gates: nn.NewGates(dev, c.Space)}
	q.Gates.Quantizer = c.Quantizer
	q.strata = newStrata(q.Params, micros)
	return q
}

// NewQuantized makes a net over the Problem's space, started from its fp32 net (nn.Params.Start).
func NewQuantized(p *Problem, c nn.Config) *Quantized {
	c.Space = p.Space
	q := newQuantized(p.Dev, p.Graph, p.Cost, p.Settings, c, p.Settings.tuneMicros())
	q.Start(p)
	return q
}

// Start gives the net what it starts training with: the fp32 net's values, steps fitted to them, no moments. The steps
// are fitted once.
func (q *Quantized) Start(p *Problem) {
	values := q.values()
	if q.started == nil {
		p.startFromFP32(q.Params)
		for _, t := range values {
			c := q.Dev.New(cuda.Float32, t.Len())
			c.CopyFrom(t)
			q.started = append(q.started, c)
		}
	} else {
		for i, t := range values {
			t.CopyFrom(q.started[i])
		}
	}
	q.strata.start()
	for _, g := range q.Params.Groups {
		for _, t := range []*cuda.Tensor{g.Grad, g.M, g.V} {
			if t != nil {
				fill(t, 0)
			}
		}
	}
}

// startFromFP32 starts parameters from the fp32 net.
func (p *Problem) startFromFP32(params *nn.Params) {
	p.Account.Forward += int64(params.Start(p.FP32, p.Set, p.Train))
}

// values are the flat buffers of everything but gradients and moments.
func (q *Quantized) values() []*cuda.Tensor {
	list := []*cuda.Tensor{q.Params.Stats}
	for _, g := range q.Params.Groups {
		list = append(list, g.Value)
	}
	return list
}

func fill(t *cuda.Tensor, v float32) {
	values := make([]float32, t.Len())
	for i := range values {
		values[i] = v
	}
	t.Set(values)
}

// State lists everything that training changes.
func (q *Quantized) State() []nn.NamedTensor { return append(q.Params.State(), q.strata.state()...) }

// Free returns the net's memory.
func (q *Quantized) Free() {
	if q.channels != nil {
		q.channels.child.Free()
	}
	q.strata.free()
	q.Params.Free()
	q.Gates.Free()
	for _, t := range q.started {
		t.Free()
	}
}
