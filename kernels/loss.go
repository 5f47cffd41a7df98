package kernels

// #include "kernels.h"
import "C"

import "fmt"

// SoftmaxCrossEntropyArgs are those of [SoftmaxCrossEntropy]. Units: images.
type SoftmaxCrossEntropyArgs struct {
	Logits, DLogits Act // 1x1xC; DLogits.P nil: no gradient
	Labels          Ptr // i32 [N]; one outside 0..C-1 makes the loss NaN
	Partial         Ptr // f32 [N][2]: loss; 1 where the argmax (first of equals) is the label, else 0
	N               int // images that the gradient is averaged over
	Scale           Ptr // f32 scalar that multiplies DLogits; nil: 1
}

// SoftmaxCrossEntropy is loss = ln sum exp(x) - x[label], and its gradient (softmax - onehot)/N.
func SoftmaxCrossEntropy(a SoftmaxCrossEntropyArgs) Call {
	const op = "softmax cross-entropy"
	if a.Logits.H != 1 || a.Logits.W != 1 || a.Logits.C < 1 {
		panic(fmt.Sprintf("%s: logits are %dx%dx%d, want 1x1xC", op, a.Logits.H, a.Logits.W, a.Logits.C))
	}
	if a.Logits.Storage != F32 || a.DLogits.Storage != F32 {
		panic(op + ": logits and their gradient are f32")
	}
	if a.DLogits.P != nil {
		sameShape(op, a.Logits, a.DLogits)
	}
	return newCall(C.vk_softmax_cross_entropy, C.vk_loss_args{logits: a.Logits.c(), dlogits: a.DLogits.c(), labels: i32(a.Labels),
		partial: f32(a.Partial), n: C.int(a.N), scale: f32(a.Scale)}).
		gpu(func(images int) Launch {
			const warps = 4 // a warp an image
			return Launch{Kernel: "softmax_cross_entropy", Grid: [3]int{ceilDiv(images, warps), 1, 1}, Block: 32 * warps}
		})
}

// SumRowsArgs are those of [SumRows]. Serial: one unit.
type SumRowsArgs struct {
	In         Ptr // f32 [Rows][Cols]
	Out        Ptr // f32 [Cols]
	Scale      Ptr // f32 scalar; nil: 1
	Rows, Cols int
	Accumulate bool // Out += instead of =
}

// SumRows is out[j] (+)= scale * sum of column j, rows in order, in float64.
func SumRows(a SumRowsArgs) Call {
	return newCall(C.vk_sum_rows, C.vk_sum_rows_args{in: f32(a.In), out: f32(a.Out), scale: f32(a.Scale), rows: C.int(a.Rows),
		cols: C.int(a.Cols), accumulate: cbool(a.Accumulate)}).
		gpu(func(int) Launch {
			const block = 128 // a thread a column
			return Launch{Kernel: "sum_rows", Grid: [3]int{ceilDiv(a.Cols, block), 1, 1}, Block: block}
		})
}
