//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// stepFactors are LSQ gradient scales, one a candidate.
func stepFactors(bits int) []float32 {
	g := make([]float32, bits)
	for i := range g {
		g[i] = 1 / float32(i+1)
	}
	return g
}

// mixInputs is the mix of a tensor that stands alone, and the copy that a mix without candidates is, forward and backward: what is stored,
// and the sums.
func mixInputs(d *Device, exact bool, c, bits int) (stored, sums outputs) {
	u := unitData{rand.New(rand.NewPCG(3, uint64(c))), exact}
	act := func(border int) *Tensor {
		t := d.NewAct(border, 2, 4, 5, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	x, y, dy, dx, alone, copied, added := act(1), act(2), act(0), act(1), act(0), act(3), act(1)
	m := mixOf(d, u, bits, true)
	rows := d.New(Float32, d.MixRows(x), 2*bits)
	MixInput(y, x, m)
	MixInputGrad(dx, rows, dy, x, m, true)
	MixInputGrad(alone, nil, dy, x, m, false)
	MixInput(copied, x, nil)
	MixInputGrad(added, nil, dy, x, nil, true)
	dz, dstep := d.New(Float32, MaxBits), d.New(Float32, bits)
	MixReduce(dz, dstep, rows, stepFactors(bits), d.From([]float32{0.5}, 1))
	return outputs{"y": get(y), "dx": get(dx), "dx without rows": get(alone), "copy": get(copied), "dx of the copy": get(added)},
		outputs{"dz": get(dz), "dstep": get(dstep)}
}

func TestSimMix(t *testing.T) {
	for name, precision := range precisions {
		host, gpu := onBoth(t, name)
		for _, c := range []int{3, 5, 16} {
			for _, bits := range []int{1, 3, 8} {
				t.Run(fmt.Sprintf("%s, %d channels, %d candidates", name, c, bits), func(t *testing.T) {
					stored, sums := mixInputs(gpu, name == "bf16", c, bits)
					wantStored, wantSums := mixInputs(host, name == "bf16", c, bits)
					results{values: stored}.equal(t, results{values: wantStored}, precision.stored)
					for what, want := range wantSums {
						near(t, what, sums[what], want, 3e-6)
					}
				})
			}
		}
	}
}

// mixWeights is the mix of filters of c channels, forward and backward: shared by the candidates with one step each, or filters of their
// own with steps a channel.
func mixWeights(d *Device, c, bits int, shared bool) (equal, sums outputs) {
	u := unitData{r: rand.New(rand.NewPCG(3, uint64(c)))}
	candidates, steps := bits, []int{bits, 6}
	if shared {
		candidates, steps = 1, steps[:1]
	}
	weights := func(k int) *Tensor { return d.From(u.values(k*6*3*3*c, 1), k, 6, 3, 3, c) }
	m := mixOf(d, u, bits, true)
	m.Step = d.New(Float32, steps...)
	step := make([]float32, m.Step.Len())
	for i := range step {
		step[i] = 0.1 + u.r.Float32()
	}
	m.Step.Set(step)
	w, dw := weights(candidates), weights(candidates)
	mixed, dmixed := weights(1).View(0, 6, 3, 3, c), weights(1).View(0, 6, 3, 3, c)
	rows := d.New(Float32, 6, 2*bits)
	scale := d.From([]float32{0.5}, 1)
	MixWeight(mixed, w, m, shared)
	MixWeightGrad(dw, rows, dmixed, w, m, shared, scale)
	dz, dstep := d.New(Float32, MaxBits), d.New(Float32, steps...)
	MixReduce(dz, dstep, rows, stepFactors(bits), scale)
	return outputs{"mixed": get(mixed), "dw": get(dw)}, outputs{"dz": get(dz), "dstep": get(dstep)}
}

func TestSimMixWeights(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	for _, c := range []int{3, 5, 16} {
		for _, bits := range []int{1, 3, 8} {
			for _, shared := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d channels, %d candidates, shared and a step a tensor %t", c, bits, shared), func(t *testing.T) {
					equal, sums := mixWeights(gpu, c, bits, shared)
					wantEqual, wantSums := mixWeights(host, c, bits, shared)
					results{values: equal}.equal(t, results{values: wantEqual}, same)
					for what, want := range wantSums {
						near(t, what, sums[what], want, 3e-6)
					}
				})
			}
		}
	}
}
