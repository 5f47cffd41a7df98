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

// normChain is a norm of y [n,h,w,c], whose values lie around offset, forward and backward.
func normChain(d *Device, kind string, exact bool, n, h, w, c int, offset float32) outputs {
	u := unitData{rand.New(rand.NewPCG(2, uint64(c))), exact}
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
	sets, stats := NormSets(kind, weights, inputs)
	norm := NormTensors{Gamma: vec(1, sets, c), Beta: vec(1, sets, c), DGamma: vec(1, sets, c), DBeta: vec(1, sets, c),
		Mean: vec(1, stats, c), Var: d.New(Float32, stats, c), Eps: 1e-5}
	coef := NormCoef{Kind: kind, WeightOptions: weights, InputOptions: inputs, U: vec(1, 1),
		ZW: vec(1, MaxBits), ZX: vec(1, MaxBits), DZW: vec(1, MaxBits), DZX: vec(1, MaxBits)}
	coefficients, dv := d.New(Float32, sets), d.New(Float32, sets)
	mean, inv, scale, shift := d.New(Float32, c), d.New(Float32, c), d.New(Float32, c), d.New(Float32, c)
	rows := d.New(Float32, d.NormRows(y), 2, c)
	NormCoefficients(coefficients, coef)
	NormStats(rows, y)
	NormCombine(mean, inv, scale, shift, rows, coefficients, norm, d.From([]float32{0.1}, 1), y)
	r := outputs{"v": get(coefficients), "mean": get(mean), "inv": get(inv), "scale": get(scale), "shift": get(shift),
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
	for name, t := range map[string]*Tensor{"coef": out, "dgamma": norm.DGamma, "dbeta": norm.DBeta, "dv": dv, "dzw": coef.DZW,
		"dzx": coef.DZX} {
		r[name] = get(t)
	}
	return r
}

func TestSimNorm(t *testing.T) {
	for precision := range precisions {
		host, gpu := onBoth(t, precision)
		for _, s := range []struct {
			kind       string
			n, h, w, c int
			offset     float32
		}{
			{"pair", 3, 5, 4, 10, 0}, {"pair", 2, 16, 16, 64, 0}, {"pair", 1, 3, 3, 40, 20}, {"bn", 2, 4, 5, 24, 0}, {"gate", 1, 5, 2, 261, 0},
			{"eta", 2, 3, 3, 16, 0},
		} {
			t.Run(fmt.Sprint(precision, s), func(t *testing.T) {
				on := func(d *Device) outputs {
					return normChain(d, s.kind, precision == "bf16", s.n, s.h, s.w, s.c, s.offset)
				}
				got := on(gpu)
				for name, want := range on(host) {
					near(t, name, got[name], want, 3e-6)
				}
			})
		}
	}
}

// Scale and shift from running statistics: one set of them, or the set that a one-hot v chooses.
func TestSimNormEval(t *testing.T) {
	ops := map[string]smallOp{}
	for _, kind := range []string{"bn", "pair", "gate", "eta"} {
		sets, stats := NormSets(kind, 3, 2)
		for _, c := range []int{1, 40, 300} {
			ops[fmt.Sprintf("%s of %d", kind, c)] = func(d *Device, r *rand.Rand) outputs {
				v := draws(r, sets, 1)
				if stats > 1 {
					clear(v)
					v[c%sets] = 1
				}
				norm := NormTensors{Gamma: d.From(draws(r, sets*c, 1), sets, c), Beta: d.From(draws(r, sets*c, 1), sets, c),
					Mean: d.From(draws(r, stats*c, 1), stats, c), Var: d.From(positives(r, stats*c), stats, c), Eps: 1e-5}
				scale, shift := d.New(Float32, c), d.New(Float32, c)
				NormEval(scale, shift, d.From(v, sets), norm)
				return outputs{"scale": get(scale), "shift": get(shift)}
			}
		}
	}
	sameOnGPU(t, ops)
}
