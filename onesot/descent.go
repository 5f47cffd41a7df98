package onesot

import (
	"cmp"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// Optimizer is what moves filters, norms, biases and slopes.
type Optimizer string

// The optimizers. SGD, the default, is the empty one, which run.json leaves out.
const (
	SGD  Optimizer = ""     // momentum 0.9, weight decay on filters
	Adam Optimizer = "adam" // Kingma and Ba 2015, betas 0.9 and 0.999; no weight decay
)

// descent is an Optimizer at work on a net.
type descent struct {
	adam  bool
	decay float32
	lr    *cuda.Tensor // f32 [1]
	bias  *cuda.Tensor // f32 [2]: 1-beta^t, of Adam

	// Filters that are trained in units of their quantizers' steps (method.md, section 5, "Code units"), and their rate; else nil.
	codes  []*cuda.CodeUnits
	codeLR *cuda.Tensor // f32 [1]
}

func newDescent(dev *cuda.Device, s Settings) descent {
	return descent{adam: s.Optimizer == Adam, decay: float32(s.WeightDecay), lr: dev.New(cuda.Float32, 1), bias: dev.New(cuda.Float32, 2)}
}

// descent is an Optimizer for the net. Filters that several bit widths share have no one step to be a unit, and stay floats.
func (q *Quantized) descent() descent {
	d := newDescent(q.Dev, q.Settings)
	if q.Settings.CodeLR > 0 && !q.Params.Config.SharedWeights {
		d.codes, d.codeLR = q.Params.CodeUnits(), q.Dev.New(cuda.Float32, 1)
	}
	return d
}

// set readies step number step, from 0, at a learning rate, and one of filters in code units where there are any.
func (d descent) set(rate, codeRate float64, step int) {
	d.lr.Set([]float32{float32(rate)})
	if d.codeLR != nil {
		d.codeLR.Set([]float32{float32(codeRate)})
	}
	if d.adam {
		setBias(d.bias, 0.9, 0.999, step+1)
	}
}

// emit puts the step on the queue; gradients are 0 after it.
func (d descent) emit(p *nn.Params) {
	f, a := p.Groups[nn.Filters], p.Groups[nn.Affine]
	if d.adam {
		cuda.Adam(f.Value, f.Grad, f.M, f.V, cmp.Or(d.codeLR, d.lr), d.bias, 0.9, 0.999, 1e-8)
		cuda.Adam(a.Value, a.Grad, a.M, a.V, d.lr, d.bias, 0.9, 0.999, 1e-8)
		return
	}
	cuda.SGD(f.Value, f.Grad, f.M, d.lr, 0.9, d.decay)
	cuda.SGD(a.Value, a.Grad, a.M, d.lr, 0.9, 0)
}

// tensors are all that it holds.
func (d descent) tensors() []*cuda.Tensor {
	list := []*cuda.Tensor{d.lr, d.bias}
	if d.codeLR != nil {
		list = append(list, d.codeLR)
	}
	return list
}

func (d descent) free() {
	for _, t := range d.tensors() {
		t.Free()
	}
}
