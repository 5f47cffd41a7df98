package onesot

import (
	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// gating is a supernet's choice among bit widths: free parameters give a law, the probabilities of the candidates of each of
// some rows, f32 [rows, cuda.MaxBits]; the law gives the sample that the plan reads as the gates' z; and gradients go back.
type gating interface {
	parameters() nn.Flat // Adam's
	law() *cuda.Tensor
	setStep(now schedule) // before the launches of a step

	emitLaw()    // parameters -> law; the gates stay what they are
	emitSample() // parameters -> law -> the gates' z, and the terms of the objective that depend on these alone
	emitGrad()   // after the backward pass: the gradients of z and of those terms, added to the parameters'

	// weighted are the terms of a micro-batch that is a share of a step, times their weights.
	weighted(m micro, share float64) (hardware, prior float64)
	child(choice []int, law []float32)   // the most probable candidate of every gate
	marginals(law []float32) [][]float32 // [gate][candidate]
}

// mostProbable is the place of the largest value, of equals the first.
func mostProbable(row []float32) int {
	best := 0
	for i, p := range row {
		if p > row[best] {
			best = i
		}
	}
	return best
}

// tensors are what a supernet has allocated for itself beside its net.
type tensors struct {
	dev *cuda.Device
	all []*cuda.Tensor
}

func (t *tensors) keep(x *cuda.Tensor) *cuda.Tensor {
	t.all = append(t.all, x)
	return x
}

func (t *tensors) zeros(shape ...int) *cuda.Tensor { return t.keep(t.dev.New(cuda.Float32, shape...)) }

// matrix is one value a candidate of each row.
func (t *tensors) matrix(rows int) *cuda.Tensor { return t.zeros(rows, cuda.MaxBits) }

func (t *tensors) scalar(v float32) *cuda.Tensor { return t.floats([]float32{v}, 1) }

func (t *tensors) floats(v []float32, shape ...int) *cuda.Tensor {
	return t.keep(t.dev.From(v, shape...))
}

func (t *tensors) ints(v []int32, shape ...int) *cuda.Tensor {
	x := t.keep(t.dev.New(cuda.Int32, shape...))
	x.SetInt32(v)
	return x
}

// flat is a group of n parameters with the moments of Adam.
func (t *tensors) flat(values []float32) nn.Flat {
	n := len(values)
	return nn.Flat{Value: t.floats(values, n), Grad: t.zeros(n), M: t.zeros(n), V: t.zeros(n)}
}

func (t *tensors) free() {
	for _, x := range t.all {
		x.Free()
	}
}
