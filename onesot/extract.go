package onesot

import (
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Extract is the net of one child alone, as it is fine-tuned and deployed: one filter and one LSQ step a gate, one set
// of norm parameters. It computes what the child computes within q, up to the statistics that a Judge re-estimates.
func (q *Quantized) Extract(p *Problem, a quant.Assignment) (*Quantized, error) {
	if q.Params.Config.Norm == nn.NormEta {
		return nil, fmt.Errorf("--norm eta: a child's norms depend on the eta at which it is evaluated, so it cannot be taken out of the supernet; start from fp32")
	}
	space := q.Space.Only(a)
	child := newQuantized(q.Dev, p.Graph, q.Cost.Only(space), q.Settings, nn.Config{Space: space, Norm: nn.NormPlain})
	for k := range space.Layers {
		w, x := q.Space.Choice(a, k)
		child.Params.Layers[k].TakeChild(&q.Params.Layers[k], w, x)
	}
	for i := range child.Params.Norms {
		from := &q.Params.Norms[i]
		w, _ := q.Space.Choice(a, from.Layer)
		_, x := q.Space.Choice(a, from.InputLayer)
		child.Params.Norms[i].TakeChild(from, w, x)
	}
	child.Gates.SetChild(space, a)
	return child, nil
}

// NewChild is the net of one child started from the fp32 net.
func NewChild(p *Problem, a quant.Assignment) *Quantized {
	space := p.Space.Only(a)
	child := newQuantized(p.Dev, p.Graph, p.Cost.Only(space), p.Settings, nn.Config{Space: space, Norm: nn.NormPlain})
	p.startFromFP32(child.Params)
	child.Gates.SetChild(space, a)
	return child
}
