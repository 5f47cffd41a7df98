package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"vimps-gpu/kernels"
)

// quantize is the quantizer of method.md section 5, by IEEE division: code, v = x/step and whether v is in range. A negative
// x is below qmin = 0 even where the quotient underflows to -0.
func quantize(x, step, qmin, qmax float32) (code, v float32, in bool) {
	v = x / step
	c := max(qmin, min(qmax, v))
	return float32(math.RoundToEven(float64(c))), v, c == v && !(qmin == 0 && x < 0)
}

func ranges(signed bool, bits ...int) (qmin, qmax []float32) {
	for _, b := range bits {
		if signed {
			qmin, qmax = append(qmin, -float32(int(1)<<(b-1))), append(qmax, float32(int(1)<<(b-1)-1))
		} else {
			qmin, qmax = append(qmin, 0), append(qmax, float32(int(1)<<b-1))
		}
	}
	return qmin, qmax
}

// mixCase is a set of candidates and their sample.
type mixCase struct {
	qmin, qmax, z, step []float32
}

func mixCases() map[string]mixCase {
	c := map[string]mixCase{"copy": {}}
	lo, hi := ranges(false, 2, 4, 8)
	c["3"] = mixCase{lo, hi, []float32{.2, .5, .3}, []float32{.6, .13, .009}}
	c["one-hot"] = mixCase{lo, hi, []float32{0, 1, 0}, []float32{.6, .13, .009}}
	c["none"] = mixCase{lo, hi, []float32{0, 0, 0}, []float32{.6, .13, .009}}
	lo, hi = ranges(true, 2, 3, 4, 5, 6, 7, 8)
	c["7"] = mixCase{lo, hi, []float32{.1, .2, 0, .3, .15, .05, .2}, []float32{.9, .5, .2, .1, .06, .03, .011}}
	c["1"] = mixCase{lo[3:4], hi[3:4], []float32{.7}, []float32{.1}}
	c["2"] = mixCase{lo[:2], hi[:2], []float32{.7, .3}, []float32{.8, .4}}
	c["4"] = mixCase{lo[:4], hi[:4], []float32{.1, .2, .3, .4}, []float32{.8, .4, .2, .1}}
	return c
}

func (m mixCase) mix(t *testing.T, step []float32) kernels.Mix {
	return kernels.Mix{QMin: m.qmin, QMax: m.qmax, Z: bufferOf(t, m.z).P, Step: bufferOf(t, step).P}
}

// forward is the mix of the values x_b, each with its step.
func (m mixCase) forward(x, step func(b int) float32) (y float64) {
	if len(m.z) == 0 {
		return float64(x(0))
	}
	for b, z := range m.z {
		code, _, _ := quantize(x(b), step(b), m.qmin[b], m.qmax[b])
		y += float64(z) * float64(step(b)) * float64(code)
	}
	return y
}

func TestMixInput(t *testing.T) {
	for name, m := range mixCases() {
		for _, s := range [][5]int{{4, 3, 5, 7, 0}, {5, 4, 4, 16, 1}, {3, 1, 1, 10, 2}, {4, 6, 5, 32, 0}} {
			t.Run(fmt.Sprint(name, s), func(t *testing.T) {
				sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 { return mixInputCase(t, m, s, isa, block) })
			})
		}
	}
}

func mixInputCase(t *testing.T, m mixCase, s [5]int, isa kernels.ISA, block int) []float32 {
	n, h, w, c, border := s[0], s[1], s[2], s[3], s[4]
	nb := len(m.z)
	x, y := newTensor(t, n, h, w, c, border, normals(1, 1)), newTensor(t, n, h, w, c, 1, normals(5, 1))
	dy := newTensor(t, n, h, w, c, 1-border%2, normals(2, 1))
	dx, alone := newTensor(t, n, h, w, c, 2, normals(3, 1)), newTensor(t, n, h, w, c, 0, normals(4, 1))
	before, partial := dx.inside(), newBuffer(t, n*2*nb)
	mix := m.mix(t, m.step)
	runCall(kernels.MixInputForward(isa, kernels.MixInputForwardArgs{Mix: mix, X: x.Act, Y: y.Act}), n, block)
	back := kernels.MixInputBackwardArgs{Mix: mix, X: x.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P, Accumulate: true}
	runCall(kernels.MixInputBackward(isa, back), n, block)
	back.DX, back.Partial, back.Accumulate = alone.Act, nil, false
	runCall(kernels.MixInputBackward(isa, back), n, block)

	var wantY, wantDx, wantAlone []float64
	sums := make([]float64, n*2*nb)
	x.each(func(v *float32, i, p, q, k int) {
		wantY = append(wantY, m.forward(func(int) float32 { return *v }, func(b int) float32 { return m.step[b] }))
		g, factor := float64(*dy.at(i, p, q, k)), 0.0
		for b, z := range m.z {
			code, quotient, in := quantize(*v, m.step[b], m.qmin[b], m.qmax[b])
			sums[i*2*nb+b] += g * float64(m.step[b]) * float64(code)
			ds := float64(code)
			if in {
				factor += float64(z)
				ds -= float64(quotient)
			}
			sums[i*2*nb+nb+b] += float64(z) * g * ds
		}
		if nb == 0 {
			factor = 1
		}
		wantDx = append(wantDx, float64(before[len(wantDx)])+g*factor)
		wantAlone = append(wantAlone, g*factor)
	})
	near(t, "y", y.inside(), wantY, 1e-5)
	near(t, "dx", dx.inside(), wantDx, 1e-5)
	near(t, "dx without sums", alone.inside(), wantAlone, 1e-5)
	near(t, "partial", partial.F, sums, 1e-3)
	return append(append(append(y.inside(), dx.inside()...), alone.inside()...), partial.F...)
}

func TestMixWeight(t *testing.T) {
	for name, m := range mixCases() {
		for _, length := range []int{1, 9, 27, 144} {
			for mode := range 4 {
				shared, perTensor := mode&1 != 0, mode&2 != 0
				t.Run(fmt.Sprint(name, " len ", length, " shared ", shared, " per tensor ", perTensor), func(t *testing.T) {
					sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
						return mixWeightCase(t, m, length, shared, perTensor, isa, block)
					})
				})
			}
		}
	}
}

func mixWeightCase(t *testing.T, m mixCase, length int, shared, perTensor bool, isa kernels.ISA, block int) []float32 {
	const k, gradScale = 5, 0.5
	nb, copies := len(m.z), max(1, len(m.z))
	if shared {
		copies = 1
	}
	var steps []float32
	for b := range m.step {
		for f := range k {
			if !perTensor || f == 0 {
				steps = append(steps, m.step[b]*(1+float32(f)/8))
			}
		}
	}
	stepOf := func(b, f int) float32 {
		if perTensor {
			return steps[b]
		}
		return steps[b*k+f]
	}
	at := func(b, f, i int) int { // of w
		if shared {
			b = 0
		}
		return (b*k+f)*length + i
	}
	w, dw := bufferOf(t, take(copies*k*length, normals(1, 1))), bufferOf(t, take(copies*k*length, normals(2, 1)))
	alone := bufferOf(t, dw.F)
	dy, y, partial := bufferOf(t, take(k*length, normals(3, 1))), newBuffer(t, k*length), newBuffer(t, k*2*nb)
	want := float64s(dw.F)
	mix := m.mix(t, steps)
	runCall(kernels.MixWeightForward(isa, kernels.MixWeightForwardArgs{Mix: mix, W: w.P, Y: y.P, K: k, Len: length, Shared: shared, StepPerTensor: perTensor}), k, block)
	back := kernels.MixWeightBackwardArgs{Mix: mix, W: w.P, DY: dy.P, DW: dw.P, Partial: partial.P, K: k, Len: length,
		Shared: shared, StepPerTensor: perTensor, GradScale: bufferOf(t, []float32{gradScale}).P}
	runCall(kernels.MixWeightBackward(isa, back), k, block)
	back.DW, back.Partial = alone.P, nil
	runCall(kernels.MixWeightBackward(isa, back), k, block)

	wantY, sums := make([]float64, k*length), make([]float64, k*2*nb)
	for f := range k {
		for i := range length {
			wantY[f*length+i] = m.forward(func(b int) float32 { return w.F[at(b, f, i)] }, func(b int) float32 { return stepOf(b, f) })
			g := float64(dy.F[f*length+i])
			for b, z := range m.z {
				code, quotient, in := quantize(w.F[at(b, f, i)], stepOf(b, f), m.qmin[b], m.qmax[b])
				ds := float64(code)
				if in {
					want[at(b, f, i)] += gradScale * g * float64(z)
					ds -= float64(quotient)
				}
				sums[f*2*nb+b] += g * float64(stepOf(b, f)) * float64(code)
				sums[f*2*nb+nb+b] += float64(z) * g * ds
			}
			if nb == 0 {
				want[at(0, f, i)] += gradScale * g
			}
		}
	}
	near(t, "y", y.F, wantY, 1e-5)
	near(t, "dw", dw.F, want, 1e-5)
	near(t, "dw without sums", alone.F, want, 1e-5)
	near(t, "partial", partial.F, sums, 1e-4)
	return append(append(append(append([]float32{}, y.F...), dw.F...), alone.F...), partial.F...)
}

func TestMixReduce(t *testing.T) {
	const rows, nb, scale = 6, 3, 0.25
	factor := []float32{.5, .25, 2}
	for _, perRow := range []bool{false, true} {
		partial, dz := bufferOf(t, take(rows*2*nb, normals(1, 1))), bufferOf(t, take(nb, normals(3, 1)))
		dstep := bufferOf(t, take(nb, normals(2, 1)))
		if perRow {
			dstep = bufferOf(t, take(nb*rows, normals(2, 1)))
		}
		wantZ, wantStep := float64s(dz.F), make([]float64, len(dstep.F))
		for b, v := range dz.F {
			wantZ[b] = float64(v)
		}
		for i, v := range dstep.F {
			wantStep[i] = float64(v)
		}
		for row := range rows {
			for b := range nb {
				wantZ[b] += float64(partial.F[row*2*nb+b])
				at := b
				if perRow {
					at = b*rows + row
				}
				wantStep[at] += scale * float64(factor[b]) * float64(partial.F[row*2*nb+nb+b])
			}
		}
		runCall(kernels.MixReduce(kernels.MixReduceArgs{Partial: partial.P, DZ: dz.P, DStep: dstep.P, StepFactor: factor, Rows: rows, PerRow: perRow,
			GradScale: bufferOf(t, []float32{scale}).P}), 1, 1)
		near(t, "dz", dz.F, wantZ, 1e-6)
		near(t, "dstep", dstep.F, wantStep, 1e-6)
	}
}

func TestStepMSE(t *testing.T) {
	const rows, length, stride = 3, 29, 40
	x := bufferOf(t, take(rows*stride, normals(4, 2)))
	for _, bits := range []int{2, 3, 4, 8} {
		lo, hi := ranges(true, bits)
		var most float32
		for i, v := range x.F {
			if i%stride < length {
				most = max(most, float32(math.Abs(float64(v))))
			}
		}
		most /= max(-lo[0], hi[0])
		best, least := float32(0), math.Inf(1)
		for i := 1; i <= 60; i++ {
			step, sum := max(most*float32(i)/60, 1e-8), 0.0
			for j, v := range x.F {
				if j%stride < length {
					code, _, _ := quantize(v, step, lo[0], hi[0])
					sum += math.Pow(float64(step*code)-float64(v), 2)
				}
			}
			if sum < least {
				best, least = step, sum
			}
		}
		if got := kernels.StepMSE(x.P, rows, length, stride, lo[0], hi[0]); got != best {
			t.Errorf("%d bits: step %g, want %g", bits, got, best)
		}
	}
	zero := newBuffer(t, 8)
	if got := kernels.StepMSE(zero.P, 1, 8, 8, -8, 7); got != 1e-8 {
		t.Errorf("step of a zero tensor is %g, want 1e-8", got)
	}
}
