//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestSmallHardConcrete(t *testing.T) {
	ops := map[string]smallOp{}
	for _, gates := range []int{1, 33, 64, 65, 150} {
		for _, mode := range []HardConcreteMode{HardConcreteSample, HardConcreteChild} {
			for _, scale := range []float64{0, 2, 60} {
				ops[fmt.Sprintf("%d gates, mode %d, scale %g", gates, mode, scale)] = func(d *Device, r *rand.Rand) outputs {
					bits := manyBits(gates)
					row := func(scale float64) *Tensor { return gateRows(d, r, bits, scale) }
					h := HardConcreteTensors{Bits: int32s(d, bits...), Phi: row(scale), LogP: row(1), Pi: row(1), Slope: row(1), Z: row(1), DZ: row(1), Cost: row(1)}
					noise := d.New(Uint32, 4)
					noise.SetUint32([]uint32{0xdeadbeef, 42, 1234567, 1})
					dphi, penalty := row(1), d.New(Float32, 1)
					HardConcrete(h, int32s(d, int32(mode)), noise)
					HardConcreteGrad(dphi, penalty, h, d.From([]float32{0.37}, 1))
					return outputs{"ln pi": h.LogP.Get(nil), "pi": h.Pi.Get(nil), "z": h.Z.Get(nil), "slope": h.Slope.Get(nil),
						"dphi": dphi.Get(nil), "penalty": penalty.Get(nil)}
				}
			}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallChannelGates(t *testing.T) {
	ops := map[string]smallOp{}
	for _, mode := range []HardConcreteMode{HardConcreteSample, HardConcreteChild} {
		for _, scale := range []float64{0, 2, 60} {
			ops[fmt.Sprintf("mode %d, scale %g", mode, scale)] = func(d *Device, r *rand.Rand) outputs {
				bits := manyBits(9)
				row := func() *Tensor { return gateRows(d, r, bits, 1) }
				rows := HardConcreteTensors{Bits: int32s(d, bits...), Pi: row()}
				channels := func(scale float64) *Tensor {
					v := make([]float32, 700)
					for i := range v {
						v[i] = float32(scale * r.NormFloat64())
					}
					return d.From(v, len(v))
				}
				c := ChannelGateTensors{First: int32s(d, 0, 1, 33, 64, 700), Row: int32s(d, 8, 0, 5, 2), Phi: channels(scale), Z: channels(1),
					Slope: channels(1), DZ: channels(1), Cost: row()}
				noise := d.New(Uint32, 4)
				noise.SetUint32([]uint32{0xdeadbeef, 42, 1234567, 1})
				shared, dphi := row(), channels(1)
				ChannelGates(shared, c, int32s(d, int32(mode)), noise)
				ChannelGatesGrad(dphi, c, rows, d.From([]float32{0.37}, 1))
				return outputs{"z": c.Z.Get(nil), "slope": c.Slope.Get(nil), "shared": shared.Get(nil), "dphi": dphi.Get(nil)}
			}
		}
	}
	sameOnGPU(t, ops)
}

func TestSmallPairs(t *testing.T) {
	ops := map[string]smallOp{}
	for _, layers := range []int{1, 32, 33, 90} {
		ops[fmt.Sprintf("%d layers", layers)] = func(d *Device, r *rand.Rand) outputs {
			bits, pairs := manyBits(2*layers), manyBits(layers)
			var rows, options [2][]int32 // by kind: gates, then options of every pair
			for l := range layers {
				for kind := range rows {
					gate := int32(2*l + kind)
					for range MaxBits {
						options[kind] = append(options[kind], int32(r.IntN(int(bits[gate]))))
					}
					if l%5 == kind {
						gate = -1
					}
					rows[kind] = append(rows[kind], gate)
				}
			}
			p := PairTensors{Pairs: int32s(d, pairs...), WeightGate: int32s(d, rows[0]...), InputGate: int32s(d, rows[1]...),
				WeightOption: int32s(d, options[0]...), InputOption: int32s(d, options[1]...), Bits: int32s(d, bits...)}
			z, dpairZ := gateRows(d, r, bits, 1), gateRows(d, r, pairs, 1)
			PairMarginals(z, gateRows(d, r, pairs, 1), p)
			PairMarginalsGrad(dpairZ, gateRows(d, r, bits, 1), p)
			return outputs{"z": z.Get(nil), "dpairZ": dpairZ.Get(nil)}
		}
	}
	sameOnGPU(t, ops)
}
