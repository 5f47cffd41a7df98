package kernels

// #include "kernels.h"
import "C"

import "fmt"

// Taps are, for each of Out places, the source places below In that it reads and their weights.
type Taps struct {
	At      Ptr // i32 [Out,Count]; -1 ends the taps of a place
	Weight  Ptr // f32 [Out,Count]
	In, Out int
	Count   int
}

func (t Taps) c() C.vk_taps {
	return C.vk_taps{at: i32(t.At), weight: f32(t.Weight), taps: C.int(t.Count)}
}

// ResampleArgs are those of [Resample]. Units: images.
type ResampleArgs struct {
	X, Y       Act // [N,H,W,C], [N,P,Q,C]
	Rows, Cols Taps
	Accumulate bool // Y += instead of =
}

// Resample is the weighted sum of what the taps in rows and columns read, columns first.
func Resample(isa ISA, a ResampleArgs) Call {
	if a.X.C != a.Y.C || a.Rows.In != a.X.H || a.Rows.Out != a.Y.H || a.Cols.In != a.X.W || a.Cols.Out != a.Y.W {
		panic(fmt.Sprintf("resample: %dx%dx%d to %dx%dx%d by taps %d to %d and %d to %d", a.X.H, a.X.W, a.X.C, a.Y.H, a.Y.W, a.Y.C,
			a.Rows.In, a.Rows.Out, a.Cols.In, a.Cols.Out))
	}
	return newCall(C.vk_resample[isa], C.vk_resample_args{x: a.X.c(), y: a.Y.c(), rows: a.Rows.c(), cols: a.Cols.c(), accumulate: cbool(a.Accumulate)}).
		gpu(byParts(actKernel("resample", 0, a.X, a.Y), a.Y))
}
