package onesot

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// BitModel gives the logits of every gate: f_theta(eta), a small tanh network of u(eta) from whose output the
// tilt kappa*u*rank is taken (so that before training small eta favours many bits, large eta few), or, for
// the methods that search at one eta, free logits. Gate matrices are f32 [gates, cuda.MaxBits]; for a gate read row, of any
// kind, with candidates.
type BitModel struct {
	theta        nn.Flat      // Adam's
	free         bool         // theta is the logits themselves
	bits         *cuda.Tensor // i32 [gates]: candidates of each
	logits, tilt *cuda.Tensor
	dlogits      *cuda.Tensor
	net          cuda.BitModel
}

// philoxTheta keeps the draws of the initial theta apart from others under the same seed.
const philoxTheta = 0x7E

// newBitModel is for gates of so many candidates each.
func newBitModel(own *tensors, s Settings, candidates []int, u *cuda.Tensor) *BitModel {
	rows, row := len(candidates), cuda.MaxBits
	m := &BitModel{free: s.freeLogits()}
	counts, tilt := make([]int32, rows), make([]float32, rows*row)
	for g, n := range candidates {
		counts[g] = int32(n)
		for i := range n {
			tilt[g*row+i] = float32(s.Kappa * quant.Rank(i, n))
		}
	}
	m.bits = own.ints(counts, rows)
	m.logits, m.tilt, m.dlogits = own.matrix(rows), own.matrix(rows), own.matrix(rows)
	theta := make([]float32, rows*row)
	if !m.free {
		theta = initialTheta(s, rows*row)
		m.net = cuda.BitModel{
			Depth: s.Depth, Hidden: s.Hidden, Gates: rows, Bits: m.bits, U: u, KappaRank: own.floats(tilt, rows, row),
			H: own.zeros(s.Depth, s.Hidden), Logits: m.logits, Tilt: m.tilt, DLogits: m.dlogits,
		}
	}
	m.theta = own.flat(theta)
	m.net.Theta, m.net.DTheta = m.theta.Value, m.theta.Grad
	return m
}

// initialTheta draws hidden layers from U(-1/sqrt(in), 1/sqrt(in)) and starts the output layer at 0.
func initialTheta(s Settings, outputs int) []float32 {
	var theta []float32
	in := 1
	for layer := range s.Depth {
		bound := 1 / math.Sqrt(float64(in))
		for i := range s.Hidden*in + s.Hidden {
			r := kernels.Philox([4]uint32{uint32(i), uint32(layer), 0, philoxTheta}, [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)})
			theta = append(theta, float32(bound*(2*(float64(r[0])+0.5)/(1<<32)-1)))
		}
		in = s.Hidden
	}
	return append(theta, make([]float32, outputs*in+outputs)...)
}

// emitForward puts eta -> logits on the queue.
func (m *BitModel) emitForward() {
	if m.free {
		cuda.SumRows(m.logits, m.theta.Value, nil, false)
		return
	}
	cuda.BitModelForward(m.net)
}

// emitBackward adds the gradient of theta, times scale, for the logits' gradient in dlogits.
func (m *BitModel) emitBackward(scale *cuda.Tensor) {
	if m.free {
		cuda.SumRows(m.theta.Grad, m.dlogits, scale, true)
		return
	}
	cuda.BitModelBackward(m.net, scale)
}
