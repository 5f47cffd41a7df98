//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func same(f float32) float32 { return f }

// near wants every value within tolerance of the host's, relative to the host's largest.
func near(t *testing.T, name string, got, want []float32, tolerance float64) {
	t.Helper()
	var most float64
	for _, w := range want {
		most = max(most, math.Abs(float64(w)))
	}
	for i, w := range want {
		if math.Abs(float64(got[i]-w)) > tolerance*most {
			t.Errorf("%s[%d]: %v, the host has %v", name, i, got[i], w)
			return
		}
	}
}

// normChain is a norm with sets of its own for each pair of bit widths, forward and backward.
func normChain(d *Device, n, h, w, c int, offset float32) map[string][]float32 {
	u := unitData{r: rand.New(rand.NewPCG(2, uint64(c)))}
	vec := func(size float32, shape ...int) *Tensor {
		t := d.New(Float32, shape...)
		t.Set(u.values(t.Len(), size))
		return t
	}
	const weights, inputs = 3, 2
	y := d.NewAct(0, n, h, w, c)
	v := u.values(y.Len(), 1)
	for i := range v {
		v[i] += offset
	}
	y.Set(v)
	sets, stats := NormSets("pair", weights, inputs)
	norm := NormTensors{Gamma: vec(1, sets, c), Beta: vec(1, sets, c), DGamma: vec(1, sets, c), DBeta: vec(1, sets, c),
		Mean: vec(1, stats, c), Var: d.New(Float32, stats, c), Eps: 1e-5}
	coef := NormCoef{Kind: "pair", WeightOptions: weights, InputOptions: inputs, ZW: vec(1, MaxBits), ZX: vec(1, MaxBits), DZW: vec(1, MaxBits), DZX: vec(1, MaxBits)}
	coefficients, dv := d.New(Float32, sets), d.New(Float32, sets)
	mean, inv, scale, shift := d.New(Float32, c), d.New(Float32, c), d.New(Float32, c), d.New(Float32, c)
	rows := d.New(Float32, d.NormRows(y), 2, c)
	NormCoefficients(coefficients, coef)
	NormStats(rows, y)
	NormCombine(mean, inv, scale, shift, rows, coefficients, norm, d.From([]float32{0.1}, 1), y)
	r := map[string][]float32{"v": get(coefficients), "mean": get(mean), "inv": get(inv), "scale": get(scale), "shift": get(shift),
		"running mean": get(norm.Mean), "running var": get(norm.Var)}

	// The rows of the gradient: as many pixels in each, and on every device the same sum.
	drows := d.New(Float32, d.UnitRows(y), 2, c)
	sum, part := u.values(2*c, 1), make([]float32, drows.Len())
	for i := range part {
		part[i] = sum[i%(2*c)] / float32(drows.Dim(0))
	}
	drows.Set(part)
	out := d.New(Float32, 3, c)
	NormGradCombine(out, dv, drows, coefficients, norm, mean, inv, scale, d.From([]float32{0.5}, 1), y)
	NormCoefficientsGrad(dv, coef)
	for name, t := range map[string]*Tensor{"coef": out, "dgamma": norm.DGamma, "dbeta": norm.DBeta, "dv": dv, "dzw": coef.DZW, "dzx": coef.DZX} {
		r[name] = get(t)
	}
	return r
}

func TestSimNorm(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	for _, s := range []struct {
		n, h, w, c int
		offset     float32
	}{{3, 5, 4, 10, 0}, {2, 16, 16, 64, 0}, {1, 3, 3, 40, 20}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			got, want := normChain(gpu, s.n, s.h, s.w, s.c, s.offset), normChain(host, s.n, s.h, s.w, s.c, s.offset)
			for name := range want {
				near(t, name, got[name], want[name], 3e-6)
			}
		})
	}
}

// mixOps are the mixes that stand alone and the pool, forward and backward.
func mixOps(d *Device, c, bits int, shared, perTensor bool) (equal, nearly map[string][]float32) {
	u := unitData{r: rand.New(rand.NewPCG(3, uint64(c)))}
	act := func(border, h, w int) *Tensor {
		t := d.NewAct(border, 2, h, w, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	x, y, dy, dx := act(1, 4, 5), act(2, 4, 5), act(0, 4, 5), act(1, 4, 5)
	m := mixOf(d, u, bits, true)
	rows := d.New(Float32, d.MixRows(x), 2*bits)
	MixInput(y, x, m)
	MixInputGrad(dx, rows, dy, x, m, true)
	pooled := act(0, 1, 1)
	AvgPool(pooled, x)
	AvgPoolGrad(x, pooled, true)

	candidates, steps := bits, []int{bits, 6}
	if shared {
		candidates = 1
	}
	if perTensor {
		steps = steps[:1]
	}
	weights := func(k int) *Tensor {
		t := d.New(Float32, k, 6, 3, 3, c)
		t.Set(u.values(t.Len(), 1))
		return t
	}
	wm := *m
	wm.Step = d.New(Float32, steps...)
	step := make([]float32, wm.Step.Len())
	for i := range step {
		step[i] = 0.1 + u.r.Float32()
	}
	wm.Step.Set(step)
	w, dw := weights(candidates), weights(candidates)
	mixed, dmixed := weights(1).View(0, 6, 3, 3, c), weights(1).View(0, 6, 3, 3, c)
	wrows := d.New(Float32, 6, 2*bits)
	scale := d.From([]float32{0.5}, 1)
	MixWeight(mixed, w, &wm, shared)
	MixWeightGrad(dw, wrows, dmixed, w, &wm, shared, scale)
	dz, dstep, dwstep := d.New(Float32, MaxBits), d.New(Float32, bits), d.New(Float32, steps...)
	g := make([]float32, bits)
	for i := range g {
		g[i] = 1 / float32(i+1)
	}
	MixReduce(dz, dstep, rows, g, scale)
	MixReduce(dz, dwstep, wrows, g, scale)
	return map[string][]float32{"y": get(y), "dx": get(dx), "mixed": get(mixed), "dw": get(dw), "pooled": get(pooled), "dx of the pool": get(x)},
		map[string][]float32{"dz": get(dz), "dstep": get(dstep), "dstep of weights": get(dwstep)}
}

func TestSimMix(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	for _, c := range []int{3, 5, 16} {
		for _, bits := range []int{1, 3, 8} {
			for _, shared := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d channels, %d candidates, shared and a step a tensor %t", c, bits, shared), func(t *testing.T) {
					equal, nearly := mixOps(gpu, c, bits, shared, shared)
					wantEqual, wantNearly := mixOps(host, c, bits, shared, shared)
					results{values: equal}.equal(t, results{values: wantEqual}, same)
					for name, want := range wantNearly {
						near(t, name, nearly[name], want, 3e-6)
					}
				})
			}
		}
	}
}
