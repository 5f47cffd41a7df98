package kernels

// #include "kernels.h"
import "C"

// ElementaryOp is a function of elementary.h.
type ElementaryOp int

// The functions.
const (
	Exp  ElementaryOp = C.VK_EXP
	Log  ElementaryOp = C.VK_LOG
	Tanh ElementaryOp = C.VK_TANH
)

// ElementaryArgs: Y[i] = f(X[i]), both f32 [units].
type ElementaryArgs struct {
	Op   ElementaryOp
	X, Y Ptr
}

// Elementary applies one of the functions with which the kernels compute, to prove that every device
// gives the same bits. Units: values.
func Elementary(a ElementaryArgs) Call {
	return newCall(C.vk_elementary, C.vk_elementary_args{op: C.int(a.Op), x: f32(a.X), y: f32(a.Y)}).
		gpu(func(units int) Launch { return elementwise("elementary", units) })
}

// PhiloxArgs: Out is u32 [units, 4]; unit i takes Counter with i added to its first word.
type PhiloxArgs struct {
	Key     [2]uint32
	Counter [4]uint32
	Out     Ptr
}

// PhiloxFill writes random words with the kernels' generator, to prove that every device gives the bits
// of [Philox]. Units: blocks of four words.
func PhiloxFill(a PhiloxArgs) Call {
	args := C.vk_philox_args{out: (*C.uint32_t)(a.Out)}
	for i := range args.key {
		args.key[i] = C.uint32_t(a.Key[i])
	}
	for i := range args.counter {
		args.counter[i] = C.uint32_t(a.Counter[i])
	}
	return newCall(C.vk_philox, args).gpu(func(units int) Launch { return elementwise("philox", units) })
}
