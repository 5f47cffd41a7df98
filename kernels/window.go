package kernels

// #include "kernels.h"
import "C"

import "fmt"

// Window is the geometry of pooling over windows: R x S pixels, Stride apart, the first PadTop above and PadLeft left of the image.
type Window struct {
	Max             bool // else average
	R, S, Stride    int
	PadTop, PadLeft int
	CountPad        bool // the average divides by R*S, else by the pixels of the image that the window has
}

// c wants each of the windows that give y to have a pixel of x.
func (w Window) c(op string, x, y Act) C.vk_window {
	fits := func(size, pad, in, out int) bool {
		return size > 0 && pad >= 0 && pad < size && (out-1)*w.Stride-pad < in
	}
	if w.Stride < 1 || !fits(w.R, w.PadTop, x.H, y.H) || !fits(w.S, w.PadLeft, x.W, y.W) || x.C != y.C {
		panic(fmt.Sprintf("%s: windows %+v of %dx%dx%d to %dx%dx%d", op, w, x.H, x.W, x.C, y.H, y.W, y.C))
	}
	return C.vk_window{r: C.int(w.R), s: C.int(w.S), stride: C.int(w.Stride), pad_top: C.int(w.PadTop), pad_left: C.int(w.PadLeft),
		is_max: cbool(w.Max), count_pad: cbool(w.CountPad)}
}

// WindowForwardArgs are those of [WindowForward]. Units: images.
type WindowForwardArgs struct {
	X, Y   Act // [N,H,W,C], [N,P,Q,C]
	Window Window
}

// WindowForward is the maximum, NaN where there is one, or average over windows.
func WindowForward(isa ISA, a WindowForwardArgs) Call {
	return newCall(C.vk_window_fwd[isa], C.vk_window_fwd_args{x: a.X.c(), y: a.Y.c(), w: a.Window.c("window forward", a.X, a.Y)}).
		gpu(byParts(actKernel("window_fwd", 0, a.X, a.Y), a.Y))
}

// WindowBackwardArgs are those of [WindowBackward]. Units: images.
type WindowBackwardArgs struct {
	X, DY, DX  Act // X is not read for an average
	Window     Window
	Accumulate bool // DX += instead of =
}

// WindowBackward gives each window's gradient to its maximum, the first of equals in row order, or in equal parts to its pixels.
func WindowBackward(isa ISA, a WindowBackwardArgs) Call {
	const op = "window backward"
	if a.Window.Max && (a.X.P == nil || a.X.H != a.DX.H || a.X.W != a.DX.W || a.X.C != a.DX.C) {
		panic(fmt.Sprintf("%s: maxima of %dx%dx%d, gradient %dx%dx%d", op, a.X.H, a.X.W, a.X.C, a.DX.H, a.DX.W, a.DX.C))
	}
	return newCall(C.vk_window_bwd[isa], C.vk_window_bwd_args{x: a.X.c(), dy: a.DY.c(), dx: a.DX.c(), w: a.Window.c(op, a.DX, a.DY),
		accumulate: cbool(a.Accumulate)}).gpu(byParts(actKernel("window_bwd", 0, a.DX, a.DY, a.X), a.DX))
}
