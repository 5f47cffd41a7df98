package kernels_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"vimps-gpu/kernels"
)

// nestedCase is a nested quantizer; param is the range's end, or the step.
type nestedCase struct {
	mode   kernels.NestedMode
	signed bool
	bits   []int
	z      []float32
	param  float32
}

func nestedCases() map[string]nestedCase {
	c := map[string]nestedCase{}
	for _, signed := range []bool{false, true} {
		residual := func(name string, param float32, bits []int, z ...float32) {
			c[fmt.Sprint("residual ", name, signed)] = nestedCase{kernels.NestedResidual, signed, bits, z, param}
		}
		residual("soft", 1.3, []int{2, 4, 8}, .9, .6, .3)
		residual("on", 0.8, []int{2, 4, 8, 16}, 1, 1, 1, 1)
		residual("off", 1.1, []int{2, 4, 8}, 0, .5, 1)
		residual("middle off", 1.7, []int{3, 6}, 1, 0)
		residual("one width", 1.2, []int{8}, .7)
		for on := range 7 {
			z := make([]float32, 7)
			z[on] = 1
			c[fmt.Sprint("truncate ", on, signed)] = nestedCase{kernels.NestedTruncate, signed, []int{2, 3, 4, 5, 6, 7, 8}, z, .009}
		}
		c[fmt.Sprint("truncate none", signed)] = nestedCase{kernels.NestedTruncate, signed, []int{4, 8}, []float32{0, 0}, .01}
		c[fmt.Sprint("truncate one width", signed)] = nestedCase{kernels.NestedTruncate, signed, []int{4}, []float32{1}, .15}
	}
	c["residual from 1 bit"] = nestedCase{kernels.NestedResidual, false, []int{1, 2, 4, 8}, []float32{.9, .8, .7, .6}, 1.5}
	return c
}

func (c nestedCase) nested(t *testing.T, param []float32) kernels.Nested {
	return kernels.Nested{Mode: c.mode, Bits: c.bits, Signed: c.signed, Z: bufferOf(t, c.z).P, Param: bufferOf(t, param).P}
}

// nestedValue is what the quantizer makes of one value: y, its derivatives by x and by the parameter under the straight-through
// estimator, and by each z.
type nestedValue struct {
	y, dx, dparam float64
	dz            []float64
}

func (c nestedCase) value(x, param float32) nestedValue {
	if c.mode == kernels.NestedTruncate {
		return c.truncate(x, param)
	}
	return c.residual(x, param)
}

// define writes out the definition: s_1 = range/(2^b_1 - 1), s_{l+1} = s_l/(2^b_l + 1), each level rounds what is left. changed is what
// each rounding added: found or, where fixed, taken.
func (c nestedCase) define(x, hi float64, changed []float64, fixed bool) (y float64) {
	lo := 0.0
	if c.signed {
		lo = -hi
	}
	x = min(max(x, lo*(1-0x1p-20)), hi*(1-0x1p-20))
	step, sum, gate := (hi-lo)/float64(int(1)<<c.bits[0]-1), 0.0, 1.0
	for l, b := range c.bits {
		u := (x - sum) / step
		if !fixed {
			changed[l] = math.RoundToEven(u) - u
		}
		r := step * (u + changed[l])
		gate *= float64(c.z[l])
		sum, y = sum+r, y+gate*r
		step /= float64(int(1)<<b + 1)
	}
	return y
}

// residual takes the derivatives as central differences of the definition with what each rounding added held fixed, so
// that they say nothing of how the kernel gets its own.
func (c nestedCase) residual(x, param float32) nestedValue {
	codes, sides := float32(int(1)<<c.bits[len(c.bits)-1]-1), float32(1)
	if c.signed {
		sides = 2
	}
	step := param * (sides / codes)
	at, hi := float64(x/step)*float64(step), float64(step)*float64(codes/sides) // float32's quotient decides beside a tie
	changed := make([]float64, len(c.bits))
	n := nestedValue{y: c.define(at, hi, changed, false)}
	slope := func(h float64, y func(h float64) float64) float64 { return (y(h) - y(-h)) / (2 * h) }
	n.dx = slope(1e-6, func(h float64) float64 { return c.define(at+h, hi, changed, true) })
	n.dparam = slope(1e-6, func(h float64) float64 { return c.define(at, hi+h, changed, true) })
	for l := range c.z {
		n.dz = append(n.dz, slope(0.125, func(h float64) float64 { // y is linear in each z
			moved := c
			moved.z = slices.Clone(c.z)
			moved.z[l] += float32(h)
			return moved.define(at, hi, changed, true)
		}))
	}
	return n
}

// truncate shifts integer codes.
func (c nestedCase) truncate(x, step float32) nestedValue {
	n := nestedValue{dz: make([]float64, len(c.z))}
	widest := c.bits[len(c.bits)-1]
	lo, hi := ranges(c.signed, widest)
	code, v, in := quantize(x, step, lo[0], hi[0])
	for i, z := range c.z {
		if z == 0 {
			continue
		}
		drop := widest - c.bits[i]
		k := int(code) >> drop
		value := float64(k) * float64(int(1)<<widest-1) / float64(int(1)<<c.bits[i]-1)
		if c.signed {
			value = float64(k<<drop) + float64(int(1)<<drop-1)/2
		}
		n.y, n.dparam = float64(step)*value, value
		if in {
			n.dx, n.dparam = 1, value-float64(v)
		}
		break
	}
	return n
}

func TestNestedInput(t *testing.T) {
	for name, c := range nestedCases() {
		for _, s := range [][5]int{{4, 3, 5, 7, 0}, {5, 4, 4, 16, 1}, {3, 1, 1, 10, 2}} {
			t.Run(fmt.Sprint(name, s), func(t *testing.T) {
				sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 { return nestedInputCase(t, c, s, isa, block) })
			})
		}
	}
}

func nestedInputCase(t *testing.T, c nestedCase, s [5]int, isa kernels.ISA, block int) []float32 {
	n, h, w, ch, border := s[0], s[1], s[2], s[3], s[4]
	cols := len(c.bits) + 1
	x, y := newTensor(t, n, h, w, ch, border, normals(1, 1)), newTensor(t, n, h, w, ch, 1, normals(5, 1))
	dy := newTensor(t, n, h, w, ch, 1-border%2, normals(2, 1))
	dx, alone := newTensor(t, n, h, w, ch, 2, normals(3, 1)), newTensor(t, n, h, w, ch, 0, normals(4, 1))
	before, partial := dx.inside(), newBuffer(t, n*cols)
	q := c.nested(t, []float32{c.param})
	runCall(kernels.NestedInputForward(isa, kernels.NestedInputForwardArgs{Nested: q, X: x.Act, Y: y.Act}), n, block)
	back := kernels.NestedInputBackwardArgs{Nested: q, X: x.Act, DY: dy.Act, DX: dx.Act, Partial: partial.P, Accumulate: true}
	runCall(kernels.NestedInputBackward(isa, back), n, block)
	back.DX, back.Partial, back.Accumulate = alone.Act, nil, false
	runCall(kernels.NestedInputBackward(isa, back), n, block)

	var wantY, wantDx, wantAlone []float64
	sums := make([]float64, n*cols)
	x.each(func(v *float32, i, p, q, k int) {
		want, g := c.value(*v, c.param), float64(*dy.at(i, p, q, k))
		wantY = append(wantY, want.y)
		wantDx = append(wantDx, float64(before[len(wantDx)])+g*want.dx)
		wantAlone = append(wantAlone, g*want.dx)
		for l, dz := range want.dz {
			sums[i*cols+l] += g * dz
		}
		sums[i*cols+cols-1] += g * want.dparam
	})
	near(t, "y", y.inside(), wantY, 1e-5)
	near(t, "dx", dx.inside(), wantDx, 1e-5)
	near(t, "dx without sums", alone.inside(), wantAlone, 1e-5)
	near(t, "partial", partial.F, sums, 1e-3)
	return append(append(append(y.inside(), dx.inside()...), alone.inside()...), partial.F...)
}

func TestNestedWeight(t *testing.T) {
	for name, c := range nestedCases() {
		for _, length := range []int{1, 9, 27, 144} {
			for mode := range 4 {
				pruned, perTensor := mode&1 != 0, mode&2 != 0
				t.Run(fmt.Sprint(name, " len ", length, " pruned ", pruned, " per tensor ", perTensor), func(t *testing.T) {
					sameOnAll(t, func(t *testing.T, isa kernels.ISA, block int) []float32 {
						return nestedWeightCase(t, c, length, pruned, perTensor, isa, block)
					})
				})
			}
		}
	}
}

func nestedWeightCase(t *testing.T, c nestedCase, length int, pruned, perTensor bool, isa kernels.ISA, block int) []float32 {
	const k, gradScale = 5, 0.5
	cols := len(c.bits) + 1
	params := []float32{c.param}
	for f := 1; f < k && !perTensor; f++ {
		params = append(params, c.param*(1+float32(f)/8))
	}
	gate := []float32{1, .5, 0, .25, 1}
	w, dw := bufferOf(t, take(k*length, normals(1, 1))), bufferOf(t, take(k*length, normals(2, 1)))
	dy, y, partial := bufferOf(t, take(k*length, normals(3, 1))), newBuffer(t, k*length), newBuffer(t, k*cols)
	wantDw, dprune := float64s(dw.F), bufferOf(t, take(k, normals(4, 1)))
	wantPrune := float64s(dprune.F)
	alone := bufferOf(t, dw.F)
	q := c.nested(t, params)
	forward := kernels.NestedWeightForwardArgs{Nested: q, W: w.P, Y: y.P, K: k, Len: length, PerTensor: perTensor}
	back := kernels.NestedWeightBackwardArgs{Nested: q, W: w.P, DY: dy.P, DW: dw.P, Partial: partial.P, K: k, Len: length,
		PerTensor: perTensor, GradScale: bufferOf(t, []float32{gradScale}).P}
	if pruned {
		forward.Prune = bufferOf(t, gate).P
		back.Prune, back.DPrune = forward.Prune, dprune.P
	}
	runCall(kernels.NestedWeightForward(isa, forward), k, block)
	runCall(kernels.NestedWeightBackward(isa, back), k, block)
	back.DW, back.Partial = alone.P, nil
	runCall(kernels.NestedWeightBackward(isa, back), k, block)

	wantY, sums := make([]float64, k*length), make([]float64, k*cols)
	for f := range k {
		prune, param := 1.0, params[min(f, len(params)-1)]
		if pruned {
			prune = float64(gate[f])
		}
		for i := f * length; i < (f+1)*length; i++ {
			v, g := c.value(w.F[i], param), float64(dy.F[i])
			wantY[i] = prune * v.y
			wantDw[i] += gradScale * g * prune * v.dx
			for l, dz := range v.dz {
				sums[f*cols+l] += g * prune * dz
			}
			sums[f*cols+cols-1] += g * prune * v.dparam
			if pruned {
				wantPrune[f] += g * v.y
			}
		}
	}
	near(t, "y", y.F, wantY, 1e-5)
	near(t, "dw", dw.F, wantDw, 1e-5)
	near(t, "dw without sums", alone.F, wantDw, 1e-5)
	near(t, "partial", partial.F, sums, 1e-3)
	near(t, "dprune", dprune.F, wantPrune, 1e-4)
	return append(append(append(append([]float32{}, y.F...), dw.F...), partial.F...), dprune.F...)
}

func TestNestedReduce(t *testing.T) {
	const rows, widths, scale, factor = 6, 3, 0.25, 1.5
	for _, perRow := range []bool{false, true} {
		partial, dz := bufferOf(t, take(rows*(widths+1), normals(1, 1))), bufferOf(t, take(widths, normals(3, 1)))
		dparam := bufferOf(t, take(1, normals(2, 1)))
		if perRow {
			dparam = bufferOf(t, take(rows, normals(2, 1)))
		}
		wantZ, wantParam := float64s(dz.F), float64s(dparam.F)
		for row := range rows {
			for l := range widths {
				wantZ[l] += float64(partial.F[row*(widths+1)+l])
			}
			wantParam[row%len(wantParam)] += scale * factor * float64(partial.F[row*(widths+1)+widths])
		}
		runCall(kernels.NestedReduce(kernels.NestedReduceArgs{Partial: partial.P, DZ: dz.P, DParam: dparam.P, Factor: factor, Rows: rows,
			Widths: widths, PerRow: perRow, GradScale: bufferOf(t, []float32{scale}).P}), 1, 1)
		near(t, "dz", dz.F, wantZ, 1e-6)
		near(t, "dparam", dparam.F, wantParam, 1e-6)
	}
}
