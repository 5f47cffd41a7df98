package kernels

// #include "kernels.h"
import "C"

import "fmt"

// PoolArgs are those of [AvgPoolForward] and [AvgPoolBackward]. Units: images.
type PoolArgs struct {
	X          Act  // backward: its gradient
	Y          Act  // 1x1xC; backward: its gradient, read
	Accumulate bool // backward: X += instead of =
}

func (a PoolArgs) c(op string) C.vk_pool_args {
	if a.Y.H != 1 || a.Y.W != 1 || a.Y.C != a.X.C {
		panic(fmt.Sprintf("%s: %dx%dx%d pools to 1x1x%d, not to %dx%dx%d", op, a.X.H, a.X.W, a.X.C, a.X.C, a.Y.H, a.Y.W, a.Y.C))
	}
	if a.X.Storage != a.Y.Storage {
		panic(op + ": tensors of different storage")
	}
	return C.vk_pool_args{x: a.X.c(), y: a.Y.c(), accumulate: cbool(a.Accumulate)}
}

// AvgPoolForward is the mean over all pixels: sums row by row, then one division.
func AvgPoolForward(isa ISA, a PoolArgs) Call {
	return newCall(C.vk_avgpool_fwd[isa], a.c("average pool forward")).
		gpu(func(units int) Launch { return elementwise("avgpool_fwd"+a.X.Storage.suffix(), units*a.X.C) })
}

// AvgPoolBackward gives each pixel dy/(H*W).
func AvgPoolBackward(isa ISA, a PoolArgs) Call {
	return newCall(C.vk_avgpool_bwd[isa], a.c("average pool backward")).gpu(byParts(actKernel("avgpool_bwd", 0, a.X), a.X))
}
