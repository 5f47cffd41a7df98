package onnx

import (
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// conv writes a convolution of quantized operands, its norm folded in. The bias is an Add of its own: onnxruntime rounds one inside a
// quantized Conv to steps of both scales' product, which is coarse at few bits.
func (e *exporter) conv(n nn.Node, in, out string) {
	l := &e.c.Layers[e.layers]
	e.layers++
	op, operands, sum := "Conv", []string(nil), out+".sum"
	if e.format == Exact {
		op, operands = "ConvInteger", e.integerOperands(l, n, in, out)
	} else {
		operands = []string{e.dequantizedInput(l, in), e.dequantizedFilter(l, n, out)}
	}
	c := n.Conv
	p := int64(c.Pad)
	attrs := []Attr{withInts("kernel_shape", int64(c.R), int64(c.S))}
	if p > 0 {
		attrs = append(attrs, withInts("pads", p, p, p, p))
	}
	if s := int64(c.Stride); s != 1 {
		attrs = append(attrs, withInts("strides", s, s))
	}
	if d := int64(c.Dilation); d > 1 {
		attrs = append(attrs, withInts("dilations", d, d))
	}
	if c.Groups > 1 {
		attrs = append(attrs, withInt("group", int64(c.Groups)))
	}
	e.add(op, operands, sum, attrs...)
	e.g.Nodes[len(e.g.Nodes)-1].Name = l.Name
	sum = e.scaled(l, sum, out)
	e.add("Add", []string{sum, e.floats(out+".bias", l.Bias, int64(n.C), 1, 1)}, out)
}

// scaled brings the sums to what the float form's convolution would give: for Exact times all scales, else, where a folded scale is below
// 0, times -1, since scales of DequantizeLinear are positive everywhere.
func (e *exporter) scaled(l *Layer, sum, out string) string {
	factor := make([]float32, len(l.Scale))
	negative := false
	for k, s := range l.Scale {
		negative = negative || s < 0
		factor[k] = 1
		if s < 0 {
			factor[k] = -1
		}
		if e.format == Exact {
			factor[k] = float32(float64(s) * float64(l.InputStep))
		}
	}
	name := out + ".sign"
	if e.format == Exact {
		name = out + ".scale"
		e.add("Cast", []string{sum}, out+".float", withInt("to", int64(Float32)))
		sum = out + ".float"
	} else if !negative {
		return sum
	}
	dims := []int64{int64(len(factor)), 1, 1}
	if len(factor) == 1 {
		dims = nil
	}
	e.add("Mul", []string{sum, e.floats(name, factor, dims...)}, out+".scaled")
	return out + ".scaled"
}

func (e *exporter) filterDims(n nn.Node) []int64 {
	in := e.c.Graph.Nodes[n.In[0]].C / max(1, n.Conv.Groups)
	return []int64{int64(n.C), int64(in), int64(n.Conv.R), int64(n.Conv.S)}
}

// dequantizedFilter holds signed codes, scales above 0 and no zero points, as the strictest runtimes want them.
func (e *exporter) dequantizedFilter(l *Layer, n nn.Node, out string) string {
	width := l.storedBits(e.format)
	codes := e.constant(out+".weight", codeType(width, true), e.filterDims(n), packCodes(l.Codes, width, 0))
	scale := make([]float32, len(l.Scale))
	for k, s := range l.Scale {
		scale[k] = float32(math.Abs(float64(s)))
	}
	var dims []int64
	var attrs []Attr
	if len(scale) > 1 {
		dims, attrs = []int64{int64(len(scale))}, []Attr{withInt("axis", 0)}
	}
	e.add("DequantizeLinear", []string{codes, e.floats(out+".weight_scale", scale, dims...)}, out+".filter", attrs...)
	return out + ".filter"
}

func codeType(width int, signed bool) DType {
	switch {
	case signed && width == 2:
		return Int2
	case signed && width == 4:
		return Int4
	case signed:
		return Int8
	case width == 2:
		return Uint2
	case width == 4:
		return Uint4
	}
	return Uint8
}

func inputRange(l *Layer) quant.Range {
	if l.SignedInput {
		return quant.Signed(l.InputBits)
	}
	return quant.Unsigned(l.InputBits)
}

// dequantizedInput quantizes a value and turns the codes into floats again; convolutions that read it alike share it.
func (e *exporter) dequantizedInput(l *Layer, in string) string {
	key := fmt.Sprint(in, l.InputBits, l.SignedInput, l.InputStep)
	if v, ok := e.inputs[key]; ok {
		return v
	}
	name, width := l.Name+".input", 8
	if e.format == QDQ && nativeInput(l.InputBits) {
		width = l.InputBits
	}
	scale := e.floats(name+"_scale", []float32{l.InputStep})
	zero := e.constant(name+"_zero", codeType(width, l.SignedInput), nil, []byte{0})
	codes := e.codes(l, in, name, scale, zero, width, 0)
	e.add("DequantizeLinear", []string{codes, scale, zero}, name+".value")
	e.inputs[key] = name + ".value"
	return name + ".value"
}

// codes quantizes a value into a type of the given width, clipped where that is more than the layer's bits.
func (e *exporter) codes(l *Layer, in, name, scale, zero string, width, add int) string {
	e.add("QuantizeLinear", []string{in, scale, zero}, name+".codes")
	if width == l.InputBits {
		return name + ".codes"
	}
	r, t := inputRange(l), codeType(width, l.SignedInput && add == 0)
	lo, hi := e.constant(name+"_min", t, nil, []byte{byte(r.Min + add)}), e.constant(name+"_max", t, nil, []byte{byte(r.Max + add)})
	e.add("Clip", []string{name + ".codes", lo, hi}, name+".clipped")
	return name + ".clipped"
}

// integerOperands are the codes of input and filter and their zero points, all unsigned.
func (e *exporter) integerOperands(l *Layer, n nn.Node, in, out string) []string {
	key := fmt.Sprint(in, l.InputBits, l.SignedInput, l.InputStep)
	codes, ok := e.inputs[key]
	name := l.Name + ".input"
	if !ok {
		add := 0
		if l.SignedInput {
			add = 128
		}
		zero := e.constant(name+"_zero", Uint8, nil, []byte{byte(add)})
		codes = e.codes(l, in, name, e.floats(name+"_scale", []float32{l.InputStep}), zero, 8, add)
		e.inputs[key], e.inputs[key+"zero"] = codes, zero
	}
	half, width := 1<<(l.WeightBits-1), l.storedBits(e.format)
	filter := e.constant(out+".weight", codeType(width, false), e.filterDims(n), packCodes(l.Codes, width, half))
	if width < 8 {
		e.add("Cast", []string{filter}, out+".filter", withInt("to", int64(Uint8)))
		filter = out + ".filter"
	}
	return []string{codes, filter, e.inputs[key+"zero"], e.constant(out+".weight_zero", Uint8, nil, []byte{byte(half)})}
}
