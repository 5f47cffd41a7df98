//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// nestedQuantizers are those of a case, with parameters of a shape that param allocates.
func nestedQuantizers(d *Device, signed bool, param func(value float32) *Tensor) map[string]*Nested {
	z := func(v ...float32) *Tensor { return d.From(append(v, make([]float32, MaxBits-len(v))...), MaxBits) }
	return map[string]*Nested{
		"residual":       {Bits: []int{2, 4, 8, 16}, Signed: signed, Z: z(.9, .7, 1, .3), Param: param(1.5)},
		"residual, off":  {Bits: []int{2, 4}, Signed: signed, Z: z(0, 1), Param: param(1)},
		"truncate":       {Truncate: true, Bits: []int{2, 3, 4, 5, 6, 7, 8}, Signed: signed, Z: z(0, 0, 1), Param: param(.02)},
		"truncate, none": {Truncate: true, Bits: []int{4, 8}, Signed: signed, Z: z(), Param: param(.02)},
	}
}

// nestedInputs is a nested quantizer of activations, forward and backward: what is stored, and the sums.
func nestedInputs(d *Device, exact bool, c int, n *Nested) (stored, sums outputs) {
	u := unitData{rand.New(rand.NewPCG(3, uint64(c))), exact}
	act := func(border int) *Tensor {
		t := d.NewAct(border, 2, 4, 5, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	x, y, dy, dx, alone := act(1), act(2), act(0), act(1), act(0)
	rows := d.New(Float32, d.MixRows(x), len(n.Bits)+1)
	NestedInput(y, x, n)
	NestedInputGrad(dx, rows, dy, x, n, true)
	NestedInputGrad(alone, nil, dy, x, n, false)
	dz, dparam := d.New(Float32, MaxBits), d.New(Float32, 1)
	NestedReduce(dz, dparam, rows, 0.25, d.From([]float32{0.5}, 1))
	return outputs{"y": get(y), "dx": get(dx), "dx without rows": get(alone)}, outputs{"dz": get(dz), "dparam": get(dparam)}
}

func TestSimNested(t *testing.T) {
	for name, precision := range precisions {
		host, gpu := onBoth(t, name)
		for _, c := range []int{3, 16, 24} {
			for _, signed := range []bool{false, true} {
				quantizers := func(d *Device) map[string]*Nested {
					return nestedQuantizers(d, signed, func(v float32) *Tensor { return d.From([]float32{v}, 1) })
				}
				onHost := quantizers(host)
				for which, n := range quantizers(gpu) {
					t.Run(fmt.Sprintf("%s, %d channels, signed %t, %s", name, c, signed, which), func(t *testing.T) {
						stored, sums := nestedInputs(gpu, name == "bf16", c, n)
						wantStored, wantSums := nestedInputs(host, name == "bf16", c, onHost[which])
						results{values: stored}.equal(t, results{values: wantStored}, precision.stored)
						for what, want := range wantSums {
							near(t, what, sums[what], want, 3e-6)
						}
					})
				}
			}
		}
	}
}

// nestedWeights is a nested quantizer of filters of c channels, forward and backward.
func nestedWeights(d *Device, c int, n *Nested) (equal, sums outputs) {
	u := unitData{r: rand.New(rand.NewPCG(3, uint64(c)))}
	weights := func() *Tensor { return d.From(u.values(6*3*3*c, 1), 1, 6, 3, 3, c) }
	w, dw := weights(), weights()
	mixed, dmixed := weights().View(0, 6, 3, 3, c), weights().View(0, 6, 3, 3, c)
	rows, scale := d.New(Float32, 6, len(n.Bits)+1), d.From([]float32{0.5}, 1)
	dprune := d.New(Float32, 6)
	if n.Prune != nil {
		n.DPrune = dprune
	}
	NestedWeight(mixed, w, n)
	NestedWeightGrad(dw, rows, dmixed, w, n, scale)
	dz, dparam := d.New(Float32, MaxBits), d.New(Float32, n.Param.Shape()...)
	NestedReduce(dz, dparam, rows, 0.25, scale)
	return outputs{"mixed": get(mixed), "dw": get(dw)}, outputs{"dz": get(dz), "dparam": get(dparam), "dprune": get(dprune)}
}

func TestSimNestedWeights(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	for _, c := range []int{3, 16, 64} {
		for _, perTensor := range []bool{false, true} {
			quantizers := func(d *Device) map[string]*Nested {
				params := func(v float32) *Tensor {
					if perTensor {
						return d.From([]float32{v}, 1)
					}
					return d.From([]float32{v, v / 2, 2 * v, v / 3, v, v}, 1, 6)
				}
				all := nestedQuantizers(d, true, params)
				if !perTensor {
					for _, n := range all {
						n.Prune = d.From([]float32{1, .5, 0, 1, .25, 1}, 6)
					}
				}
				return all
			}
			onHost := quantizers(host)
			for which, n := range quantizers(gpu) {
				t.Run(fmt.Sprintf("%d channels, one parameter %t, %s", c, perTensor, which), func(t *testing.T) {
					equal, sums := nestedWeights(gpu, c, n)
					wantEqual, wantSums := nestedWeights(host, c, onHost[which])
					results{values: equal}.equal(t, results{values: wantEqual}, same)
					for what, want := range wantSums {
						near(t, what, sums[what], want, 1e-4) // terms of both signs nearly cancel
					}
				})
			}
		}
	}
}
