//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

func TestSmallOptimizers(t *testing.T) {
	ops := map[string]smallOp{}
	for _, n := range []int{1, 3, 1023, 4096, 5003} {
		for _, offset := range []int{0, 1} { // at 16 bytes or not
			ops[fmt.Sprintf("%d values at %d", n, offset)] = func(d *Device, r *rand.Rand) outputs {
				flat := func(v []float32) *Tensor { return d.From(v, n+offset).View(offset, n) }
				out := outputs{}
				for _, name := range []string{"sgd", "adam", "logadam"} {
					p, m, v := flat(positives(r, n+offset)), flat(draws(r, n+offset, 1)), flat(positives(r, n+offset))
					g, lr, bias := flat(draws(r, n+offset, 1)), d.From([]float32{0.05}, 1), d.From([]float32{0.19, 0.0299}, 2)
					for range 2 {
						switch name {
						case "sgd":
							SGD(p, g, m, lr, 0.9, 5e-4)
						case "adam":
							Adam(p, g, m, v, lr, bias, 0.9, 0.99, 1e-8)
						case "logadam":
							LogAdam(p, g, m, v, lr, bias, 0.9, 0.99, 1e-12)
						}
					}
					out[name+" p"], out[name+" m"], out[name+" v"], out[name+" g"] = p.Get(nil), m.Get(nil), v.Get(nil), g.Get(nil)
				}
				return out
			}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallLoss(t *testing.T) {
	const n = 9
	ops := map[string]smallOp{}
	for _, classes := range []int{1, 2, 10, 31, 33, 100, 1000} {
		ops[fmt.Sprintf("%d classes", classes)] = func(d *Device, r *rand.Rand) outputs {
			v := draws(r, n*classes, 3)
			v[classes], v[3*classes] = float32(math.NaN()), float32(math.Inf(1))
			for j := range classes {
				v[2*classes+j] = 1 // all equal
			}
			labels := make([]int32, n)
			for i := range labels {
				labels[i] = int32(r.IntN(classes))
			}
			labels[4], labels[5] = -1, int32(classes)
			x, dx, rows := d.From(v, n, 1, 1, classes), d.New(Float32, n, 1, 1, classes), d.New(Float32, n, 2)
			SoftmaxCrossEntropy(rows, dx, x, int32s(d, labels...), d.From([]float32{1.7}, 1))
			alone := d.New(Float32, n, 2)
			SoftmaxCrossEntropy(alone, nil, x, int32s(d, labels...), nil)
			return outputs{"rows": rows.Get(nil), "dlogits": dx.Get(nil), "rows alone": alone.Get(nil)}
		}
	}
	for _, s := range [][2]int{{1, 1000}, {2, 1}, {128, 2}, {300, 10}, {7, 129}} {
		ops[fmt.Sprintf("sum of rows %v", s)] = func(d *Device, r *rand.Rand) outputs {
			in, out, added := d.From(draws(r, s[0]*s[1], 1e3), s[0], s[1]), d.New(Float32, s[1]), d.From(draws(r, s[1], 1), s[1])
			SumRows(out, in, nil, false)
			SumRows(added, in, d.From([]float32{0.3}, 1), true)
			Zero(in.View(0, s[0]*s[1]-1))
			return outputs{"sum": out.Get(nil), "scaled and added": added.Get(nil), "zero but for the last": in.Get(nil)}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallElementary(t *testing.T) {
	var x []float32
	for word := uint64(0); word < 1<<32; word += 1300409 {
		x = append(x, math.Float32frombits(uint32(word)))
	}
	x = append(x, 88.8, 88.72, -104, -103.9, 0.55, -0.55, 1e-45)
	ops := map[string]smallOp{}
	for op, name := range map[kernels.ElementaryOp]string{kernels.Exp: "exp", kernels.Log: "ln", kernels.Tanh: "tanh"} {
		ops[name] = func(d *Device, _ *rand.Rand) outputs {
			y := d.New(Float32, len(x))
			d.emit("elementary", blocks, len(x), 4, kernels.Elementary(kernels.ElementaryArgs{Op: op, X: d.From(x, len(x)).p, Y: y.p}))
			return outputs{"y": y.Get(nil)}
		}
	}
	ops["philox"] = func(d *Device, _ *rand.Rand) outputs {
		const units = 300
		words := d.New(Float32, 4*units)
		d.emit("philox", blocks, units, 16, kernels.PhiloxFill(kernels.PhiloxArgs{Key: [2]uint32{1, 2}, Counter: [4]uint32{0xffffff00, 4, 5, 6}, Out: words.p}))
		halves := make([]float32, 0, 8*units) // numbers, so that words that are NaN are compared too
		for _, w := range words.Get(nil) {
			bits := math.Float32bits(w)
			halves = append(halves, float32(bits>>16), float32(bits&0xffff))
		}
		return outputs{"words": halves}
	}
	sameOnGPU(t, ops)
}

// Set and Get of activations, and what Augment writes into them.
func TestSmallActivations(t *testing.T) {
	for _, precision := range []string{"tf32", "bf16"} {
		host, gpu := onBoth(t, precision)
		for _, s := range [][5]int{{1, 1, 1, 10, 0}, {3, 5, 7, 3, 0}, {2, 8, 8, 1, 1}, {3, 6, 5, 3, 2}, {2, 9, 4, 17, 3}} {
			r := rand.New(rand.NewPCG(3, 4))
			name, n, c := fmt.Sprintf("%s %v", precision, s), s[0]*s[1]*s[2]*s[3], s[3]
			stored := func(v []float32) []float32 {
				for i := range v {
					if precision == "bf16" {
						v[i] = bf16(v[i])
					}
				}
				return v
			}
			values := draws(r, n, 10)
			values[0], values[1], values[2] = 1.00390625, 1.01171875, 3.4e38 // ties; overflow
			x := gpu.NewAct(s[4], s[0], s[1], s[2], s[3])
			x.Set(values)
			wantBits(t, name+": set and got", x.Get(nil), stored(slices.Clone(values)))

			pixels, crops := make([]uint8, n), make([]int32, 3*s[0])
			for i := range pixels {
				pixels[i] = uint8(r.Uint32())
			}
			for i := range crops {
				crops[i] = int32(r.IntN(9)) - 4
				if i%3 == 2 {
					crops[i] = int32(r.IntN(2))
				}
			}
			mean, std := positives(r, c), positives(r, c)
			augmented := func(d *Device) []float32 {
				x, p, draw := d.NewAct(s[4], s[0], s[1], s[2], s[3]), d.New(Uint8, s[:4]...), int32s(d, crops...)
				p.SetUint8(pixels)
				Augment(x, p, draw, d.From(mean, c), d.From(std, c))
				return x.Get(nil)
			}
			wantBits(t, name+": augmented", augmented(gpu), stored(augmented(host)))
		}
	}
}

// pooling is the pool of x [n,h,w,c], forward and backward.
func pooling(d *Device, u unitData, n, h, w, c int) outputs {
	act := func(border, h, w int) *Tensor {
		t := d.NewAct(border, n, h, w, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	x, y, dy, dx, added := act(1, h, w), act(0, 1, 1), act(2, 1, 1), act(1, h, w), act(0, h, w)
	AvgPool(y, x)
	AvgPoolGrad(dx, dy, false)
	AvgPoolGrad(added, dy, true)
	return outputs{"y": get(y), "dx": get(dx), "dx added to": get(added)}
}

func TestSimPool(t *testing.T) {
	for name, precision := range precisions {
		host, gpu := onBoth(t, name)
		for _, s := range [][4]int{{2, 4, 5, 3}, {3, 7, 5, 16}, {1, 2, 3, 300}, {2, 1, 1, 24}} {
			t.Run(fmt.Sprint(name, s), func(t *testing.T) {
				on := func(d *Device) results {
					return results{values: pooling(d, unitData{rand.New(rand.NewPCG(5, 6)), name == "bf16"}, s[0], s[1], s[2], s[3])}
				}
				on(gpu).equal(t, on(host), precision.stored)
			})
		}
	}
}
