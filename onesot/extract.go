package onesot

import (
	"fmt"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Extract is the net of one child alone, as it is fine-tuned and deployed: one filter and one LSQ step a gate, one set
// of norm parameters. It computes what the child computes within q, up to the statistics that a Judge re-estimates; that of a nested
// quantizer (Residual, Truncate) is near it, not equal: LSQ's grid of the same step is another (nn.LayerParams.TakeChild).
//
// Pruned channels have filters of 0 and a norm whose gamma is 0 and whose beta is what the norm yields in q. Training cannot bring
// them back: the gradient of such a filter has the factor gamma, and that of gamma the channel's deviation from its mean, 0.
func (q *Quantized) Extract(p *Problem, a quant.Assignment) (*Quantized, error) {
	if q.Params.Config.Norm == nn.NormEta {
		return nil, fmt.Errorf("the norms of this net depend on eta, so a child cannot be taken out of it; start from fp32")
	}
	space := q.Space.Only(a)
	child := newQuantized(q.Dev, p.Graph, q.Cost.Only(space), q.Settings, nn.Config{Space: space, Norm: nn.NormPlain}, 1)
	for k := range space.Layers {
		w, x := q.Space.Choice(a, k)
		child.Params.Layers[k].TakeChild(&q.Params.Layers[k], w, x)
	}
	for i := range child.Params.Norms {
		from := &q.Params.Norms[i]
		if from.Layer < 0 { // not behind a convolution
			child.Params.Norms[i].TakeChild(from, 0, 0)
			continue
		}
		w, _ := q.Space.Choice(a, from.Layer)
		_, x := q.Space.Choice(a, from.InputLayer)
		child.Params.Norms[i].TakeChild(from, w, x)
	}
	for i := range child.Params.Norms {
		n := &child.Params.Norms[i]
		if n.Layer < 0 {
			continue
		}
		if channels := q.pruned(n.Layer); channels != nil {
			child.Params.Layers[n.Layer].Clear(channels)
			n.Close(channels, q.Settings.Recalibrate)
		}
	}
	child.Params.TakeSlopes(q.Params)
	child.Gates.SetChild(space, a)
	return child, nil
}

// NewChild is the net of one child started from the fp32 net.
func NewChild(p *Problem, a quant.Assignment) *Quantized {
	space := p.Space.Only(a)
	child := newQuantized(p.Dev, p.Graph, p.Cost.Only(space), p.Settings, nn.Config{Space: space, Norm: nn.NormPlain}, p.Settings.tuneMicros())
	p.startFromFP32(child.Params)
	child.Gates.SetChild(space, a)
	return child
}
