//go:build cuda

package cuda

import (
	"fmt"
	"math"
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

// Filters in units of their steps, and back with other steps: the filters have the host's bits, also at the ends of the range and where NaN.
func TestSimCodeUnits(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	for _, c := range []int{3, 16, 70} {
		for _, steps := range [][]int{{3}, {3, 6}} {
			t.Run(fmt.Sprintf("%d channels, steps %v", c, steps), func(t *testing.T) {
				run := func(d *Device) (codes, filters, dstep []float32) {
					u := unitData{r: rand.New(rand.NewPCG(7, uint64(c)))}
					weights := u.values(3*6*3*3*c, 1)
					weights[0], weights[1], weights[2] = 0, float32(math.Inf(1)), float32(math.Copysign(0, -1))
					filters = u.values(len(weights), 1)
					filters[1] = 0 // Inf times 0
					units := &CodeUnits{Min: []float32{-2, -8, -128}, Max: []float32{1, 7, 127}, Factor: stepFactors(3),
						W: d.From(weights, 3, 6, 3, 3, c), DW: d.From(filters, 3, 6, 3, 3, c), Step: d.New(Float32, steps...), StepGrad: d.New(Float32, steps...)}
					step := make([]float32, units.Step.Len())
					set := func() {
						for i := range step {
							step[i] = (0.1 + u.r.Float32()) / 4
						}
						units.Step.Set(step)
					}
					set()
					units.StepGrad.Set(step)
					units.To()
					codes = get(units.W)
					set()
					units.From()
					return codes, get(units.W), get(units.StepGrad)
				}
				codes, filters, dstep := run(gpu)
				wantCodes, wantFilters, wantStep := run(host)
				results{values: outputs{"codes": codes, "filters": filters}}.equal(t, results{values: outputs{"codes": wantCodes, "filters": wantFilters}}, same)
				near(t, "dstep", dstep[1:], wantStep[1:], 3e-6) // the first is NaN
			})
		}
	}
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
