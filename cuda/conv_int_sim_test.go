//go:build cuda

package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vimps-gpu/kernels"
)

// A child's convolution in whole numbers equals the host's bit for bit, signed codes and unsigned.
func TestIntConvOnGPU(t *testing.T) {
	host, gpu := onBoth(t, "tf32")
	used := map[string]int{}
	for _, c := range append(convCases, squareConv(2, 9, 9, 48, 136, 3, 1, 1, 1, 1), squareConv(2, 9, 9, 32, 24, 3, 1, 1, 1, 1)) {
		for _, signed := range []bool{false, true} {
			for _, bias := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v signed %t bias %t", c, signed, bias), func(t *testing.T) {
					wantBits(t, "y", c.runInt(gpu, signed, bias, used), c.runInt(host, signed, bias, used))
				})
			}
		}
	}
	for _, name := range []string{"int_conv_128x64", "int_conv_128x32", "int_conv_values"} {
		for _, codes := range []string{"_u8", "_s8"} {
			if used[name+codes] == 0 {
				t.Errorf("no case runs %s", name+codes)
			}
		}
	}
	if used["int_conv_depthwise"] == 0 {
		t.Error("no case runs int_conv_depthwise")
	}
}

// runInt makes codes of 8 bits of inputs and filters and convolves them.
func (c convCase) runInt(d *Device, signed, bias bool, used map[string]int) []float32 {
	g, r := c.g, rand.New(rand.NewPCG(3, uint64(c.h)))
	p, q := c.out()
	dtype, lo, hi := Uint8, float32(0), float32(255)
	if signed {
		dtype, lo, hi = Int8, -128, 127
	}
	z := d.From([]float32{1}, 1)
	inputs := &Mix{Min: []float32{lo}, Max: []float32{hi}, Z: z, Step: d.From([]float32{0.013}, 1)}
	weights := &Mix{Min: []float32{-128}, Max: []float32{127}, Z: z, Step: d.From(positives(r, g.K), 1, g.K)}
	x, y := d.NewActOf(Float32, 0, c.n, c.h, c.w, g.C), d.NewActOf(Float32, 0, c.n, p, q, g.K)
	x.Set(draws(r, x.Len(), 1))
	y.Set(nans(y.Len()))
	codes := d.NewActOf(dtype, kernels.ConvXBorder(g, c.h, c.w, p, q), c.n, c.h, c.w, g.C)
	InputCodes(codes, x, inputs)
	f := &IntFilter{Packed: d.New(Int8, kernels.IntPackedSize(g)), Scale: d.New(Float32, g.K)}
	w := d.From(draws(r, g.K*g.FilterLen(), 30), g.K*g.FilterLen())
	d.emit("weight codes", channels, g.K, 1, kernels.WeightCodes(d.isa, kernels.WeightCodesArgs{Geom: g, Weights: weights.kernel(),
		Inputs: inputs.kernel(), W: w.p, Packed: f.Packed.p, Scale: f.Scale.p}))
	args := kernels.IntConvArgs{Geom: g, X: codes.codes(), Y: y.act(), Packed: f.Packed.p, Scale: f.Scale.p}
	if bias {
		args.Bias = d.From(draws(r, g.K, 1), g.K).p
	}
	call := kernels.IntConv(d.isa, args)
	if d.gpu {
		l, _, _ := call.Launch(c.n)
		used[l.Kernel]++
	}
	d.emit("int conv", images, c.n, 1, call)
	return y.Get(nil)
}
