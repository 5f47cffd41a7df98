//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// codesCase is a child's convolution over n images.
type codesCase struct {
	n, h, w           int
	g                 ConvGeom
	signed, perTensor bool
	shared, bias      bool
}

// run gives what the codes and their convolution are on a device; the codes are seen by convolving them one by one.
func (c codesCase) run(d *Device, r *rand.Rand) outputs {
	const candidates = 3
	g := c.g
	length := g.R * g.S * g.C / g.Groups
	mix := func(signed bool, steps ...int) *Mix {
		n := 1
		for _, s := range steps {
			n *= s
		}
		m := &Mix{Min: []float32{0, 0, 0}, Max: []float32{3, 255, 15}, Z: d.From([]float32{0, 1, 0, 0, 0, 0, 0, 0}, MaxBits)}
		if signed {
			m.Min, m.Max = []float32{-2, -128, -8}, []float32{1, 127, 7}
		}
		v := positives(r, n)
		for i := range v {
			v[i] = 0.01 + v[i]/50
		}
		m.Step = d.From(v, steps...)
		return m
	}
	steps := []int{candidates, g.K}
	if c.perTensor {
		steps = steps[:1]
	}
	weights, inputs := mix(true, steps...), mix(c.signed, candidates)
	filters := candidates
	if c.shared {
		filters = 1
	}
	w := d.From(draws(r, filters*g.K*length, 1), filters, g.K, g.R, g.S, g.C/g.Groups)
	values := draws(r, c.n*c.h*c.w*g.C, 1.5)
	copy(values, []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-45, -1e-45})
	x := d.NewActOf(Float32, 1, c.n, c.h, c.w, g.C)
	x.Set(values)
	dtype := Uint8
	if c.signed {
		dtype = Int8
	}
	codes := d.NewActOf(dtype, g.Pad, c.n, c.h, c.w, g.C)
	var bias *Tensor
	if c.bias {
		bias = d.From(draws(r, g.K, 1), g.K)
	}
	span := func(size, filter int) int { return (size+2*g.Pad-(filter-1)*g.Dilation-1)/g.Stride + 1 }
	y := d.NewActOf(Float32, 1, c.n, span(c.h, g.R), span(c.w, g.S), g.K)
	f := d.NewIntFilter(g)
	WeightCodes(f, w, weights, inputs, c.shared)
	InputCodes(codes, x, inputs)
	IntConv(y, codes, f, bias)
	return outputs{"scale": f.Scale.Get(nil), "y": y.Get(nil)}
}

// The codes of inputs and of filters, seen through a convolution: which candidate the gates choose, both step layouts,
// values four by four and one by one, NaN and infinities.
func TestCodesOnGPU(t *testing.T) {
	ops := map[string]smallOp{}
	for i, c := range []codesCase{
		{n: 2, h: 8, w: 8, g: ConvGeom{C: 16, K: 16, R: 3, S: 3, Stride: 1, Pad: 1, Dilation: 1, Groups: 1}},
		{n: 2, h: 6, w: 11, g: ConvGeom{C: 3, K: 10, R: 3, S: 3, Stride: 1, Pad: 1, Dilation: 1, Groups: 1}},
		{n: 37, h: 1, w: 1, g: ConvGeom{C: 64, K: 10, R: 1, S: 1, Stride: 1, Dilation: 1, Groups: 1}},
		{n: 1, h: 33, w: 17, g: ConvGeom{C: 20, K: 20, R: 3, S: 3, Stride: 2, Pad: 1, Dilation: 1, Groups: 20}},
	} {
		for _, signed := range []bool{false, true} {
			c.signed, c.perTensor, c.shared, c.bias = signed, i%2 == 0, i%3 == 0, i%2 == 1
			ops[fmt.Sprintf("%+v", c)] = c.run
		}
	}
	sameOnGPU(t, ops)
}
