//go:build cuda

package cuda

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// outputs are an op's outputs by name.
type outputs map[string][]float32

// smallOp runs ops on a device with data drawn from r, the same on every device, and gives what they wrote.
type smallOp func(d *Device, r *rand.Rand) outputs

// sameOnGPU wants the host's outputs from the GPU, bit for bit; a NaN is any NaN.
func sameOnGPU(t *testing.T, ops map[string]smallOp) {
	host, gpu := onBoth(t, "tf32")
	for _, name := range slices.Sorted(maps.Keys(ops)) {
		want, got := ops[name](host, rand.New(rand.NewPCG(1, 2))), ops[name](gpu, rand.New(rand.NewPCG(1, 2)))
		for what, w := range want {
			wantBits(t, name+": "+what, got[what], w)
		}
	}
}

func wantBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i, w := range want {
		if g := got[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Errorf("%s: value %d is %g (%08x), the host's %g (%08x)", what, i, g, math.Float32bits(g), w, math.Float32bits(w))
			return
		}
	}
}

func draws(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(scale * r.NormFloat64())
	}
	return v
}

func positives(r *rand.Rand, n int) []float32 {
	v := draws(r, n, 1)
	for i, x := range v {
		v[i] = float32(math.Abs(float64(x))) + 1e-6
	}
	return v
}

func int32s(d *Device, v ...int32) *Tensor {
	t := d.New(Int32, len(v))
	t.SetInt32(v)
	return t
}

// gateRows is [gates,MaxBits] of draws, NaN behind the candidates of each gate.
func gateRows(d *Device, r *rand.Rand, bits []int32, scale float64) *Tensor {
	v := draws(r, len(bits)*MaxBits, scale)
	for g, n := range bits {
		for i := int(n); i < MaxBits; i++ {
			v[g*MaxBits+i] = float32(math.NaN())
		}
	}
	return d.From(v, len(bits), MaxBits)
}

// manyBits are the candidates of so many gates, 1 to MaxBits.
func manyBits(gates int) []int32 {
	bits := make([]int32, gates)
	for g := range bits {
		bits[g] = int32((5*g+2)%MaxBits + 1)
	}
	return bits
}

func newGates(d *Device, r *rand.Rand, bits []int32, scale float64) GateTensors {
	row := func(scale float64) *Tensor { return gateRows(d, r, bits, scale) }
	return GateTensors{Bits: int32s(d, bits...), Logits: row(scale), LogP: row(1), Pi: row(1), Soft: row(1), Z: row(1), DZ: row(1)}
}

func TestSmallGates(t *testing.T) {
	ops := map[string]smallOp{}
	for _, gates := range []int{1, 33, 77} {
		for mode := GateSoftmax; mode <= GateFixed; mode++ {
			for _, scale := range []float64{0, 1, 60} {
				ops[fmt.Sprintf("%d gates, mode %d, scale %g", gates, mode, scale)] = func(d *Device, r *rand.Rand) outputs {
					g := newGates(d, r, manyBits(gates), scale)
					noise := d.New(Uint32, 4)
					noise.SetUint32([]uint32{0xdeadbeef, 42, 1234567, 1})
					temperature, m := d.From([]float32{0.7}, 1), int32s(d, int32(mode))
					dpi, dlogits := gateRows(d, r, manyBits(gates), 1), d.New(Float32, gates, MaxBits)
					GateSample(g, temperature, m, noise)
					GateGrad(dlogits, g, dpi, temperature, m)
					return outputs{"ln pi": g.LogP.Get(nil), "pi": g.Pi.Get(nil), "z": g.Z.Get(nil), "soft": g.Soft.Get(nil), "dlogits": dlogits.Get(nil)}
				}
			}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallCostAndPrior(t *testing.T) {
	const gates = 70
	ops := map[string]smallOp{}
	for _, layers := range []int{1, 32, 33, 100} {
		for _, pinned := range []int{1, 3, 1000} { // every so many layers
			ops[fmt.Sprintf("cost, %d layers, %d", layers, pinned)] = func(d *Device, r *rand.Rand) outputs {
				rows := [2][]int32{}
				for l := range layers {
					for kind := range rows {
						row := int32(r.IntN(gates))
						if (l+kind)%pinned == 0 {
							row = -1
						}
						rows[kind] = append(rows[kind], row)
					}
				}
				c := CostTensors{WeightGate: int32s(d, rows[0]...), InputGate: int32s(d, rows[1]...), Bits: int32s(d, manyBits(gates)...),
					Table: d.From(positives(r, layers*MaxBits*MaxBits), layers, MaxBits, MaxBits)}
				cost, value, dp, p := d.New(Float32, 1), d.New(Float32, 1), gateRows(d, r, manyBits(gates), 1), gateRows(d, r, manyBits(gates), 1)
				ExpectedCost(value, nil, p, c, nil)
				ExpectedCost(cost, dp, p, c, d.From([]float32{0.37}, 1))
				return outputs{"value alone": value.Get(nil), "cost": cost.Get(nil), "dp": dp.Get(nil)}
			}
		}
	}
	for _, n := range []int{1, 64, 65, gates} {
		for _, kind := range []string{"none", "entropy", "kl"} {
			ops[fmt.Sprintf("prior %s of %d", kind, n)] = func(d *Device, r *rand.Rand) outputs {
				g := newGates(d, r, manyBits(n), 40) // some pi are 0
				GateSample(g, d.From([]float32{1}, 1), int32s(d, int32(GateSoftmax)), d.New(Uint32, 4))
				value, entropy, dpi := d.New(Float32, 1), d.New(Float32, 1), gateRows(d, r, manyBits(n), 1)
				Prior(kind, value, entropy, dpi, g, gateRows(d, r, manyBits(n), 2), d.From([]float32{0.11}, 1))
				return outputs{"value": value.Get(nil), "entropy": entropy.Get(nil), "dpi": dpi.Get(nil)}
			}
		}
	}
	for _, cost := range []float32{1, 0.3, 1e-6} {
		ops[fmt.Sprintf("factor of %g", cost)] = func(d *Device, r *rand.Rand) outputs {
			c, loss, factor, weight := d.From([]float32{cost}, 1), d.From([]float32{37.5}, 1), d.New(Float32, 1), d.New(Float32, 1)
			CostFactor(factor, c, 20.7, 0.9)
			CostFactorGrad(weight, loss, 24, c, 20.7, 0.9)
			return outputs{"factor": factor.Get(nil), "weight": weight.Get(nil)}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallBitModel(t *testing.T) {
	ops := map[string]smallOp{}
	for _, s := range [][3]int{{0, 1, 4}, {1, 1, 1}, {1, 7, 40}, {2, 64, 40}, {3, 33, 5}, {4, 100, 4}, {2, 256, 4}} {
		depth, hidden, gates := s[0], s[1], s[2]
		ops[fmt.Sprintf("depth %d, hidden %d, %d gates", depth, hidden, gates)] = func(d *Device, r *rand.Rand) outputs {
			bits, n := manyBits(gates), kernels.BitModelSize(depth, hidden, gates)
			row := func(scale float64) *Tensor { return gateRows(d, r, bits, scale) }
			m := BitModel{Depth: depth, Hidden: hidden, Gates: gates, Bits: int32s(d, bits...), Theta: d.From(draws(r, n, 0.4), n),
				DTheta: d.From(draws(r, n, 1), n), U: d.From([]float32{-0.7}, 1), KappaRank: row(3), H: d.New(Float32, max(1, depth), hidden),
				Logits: row(1), Tilt: row(1), DLogits: row(1)}
			BitModelForward(m)
			BitModelBackward(m, d.From([]float32{0.25}, 1))
			return outputs{"h": m.H.Get(nil), "logits": m.Logits.Get(nil), "tilt": m.Tilt.Get(nil), "dtheta": m.DTheta.Get(nil)}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallSimilarity(t *testing.T) {
	ops := map[string]smallOp{}
	for _, bits := range []int{1, 2, 3, 8} {
		for _, n := range []int{1, 27, 1025, 8199} {
			ops[fmt.Sprintf("%d filters of %d", bits, n)] = func(d *Device, r *rand.Rand) outputs {
				v := draws(r, bits*n, 0.1)
				if bits > 2 {
					copy(v[n:2*n], v[:n]) // equal filters
				}
				w, dw, value := d.From(v, bits, n), d.From(draws(r, bits*n, 1), bits, n), d.New(Float32, 1)
				Similarity(value, dw, d.New(Float32, max(1, SimilarityPartialLen(w))), w, d.From([]float32{0.3}, 1))
				return outputs{"value": value.Get(nil), "dw": dw.Get(nil)}
			}
		}
	}
	sameOnGPU(t, ops)
}

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
