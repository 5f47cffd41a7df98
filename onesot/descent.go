package onesot

import (
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
}

func newDescent(dev *cuda.Device, s Settings) descent {
	return descent{adam: s.Optimizer == Adam, decay: float32(s.WeightDecay), lr: dev.New(cuda.Float32, 1), bias: dev.New(cuda.Float32, 2)}
}

// set readies step number step, from 0, at a learning rate.
func (d descent) set(rate float64, step int) {
	d.lr.Set([]float32{float32(rate)})
	if d.adam {
		setBias(d.bias, 0.9, 0.999, step+1)
	}
}

// emit puts the step on the queue; gradients are 0 after it.
func (d descent) emit(p *nn.Params) {
	f, a := p.Groups[nn.Filters], p.Groups[nn.Affine]
	if d.adam {
		for _, g := range []nn.Flat{f, a} {
			cuda.Adam(g.Value, g.Grad, g.M, g.V, d.lr, d.bias, 0.9, 0.999, 1e-8)
		}
		return
	}
	cuda.SGD(f.Value, f.Grad, f.M, d.lr, 0.9, d.decay)
	cuda.SGD(a.Value, a.Grad, a.M, d.lr, 0.9, 0)
}

func (d descent) free() {
	d.lr.Free()
	d.bias.Free()
}
