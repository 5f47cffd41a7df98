package cuda

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// shapeCase is a case of testdata/gen_shape.py.
type shapeCase struct {
	Name, Op string
	Options  struct {
		R, S, Stride, Top, Left, Block int
		Max, Floor                     bool
		CountPad                       bool `json:"count_pad"`
		Mode, Coordinates              string
	}
	XShape []int `json:"x_shape"`
	YShape []int `json:"y_shape"`
	X, Y   []float32
	DX, DY []float32
}

// run is the op and its gradient by this package.
func (c shapeCase) run(d *Device) (y, dx []float32) {
	act := func(border int, shape []int, v []float32) *Tensor {
		t := d.NewAct(border, shape[0], shape[1], shape[2], shape[3])
		if v != nil {
			t.Set(v)
		}
		return t
	}
	x, dy := act(1, c.XShape, c.X), act(0, c.YShape, c.DY)
	ty, tdx := act(2, c.YShape, nil), act(0, c.XShape, nil)
	switch o := c.Options; c.Op {
	case "pool":
		w := Window{Max: o.Max, R: o.R, S: o.S, Stride: o.Stride, PadTop: o.Top, PadLeft: o.Left, CountPad: o.CountPad}
		Pool(ty, x, w)
		PoolGrad(tdx, dy, x, w, false)
	case "shuffle":
		DepthToSpace(ty, x, o.Block, false)
		DepthToSpaceGrad(tdx, dy, o.Block, false, false)
	case "resize":
		r := Resampling{Floor: o.Floor, Interpolation: map[string]Interpolation{"nearest": Nearest, "linear": Linear, "cubic": Cubic}[o.Mode],
			Coordinates: map[string]Coordinates{"half pixel": HalfPixel, "asymmetric": Asymmetric, "align corners": AlignCorners}[o.Coordinates]}
		rows, cols := d.NewTaps(c.XShape[1], c.YShape[1], r), d.NewTaps(c.XShape[2], c.YShape[2], r)
		Resample(ty, x, rows, cols, false)
		ResampleGrad(tdx, dy, rows, cols, false)
	}
	return ty.Get(nil), tdx.Get(nil)
}

func TestShapePyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/shape.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Cases []shapeCase }
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 20 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	d := open(t, Options{Device: "host", Threads: 1})
	for _, c := range golden.Cases {
		y, dx := c.run(d)
		wantNear(t, c.Name+": y", y, c.Y)
		wantNear(t, c.Name+": dx", dx, c.DX)
	}
}

func wantNear(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > 1e-5 {
			t.Errorf("%s: value %d is %g, PyTorch's is %g", what, i, got[i], w)
			return
		}
	}
}

// Places by hand, from the formulas of ONNX Resize.
func TestTaps(t *testing.T) {
	for _, c := range []struct {
		r       Resampling
		in, out int
		at      []int32 // of the first tap of each place
	}{
		{Resampling{}, 4, 2, []int32{0, 2}},                                                    // 0.5 and 2.5, half down
		{Resampling{Floor: true}, 3, 6, []int32{0, 0, 0, 1, 1, 2}},                             // -0.25, 0.25, 0.75, ...
		{Resampling{}, 3, 6, []int32{0, 0, 1, 1, 2, 2}},                                        //
		{Resampling{Coordinates: Asymmetric}, 2, 4, []int32{0, 0, 1, 1}},                       // 0, 0.5, 1, 1.5
		{Resampling{Coordinates: AlignCorners}, 5, 3, []int32{0, 2, 4}},                        //
		{Resampling{Coordinates: AlignCorners}, 5, 1, []int32{0}},                              //
		{Resampling{Interpolation: Linear, Coordinates: AlignCorners}, 5, 3, []int32{0, 2, 4}}, // exactly on places: one tap
	} {
		at, weight, count := c.r.table(c.in, c.out).dense()
		if count != 1 || !slices.Equal(at, c.at) || slices.Min(weight) != 1 || slices.Max(weight) != 1 {
			t.Errorf("%+v, %d to %d: places %v, weights %v; want %v, 1", c.r, c.in, c.out, at, weight, c.at)
		}
	}
}

// Weights sum to 1, and the transposed table holds the same pairs.
func TestTapsTransposed(t *testing.T) {
	for mode := Nearest; mode <= Cubic; mode++ {
		for coordinates := HalfPixel; coordinates <= AlignCorners; coordinates++ {
			for _, s := range [][2]int{{1, 1}, {1, 5}, {5, 1}, {4, 9}, {9, 4}, {7, 7}} {
				table := Resampling{Interpolation: mode, Coordinates: coordinates, A: -0.5}.table(s[0], s[1])
				back := table.transposed(s[0])
				pairs := 0
				for i, taps := range table {
					sum := 0.0
					for _, p := range taps {
						sum += p.weight
						if !slices.Contains(back[p.at], tap{i, p.weight}) {
							t.Errorf("%d %d %v: tap %v of %d is not in the transposed table", mode, coordinates, s, p, i)
						}
					}
					if pairs += len(taps); math.Abs(sum-1) > 1e-12 {
						t.Errorf("%d %d %v: weights of %d sum to %g", mode, coordinates, s, i, sum)
					}
				}
				for _, taps := range back {
					pairs -= len(taps)
				}
				if pairs != 0 {
					t.Errorf("%d %d %v: the transposed table has %d pairs less", mode, coordinates, s, pairs)
				}
			}
		}
	}
}
