package kernels

// #include "kernels.h"
import "C"

import "fmt"

// ShuffleArgs are those of [ShuffleForward] and [ShuffleBackward]. Units: images.
type ShuffleArgs struct {
	X, Y       Act // [N,H,W,C*Block^2], [N,H*Block,W*Block,C]; backward: their gradients, X written
	Block      int
	DCR        bool // the channels of X are [Block,Block,C], else [C,Block,Block]
	Accumulate bool // backward: X += instead of =
}

func (a ShuffleArgs) c(op string) C.vk_shuffle_args {
	b := a.Block
	if b < 1 || a.Y.H != a.X.H*b || a.Y.W != a.X.W*b || a.Y.C*b*b != a.X.C {
		panic(fmt.Sprintf("%s: %dx%dx%d in blocks of %dx%d to %dx%dx%d", op, a.X.H, a.X.W, a.X.C, b, b, a.Y.H, a.Y.W, a.Y.C))
	}
	if a.X.Storage != a.Y.Storage {
		panic(op + ": tensors of different storage")
	}
	return C.vk_shuffle_args{x: a.X.c(), y: a.Y.c(), block: C.int(b), dcr: cbool(a.DCR), accumulate: cbool(a.Accumulate)}
}

// ShuffleForward makes blocks of pixels of channels: depth to space.
func ShuffleForward(a ShuffleArgs) Call {
	return newCall(C.vk_shuffle_fwd, a.c("shuffle forward")).gpu(eachValue("shuffle_fwd"+a.Y.Storage.suffix(), a.Y))
}

// ShuffleBackward is the reverse: space to depth.
func ShuffleBackward(a ShuffleArgs) Call {
	return newCall(C.vk_shuffle_bwd, a.c("shuffle backward")).gpu(eachValue("shuffle_bwd"+a.X.Storage.suffix(), a.X))
}
