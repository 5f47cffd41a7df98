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
