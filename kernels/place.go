package kernels

// #include "kernels.h"
import "C"

import "fmt"

// PlaceArgs are those of [PlaceForward] and [PlaceBackward]: x[h,w,c] stands at y[h+Top, w+Left, c+Channel]. Units: images.
type PlaceArgs struct {
	X, Y               Act // backward: their gradients, X written
	Top, Left, Channel int
	Clear              bool // forward: what of Y is outside X becomes 0
	Accumulate         bool // backward: X += instead of =
}

func (a PlaceArgs) c(op string) C.vk_place_args {
	inside := func(from, size, room int) bool { return from >= 0 && from+size <= room }
	if !inside(a.Top, a.X.H, a.Y.H) || !inside(a.Left, a.X.W, a.Y.W) || !inside(a.Channel, a.X.C, a.Y.C) {
		panic(fmt.Sprintf("%s: %dx%dx%d at %d, %d, %d of %dx%dx%d", op, a.X.H, a.X.W, a.X.C, a.Top, a.Left, a.Channel, a.Y.H, a.Y.W, a.Y.C))
	}
	return C.vk_place_args{x: a.X.c(), y: a.Y.c(), top: C.int(a.Top), left: C.int(a.Left), channel: C.int(a.Channel),
		clear: cbool(a.Clear), accumulate: cbool(a.Accumulate)}
}

// PlaceForward writes x into y.
func PlaceForward(a PlaceArgs) Call {
	walked := a.X
	if a.Clear {
		walked = a.Y
	}
	return newCall(C.vk_place_fwd, a.c("place forward")).gpu(byParts(actKernel("place_fwd", a.Channel, a.X, a.Y), walked))
}

// PlaceBackward takes x's gradient out of y's.
func PlaceBackward(a PlaceArgs) Call {
	return newCall(C.vk_place_bwd, a.c("place backward")).gpu(byParts(actKernel("place_bwd", a.Channel, a.X, a.Y), a.X))
}
