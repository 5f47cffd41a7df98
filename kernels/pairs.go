package kernels

// #include "kernels.h"
import "C"

// PairArgs are layers whose gates are searched together: row r of the matrices f32 [rows, MaxBits] PairZ and DPairZ has
// Pairs[r] candidates, of which candidate p is the pair of weight option WeightOption[r, p] and input option
// InputOption[r, p] (i32 [rows, MaxBits]). WeightGate and InputGate (i32 [rows]) are the rows of Z and DZ
// [gates, MaxBits] that the layer's gates have, -1 where pinned; no two entries are the same row. Bits is i32 [gates].
type PairArgs struct {
	Rows                            int
	Pairs, WeightGate, InputGate    Ptr
	WeightOption, InputOption, Bits Ptr
	PairZ, Z                        Ptr
	DZ, DPairZ                      Ptr
}

func (a PairArgs) c() C.vk_pair_args {
	return C.vk_pair_args{rows: C.int(a.Rows), pairs: i32(a.Pairs), weight_gate: i32(a.WeightGate), input_gate: i32(a.InputGate),
		weight_option: i32(a.WeightOption), input_option: i32(a.InputOption), bits: i32(a.Bits),
		pair_z: f32(a.PairZ), z: f32(a.Z), dz: f32(a.DZ), dpair_z: f32(a.DPairZ)}
}

// PairMarginals writes the used columns of the layers' rows of Z: option i is the sum of the PairZ whose pair has it.
func PairMarginals(a PairArgs) Call {
	return newCall(C.vk_pair_marginals, a.c()).gpu(eachGate("pair_marginals", a.Rows))
}

// PairMarginalsGrad writes DPairZ, for each pair the sum of DZ at its two options: the adjoint of PairMarginals.
func PairMarginalsGrad(a PairArgs) Call {
	return newCall(C.vk_pair_marginals_grad, a.c()).gpu(eachGate("pair_marginals_grad", a.Rows))
}
