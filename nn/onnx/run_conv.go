package onnx

import (
	"fmt"
	"math"
	"slices"

	"vimps-gpu/cuda"
)

// intConv is a quantized convolution ready to run: its filter's codes on the device.
type intConv struct {
	filter *cuda.IntFilter
	geom   cuda.ConvGeom
	signed bool         // the input's codes
	one, z *cuda.Tensor // what makes a Mix the identity on codes
}

func (c *intConv) free() {
	for _, t := range []*cuda.Tensor{c.filter.Packed, c.filter.Scale, c.one, c.z} {
		t.Free()
	}
}

func (c *intConv) mix(signed bool) *cuda.Mix {
	m := &cuda.Mix{Min: []float32{0}, Max: []float32{255}, Z: c.z, Step: c.one}
	if signed {
		m.Min, m.Max = []float32{-128}, []float32{127}
	}
	return m
}

// runConv runs Conv on operands that are codes times scales: exact sums, times the product of the scales.
func runConv(r *Runner, n *Node, in []*array) (*array, error) {
	if len(in) != 2 || in[0].codes == nil || in[1].codes == nil || in[1].image {
		return nil, fmt.Errorf("want a convolution of a dequantized value and dequantized weights without a bias")
	}
	x, w := in[0], in[1]
	if len(w.dims) != 4 || len(w.f) == 0 {
		return nil, fmt.Errorf("a filter of %v", w.dims)
	}
	scale := make([]float32, w.dims[0])
	for k := range scale {
		scale[k] = w.codes.scale[min(k, len(w.codes.scale)-1)] * x.codes.scale[0]
	}
	return r.convolve(n, x, w, scale)
}

// runConvInteger runs ConvInteger; its sums are rounded to float32, as the Cast behind it would.
func runConvInteger(r *Runner, n *Node, in []*array) (*array, error) {
	if len(in) != 4 || in[2] == nil || in[3] == nil || len(in[2].f) != 1 || len(in[3].f) != 1 || in[1].image || len(in[1].dims) != 4 || len(in[1].f) == 0 {
		return nil, fmt.Errorf("want codes, of a value and of a filter, with one zero point each")
	}
	x, w := *in[0], *in[1]
	x.codes, w.codes = &codes{zero: in[2].f[0], signed: in[2].f[0] > 0 || isSigned(x.dtype)}, &codes{zero: in[3].f[0]}
	return r.convolve(n, &x, &w, slices.Repeat([]float32{1}, w.dims[0]))
}

func (r *Runner) convolve(n *Node, x, w *array, scale []float32) (*array, error) {
	c := r.convs[n.Out[0]]
	if c == nil {
		var err error
		if c, err = r.newIntConv(n, x, w, scale); err != nil {
			return nil, err
		}
		r.convs[n.Out[0]] = c
	}
	values := x.f
	if zero := x.codes.zero; zero != 0 {
		if zero != 128 || isSigned(x.dtype) {
			return nil, fmt.Errorf("zero point %g of %v, want 0 or 128 of uint8", zero, x.dtype)
		}
		values = make([]float32, len(x.f))
		for i, v := range x.f {
			values[i] = v - zero
		}
	}
	return c.run(r, x.dims, values)
}

// maxStep bounds pads, strides and dilations, so that no product of them overflows.
const maxStep = 1 << 12

func (r *Runner) newIntConv(n *Node, x, w *array, scale []float32) (*intConv, error) {
	pads, strides, dilations := runInts(n, "pads", 0, 0, 0, 0), runInts(n, "strides", 1, 1), runInts(n, "dilations", 1, 1)
	groups := runInt(n, "group", 1)
	if len(x.dims) != 4 || !alike(pads) || !alike(strides) || !alike(dilations) ||
		groups < 1 || w.dims[1]*groups != x.dims[3] || w.dims[0]%groups != 0 || pads[0] < 0 || strides[0] < 1 || dilations[0] < 1 ||
		max(pads[0], strides[0], dilations[0]) > maxStep {
		return nil, fmt.Errorf("filter %v with pads %v, strides %v, dilations %v and %d groups on %v", w.dims, pads, strides, dilations, groups, x.dims)
	}
	k, in, taps := w.dims[0], w.dims[1], w.dims[2]*w.dims[3]
	geom := cuda.ConvGeom{C: x.dims[3], K: k, R: w.dims[2], S: w.dims[3], Stride: strides[0], Pad: pads[0], Dilation: dilations[0], Groups: groups}
	c := &intConv{geom: geom, signed: x.codes.signed}
	if !cuda.IntConvFits(geom) {
		return nil, fmt.Errorf("its sums do not fit int32")
	}
	filter := make([]float32, len(w.f)) // [K,R,S,C]
	for i, v := range w.f {
		code, ch, j, tap := v-w.codes.zero, i/(in*taps), i/taps%in, i%taps
		if code < -128 || code > 127 {
			return nil, fmt.Errorf("weight code %g less zero point %g does not fit 8 bits", v, w.codes.zero)
		}
		filter[(ch*taps+tap)*in+j] = code
	}
	c.filter = r.dev.NewIntFilter(geom)
	c.one, c.z = r.dev.From([]float32{1}, 1), r.dev.From(slices.Repeat([]float32{1}, cuda.MaxBits), cuda.MaxBits)
	t := r.dev.From(filter, 1, k, geom.R, geom.S, in)
	defer t.Free()
	work := r.dev.Record(func() { cuda.WeightCodes(c.filter, t, c.mix(true), c.mix(c.signed), false) })
	defer work.Free()
	work.Launch()
	c.filter.Scale.Set(scale)
	return c, nil
}

func alike(v []int) bool { return len(v) > 0 && slices.Min(v) == slices.Max(v) }

// run computes on codes; its buffers live no longer, since a file's convolutions are many.
func (c *intConv) run(r *Runner, dims []int, values []float32) (*array, error) {
	g, n, h, w := c.geom, dims[0], dims[1]+2*c.geom.Pad, dims[2]+2*c.geom.Pad
	room, more := h-(g.R-1)*g.Dilation, w-(g.S-1)*g.Dilation // rows and columns where a filter may begin
	if n < 1 || room < 1 || more < 1 || dims[3] != g.C {
		return nil, fmt.Errorf("filter %dx%dx%d with pad %d on %v", g.R, g.S, g.C, g.Pad, dims)
	}
	p, q := (room-1)/g.Stride+1, (more-1)/g.Stride+1
	padded, out := float64(n)*float64(h)*float64(w)*float64(g.C), float64(n)*float64(p)*float64(q)*float64(g.K)
	r.spend(padded+out*float64(g.R*g.S*(g.C/g.Groups)), padded+out)
	dev, dtype := r.dev, cuda.Uint8
	if c.signed {
		dtype = cuda.Int8
	}
	x, y := dev.From(values, dims...), dev.New(cuda.Float32, n, p, q, g.K)
	codes := dev.NewActOf(dtype, g.Pad, n, dims[1], dims[2], g.C)
	work := dev.Record(func() { cuda.InputCodes(codes, x, c.mix(c.signed)); cuda.IntConv(y, codes, c.filter, nil) })
	defer func() {
		work.Free()
		for _, t := range []*cuda.Tensor{x, codes, y} {
			t.Free()
		}
	}()
	work.Launch()
	return &array{dims: y.Shape(), f: y.Get(nil), image: true}, nil
}

// runQuantize gives codes: x/scale rounded to the nearest, halves to even, plus the zero point, within the zero point's type.
func runQuantize(r *Runner, n *Node, in []*array) (*array, error) {
	if len(in) != 3 || len(in[1].f) != 1 || len(in[2].f) != 1 || in[2].codes == nil || in[2].dtype.Bits() > 8 {
		return nil, fmt.Errorf("want one scale and a zero point of 8 bits or fewer")
	}
	t := in[2].dtype
	lo, hi := 0.0, float64(int(1)<<t.Bits()-1)
	if isSigned(t) {
		lo, hi = -float64(int(1)<<(t.Bits()-1)), float64(int(1)<<(t.Bits()-1)-1)
	}
	scale, zero, x := in[1].f[0], float64(in[2].f[0]), in[0]
	y := r.newArray(1, x.dims...)
	size := len(x.f) / x.dims[0]
	r.each(x.dims[0], func(i int) {
		from, to := x.f[i*size:][:size], y.f[i*size:][:size]
		for k, v := range from {
			to[k] = float32(min(max(math.RoundToEven(float64(v/scale))+zero, lo), hi))
		}
	})
	y.dtype, y.codes = t, &codes{scale: []float32{1}, signed: isSigned(t)}
	return y, nil
}

// runDequantize leaves the codes alone and notes what they stand for.
func runDequantize(_ *Runner, n *Node, in []*array) (*array, error) {
	zero := float32(0)
	if len(in) > 2 && in[2] != nil {
		zero = in[2].f[0]
	}
	if in[0].codes == nil || len(in[1].f) != 1 && (len(in[0].dims) == 0 || len(in[1].f) != in[0].dims[0] || runInt(n, "axis", 1) != 0) || len(in) > 2 && len(in[2].f) != 1 {
		return nil, fmt.Errorf("want codes with one scale, or one for each of dimension 0, and one zero point")
	}
	y := *in[0]
	y.codes = &codes{scale: in[1].f, zero: zero, signed: in[0].codes.signed || zero > 0}
	return &y, nil
}
