package fn3

import (
	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

// dropout draws how many ordered blocks of bits each gate keeps in a training step (ordered dropout, Cui et al. 2020).
type dropout struct {
	space *quant.Space
	seed  uint64
	keep  float64 // probability that the next block of bits is kept, given all before it
}

// philoxKeep keeps the draws of ordered dropout apart from others under the same seed.
const philoxKeep = 0xF3

// child is the one of a step. Every gate draws for itself, from a geometric law over its candidates, ascending: the
// narrowest is always kept, each further one with probability keep while all before it are. The last takes what is left.
func (d *dropout) child(step, _ int) quant.Assignment {
	w, x := make([]int, len(d.space.Layers)), make([]int, len(d.space.Layers))
	for i, gate := range d.space.Gates() {
		r := kernels.Philox([4]uint32{uint32(step), uint32(i), 0, philoxKeep}, [2]uint32{uint32(d.seed), uint32(d.seed >> 32)})
		at := geometric(float64(r[0])/(1<<32), d.keep, len(gate.Bits))
		if gate.Kind == quant.Weight {
			w[gate.Layer] = at
		} else {
			x[gate.Layer] = at
		}
	}
	return quant.Choose(d.space, w, x)
}

// geometric is the candidate of n that u in [0, 1) falls on: the i-th has probability keep^i (1-keep), the last keep^(n-1).
func geometric(u, keep float64, n int) int {
	tail := keep // probability of more than i
	for i := range n - 1 {
		if u >= tail {
			return i
		}
		tail *= keep
	}
	return n - 1
}
