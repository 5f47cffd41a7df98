//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// activated is every function of x [n,h,w,c], forward and backward.
func activated(d *Device, u unitData, n, h, w, c int) results {
	act := func(border int, size float32) *Tensor {
		t := d.NewAct(border, n, h, w, c)
		t.Set(u.values(t.Len(), size))
		return t
	}
	r := results{map[string][]float32{}, map[string]rowSums{}}
	for kind := ActClip; kind <= ActTanh; kind++ {
		f := Activation{Kind: kind, Alpha: 0.25, Beta: 0.5}
		x, y, dy := act(1, 3), act(2, 1), act(0, 1)
		dx, added := act(1, 1), act(0, 1)
		var rows *Tensor
		if kind == ActPReLU {
			f.Slope = d.From(u.values(c, 1), c)
			rows = d.New(Float32, d.ActivateRows(x), c)
		}
		Activate(y, x, f)
		ActivateGrad(dx, rows, dy, x, f, false)
		ActivateGrad(added, nil, dy, x, f, true)
		Activate(x, x, f)
		for name, t := range map[string]*Tensor{"y": y, "in place": x, "dx": dx, "dx added to": added} {
			r.values[kind.String()+" "+name] = get(t)
		}
		if rows != nil {
			r.rows["rows of slopes"] = sumsOf(rows)
		}
	}
	return r
}

// Activation functions and their gradients give the host's bits; sums of slopes' gradients its sums.
func TestSimActivate(t *testing.T) {
	for name, precision := range precisions {
		host, gpu := onBoth(t, name)
		for _, s := range [][4]int{{2, 4, 5, 3}, {1, 32, 32, 8}, {2, 7, 9, 16}, {1, 2, 3, 300}, {2, 1, 1, 24}} {
			t.Run(fmt.Sprint(name, s), func(t *testing.T) {
				on := func(d *Device) results {
					return activated(d, unitData{rand.New(rand.NewPCG(7, 8)), name == "bf16"}, s[0], s[1], s[2], s[3])
				}
				on(gpu).equal(t, on(host), precision.stored)
			})
		}
	}
}

// multiplied are products of a [n,h,w,c] with as large a tensor and with one of 1x1, and their gradients.
func multiplied(d *Device, u unitData, n, h, w, c int) outputs {
	act := func(border, h, w int) *Tensor {
		t := d.NewAct(border, n, h, w, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	r := outputs{}
	for _, s := range [][2]int{{h, w}, {1, 1}} {
		a, b, y, dy := act(1, h, w), act(2, s[0], s[1]), act(1, h, w), act(0, h, w)
		da, db, addA, addB, square := act(0, h, w), act(1, s[0], s[1]), act(1, h, w), act(0, s[0], s[1]), act(0, h, w)
		Multiply(y, a, b)
		MultiplyGrad(da, db, dy, a, b, false, false)
		MultiplyGrad(addA, nil, dy, a, b, true, false)
		MultiplyGrad(nil, addB, dy, a, b, false, true)
		MultiplyGrad(square, square, dy, a, a, false, true)
		for name, t := range map[string]*Tensor{"y": y, "da": da, "db": db, "da added to": addA, "db added to": addB, "da of a*a": square} {
			r[fmt.Sprint(name, s)] = get(t)
		}
	}
	return r
}

func TestSimMultiply(t *testing.T) {
	for name, precision := range precisions {
		host, gpu := onBoth(t, name)
		for _, s := range [][4]int{{2, 4, 5, 3}, {1, 32, 32, 8}, {2, 3, 5, 16}, {2, 1, 1, 24}} {
			t.Run(fmt.Sprint(name, s), func(t *testing.T) {
				on := func(d *Device) results {
					return results{values: multiplied(d, unitData{rand.New(rand.NewPCG(9, 10)), name == "bf16"}, s[0], s[1], s[2], s[3])}
				}
				on(gpu).equal(t, on(host), precision.stored)
			})
		}
	}
}

func TestSmallPixelLoss(t *testing.T) {
	ops := map[string]smallOp{}
	for _, s := range [][4]int{{1, 1, 1, 1}, {3, 4, 5, 1}, {2, 3, 200, 3}, {2, 2, 256, 1}} {
		for _, l1 := range []bool{true, false} {
			ops[fmt.Sprint(s, l1)] = func(d *Device, r *rand.Rand) outputs {
				act := func(border int) *Tensor {
					t := d.NewActOf(Float32, border, s[0], s[1], s[2], s[3])
					t.Set(draws(r, t.Len(), 1))
					return t
				}
				y, target, dy, rows, alone := act(0), act(1), act(2), d.New(Float32, s[0], 2), d.New(Float32, s[0], 2)
				PixelLoss(rows, dy, y, target, l1, d.From([]float32{0.3}, 1))
				v := y.Get(nil)
				v[0] = float32(math.NaN())
				y.Set(v)
				PixelLoss(alone, nil, y, target, l1, nil)
				return outputs{"rows": rows.Get(nil), "dy": get(dy), "rows alone": alone.Get(nil)}
			}
		}
	}
	sameOnGPU(t, ops)
}
