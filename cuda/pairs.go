package cuda

import "vimps-gpu/kernels"

// PairTensors are layers whose weight and input bits are chosen together: Pairs i32 [layers] counts the pairs of each,
// WeightOption and InputOption i32 [layers,MaxBits] are their options, WeightGate and InputGate i32 [layers] the rows
// of the layer's gates (-1: pinned), Bits i32 [gates] the candidates of those.
type PairTensors struct {
	Pairs, WeightGate, InputGate, WeightOption, InputOption, Bits *Tensor
}

func (t PairTensors) kernel() kernels.PairArgs {
	return kernels.PairArgs{Rows: t.Pairs.Len(), Pairs: t.Pairs.p, WeightGate: t.WeightGate.p, InputGate: t.InputGate.p,
		WeightOption: t.WeightOption.p, InputOption: t.InputOption.p, Bits: t.Bits.p}
}

// PairMarginals writes the gates z [gates,MaxBits] that a choice of pairs pairZ [layers,MaxBits] comes to: of every
// option the sum over the pairs that have it.
func PairMarginals(z, pairZ *Tensor, t PairTensors) {
	a := t.kernel()
	a.PairZ, a.Z = pairZ.p, z.p
	z.dev.emit("gates", serial, 1, 0, kernels.PairMarginals(a))
}

// PairMarginalsGrad writes dpairZ from the gradient of z, the sum of dz at the two options of each pair.
func PairMarginalsGrad(dpairZ, dz *Tensor, t PairTensors) {
	a := t.kernel()
	a.DPairZ, a.DZ = dpairZ.p, dz.p
	dz.dev.emit("gates", serial, 1, 0, kernels.PairMarginalsGrad(a))
}
