package nn

import (
	"fmt"

	"vimps-gpu/cuda"
)

// BackwardPart is a stretch of the backward pass, to be recorded by itself, and the filter gradients that are final after it: a
// contiguous view f32 [n] of Groups[Filters].Grad, nil where none are.
type BackwardPart struct {
	Emit    func()
	Filters *cuda.Tensor
}

// BackwardParts cuts Backward into parts, to be emitted in this order, from the last layer to the first. A part ends where it has
// finished filter gradients of so many bytes or more; what is left for the last may be less.
func (p *Plan) BackwardParts(bytes int) (parts []BackwardPart) {
	if bytes < 1 {
		panic(fmt.Sprintf("nn.BackwardParts: parts of %d bytes", bytes))
	}
	begin := 0 // of what the steps so far have finished, in the order of the layers
	for i := range p.Params.Layers {
		begin += p.Params.Layers[i].DW.Len()
	}
	from, end := len(p.steps), begin // where the part under way began
	for i := len(p.steps) - 1; i >= 0; i-- {
		if c, ok := p.steps[i].(*convStep); ok {
			begin -= c.params.DW.Len()
		}
		n, first := end-begin, from
		if i > 0 && n*cuda.Float32.Size() < bytes {
			continue
		}
		part := BackwardPart{Emit: func() { p.emitBackward(first, i) }}
		if n > 0 {
			part.Filters = p.Params.Groups[Filters].Grad.View(begin, n)
		}
		parts = append(parts, part)
		from, end = i, begin
	}
	return parts
}

// emitBackward emits the backward pass of the steps before from, down to step to.
func (p *Plan) emitBackward(from, to int) {
	if from == len(p.steps) && p.dlast != nil {
		cuda.CopyAct(p.dlast, p.dlogits)
	}
	for i := from - 1; i >= to; i-- {
		p.steps[i].backward(p)
	}
	p.flush()
}
