//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// shapeOp runs an op of pool.go, place.go, shuffle.go or resample.go both ways on n images of h x w x c; act makes an activation tensor.
type shapeOp func(d *Device, act func(border, h, w, c int) *Tensor, h, w, c int) outputs

func pooled(w Window) shapeOp {
	return func(d *Device, act func(border, h, w, c int) *Tensor, h, wide, c int) outputs {
		p, q := (h+2*w.PadTop-w.R)/w.Stride+1, (wide+2*w.PadLeft-w.S)/w.Stride+1
		x, y, dy, dx, added := act(1, h, wide, c), act(0, p, q, c), act(2, p, q, c), act(2, h, wide, c), act(0, h, wide, c)
		Pool(y, x, w)
		PoolGrad(dx, dy, x, w, false)
		PoolGrad(added, dy, x, w, true)
		return outputs{"y": get(y), "dx": get(dx), "dx added to": get(added)}
	}
}

func placed(top, left, channel int, clear bool) shapeOp {
	return func(d *Device, act func(border, h, w, c int) *Tensor, h, w, c int) outputs {
		x, y, dx, added := act(1, h, w, c), act(2, h+top+1, w+left+2, c+2*channel), act(0, h, w, c), act(1, h, w, c)
		Place(y, x, top, left, channel, clear)
		dy := act(1, h+top+1, w+left+2, c+2*channel)
		PlaceGrad(dx, dy, top, left, channel, false)
		PlaceGrad(added, dy, top, left, channel, true)
		return outputs{"y": get(y), "dx": get(dx), "dx added to": get(added)}
	}
}

func shuffled(block int, dcr bool) shapeOp {
	return func(d *Device, act func(border, h, w, c int) *Tensor, h, w, c int) outputs {
		b := block * block
		x, y, dy := act(1, h, w, c*b), act(2, h*block, w*block, c), act(0, h*block, w*block, c)
		dx, added := act(0, h, w, c*b), act(1, h, w, c*b)
		DepthToSpace(y, x, block, dcr)
		DepthToSpaceGrad(dx, dy, block, dcr, false)
		DepthToSpaceGrad(added, dy, block, dcr, true)
		return outputs{"y": get(y), "dx": get(dx), "dx added to": get(added)}
	}
}

func resampled(r Resampling) shapeOp {
	return func(d *Device, act func(border, h, w, c int) *Tensor, h, w, c int) outputs {
		p, q := 2*h+1, max(1, w-1)
		rows, cols := d.NewTaps(h, p, r), d.NewTaps(w, q, r)
		defer rows.Free()
		defer cols.Free()
		x, y, dy, dx, added := act(1, h, w, c), act(2, p, q, c), act(0, p, q, c), act(1, h, w, c), act(0, h, w, c)
		more := act(0, p, q, c)
		Resample(y, x, rows, cols, false)
		Resample(more, x, rows, cols, true)
		ResampleGrad(dx, dy, rows, cols, false)
		ResampleGrad(added, dy, rows, cols, true)
		return outputs{"y": get(y), "y added to": get(more), "dx": get(dx), "dx added to": get(added)}
	}
}

func TestSimShape(t *testing.T) {
	ops := map[string]shapeOp{
		"max pool":          pooled(Window{Max: true, R: 3, S: 3, Stride: 2, PadTop: 1, PadLeft: 1}),
		"average pool":      pooled(Window{R: 3, S: 2, Stride: 1, PadTop: 1}),
		"average with pad":  pooled(Window{R: 2, S: 3, Stride: 2, PadTop: 1, PadLeft: 1, CountPad: true}),
		"place":             placed(1, 0, 8, false),
		"place and clear":   placed(2, 1, 8, true),
		"place at 3":        placed(0, 1, 3, true),
		"shuffle":           shuffled(2, false),
		"shuffle dcr":       shuffled(3, true),
		"nearest":           resampled(Resampling{Coordinates: Asymmetric, Floor: true}),
		"linear":            resampled(Resampling{Interpolation: Linear}),
		"cubic, align":      resampled(Resampling{Interpolation: Cubic, Coordinates: AlignCorners}),
		"linear, align":     resampled(Resampling{Interpolation: Linear, Coordinates: AlignCorners}),
		"nearest half down": resampled(Resampling{}),
	}
	for precision, p := range precisions {
		host, gpu := onBoth(t, precision)
		for _, s := range [][4]int{{2, 4, 5, 3}, {3, 7, 5, 16}, {1, 3, 4, 264}} {
			for name, op := range ops {
				t.Run(fmt.Sprint(precision, s, name), func(t *testing.T) {
					on := func(d *Device) results {
						u := unitData{rand.New(rand.NewPCG(5, 6)), precision == "bf16"}
						return results{values: op(d, func(border, h, w, c int) *Tensor {
							t := d.NewAct(border, s[0], h, w, c)
							t.Set(u.values(t.Len(), 1))
							return t
						}, s[1], s[2], s[3])}
					}
					on(gpu).equal(t, on(host), p.stored)
				})
			}
		}
	}
}
