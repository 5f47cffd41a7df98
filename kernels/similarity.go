package kernels

// #include "kernels.h"
import "C"

import "fmt"

// SimilarityArgs: Value [1] = sum over i < j of sqrt(||W_i - W_j||^2 + 1e-12), the kernel similarity loss
// of one layer, W [Bits, Len] being its filters for each bit width; DW += Weight [1] (mu) * dValue/dW.
// All f32. Equal filters have the gradient 0. The value does not contain Weight. Partial f32 [SimilarityPartialLen] is
// what a GPU keeps between its two kernels; the host does not use it.
type SimilarityArgs struct {
	W, DW, Value Ptr
	Bits, Len    int
	Weight       Ptr
	Partial      Ptr
}

func (a SimilarityArgs) c() C.vk_similarity_args {
	if a.Bits < 1 || a.Bits > MaxBits || a.Len < 0 {
		panic(fmt.Sprintf("kernels.Similarity: W [%d,%d], want [1..%d, length]", a.Bits, a.Len, MaxBits))
	}
	return C.vk_similarity_args{w: f32(a.W), dw: f32(a.DW), value: f32(a.Value), bits: C.int(a.Bits), len: C.int64_t(a.Len),
		weight: f32(a.Weight), partial: f32(a.Partial)}
}

// SimilarityPartialLen is the length of Partial: a sum for each pair of filters and block of their values.
func SimilarityPartialLen(bits, n int) int {
	return bits * (bits - 1) / 2 * ceilDiv(n, C.VK_SIMILARITY_BLOCK)
}

// SimilarityDistances writes Partial: what a GPU does before Similarity. Serial: 1 unit.
func SimilarityDistances(a SimilarityArgs) Call {
	return newGPUCall(a.c(), func(int) Launch {
		const lanes = 16 // of a pair
		threads := lanes * a.Bits * (a.Bits - 1) / 2
		return Launch{Kernel: "similarity_distances", Grid: [3]int{max(1, ceilDiv(a.Len, C.VK_SIMILARITY_BLOCK)), 1, 1},
			Block: max(1, ceilDiv(threads, 32)) * 32}
	})
}

// Similarity adds the kernel similarity term. Serial: 1 unit.
func Similarity(isa ISA, a SimilarityArgs) Call {
	return newCall(C.vk_similarity[isa], a.c()).gpu(func(int) Launch {
		const values = 1024 // of a filter, done by a block
		return Launch{Kernel: "similarity", Grid: [3]int{max(1, ceilDiv(a.Len, values)), 1, 1}, Block: 256}
	})
}
