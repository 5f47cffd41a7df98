package kernels

// #include "kernels.h"
import "C"

import "fmt"

// SimilarityArgs: Value [1] = sum over i < j of sqrt(||W_i - W_j||^2 + 1e-12), the kernel similarity loss
// of one layer, W [Bits, Len] being its filters for each bit width; DW += Weight [1] (mu) * dValue/dW.
// All f32. Equal filters have the gradient 0. The value does not contain Weight.
type SimilarityArgs struct {
	W, DW, Value Ptr
	Bits, Len    int
	Weight       Ptr
}

// Similarity adds the kernel similarity term. Serial: 1 unit.
func Similarity(isa ISA, a SimilarityArgs) Call {
	if a.Bits < 1 || a.Bits > MaxBits || a.Len < 0 {
		panic(fmt.Sprintf("kernels.Similarity: W [%d,%d], want [1..%d, length]", a.Bits, a.Len, MaxBits))
	}
	return newCall(C.vk_similarity[isa], C.vk_similarity_args{w: f32(a.W), dw: f32(a.DW), value: f32(a.Value),
		bits: C.int(a.Bits), len: C.int64_t(a.Len), weight: f32(a.Weight)})
}
