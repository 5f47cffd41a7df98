package onnx

import (
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// op is the first output of a node; nil without an error: unknown because of an earlier node.
func (im *importer) op(n *Node) (*value, error) {
	if c, ok, err := im.fold(n); err != nil {
		return nil, err
	} else if ok {
		return &value{folded: c}, nil
	}
	switch n.Op {
	case "Constant":
		return im.constantNode(n)
	case "Shape":
		return im.shape(n)
	case "Identity", "Dropout", "Cast":
		return im.same(n)
	case "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose":
		return im.relayout(n)
	case "Conv":
		return im.conv(n)
	case "Gemm", "MatMul":
		return im.linear(n)
	case "BatchNormalization":
		return im.norm(n)
	case "Relu", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Clip", "Swish":
		return im.activation(n)
	case "Add", "Sub", "Sum":
		return im.sum(n)
	case "Mul", "Div":
		return im.product(n)
	case "Concat":
		return im.concat(n)
	case "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean":
		return im.pool(n)
	case "Pad":
		return im.pad(n)
	case "Slice":
		return im.strided(n)
	case "Resize", "Upsample":
		return im.resize(n)
	case "DepthToSpace":
		return im.depthToSpace(n)
	case "Softmax", "LogSoftmax":
		return im.softmax(n)
	case "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul":
		return nil, fmt.Errorf("the net is quantized already: give the float one")
	}
	return nil, fmt.Errorf("the op is not one of those that are computed")
}

func (im *importer) constantNode(n *Node) (*value, error) {
	if a := n.attr("value", AttrTensor); a != nil {
		return &value{tensor: a.T}, nil
	}
	for _, a := range n.Attrs {
		switch {
		case a.Name == "value_int" && a.Kind == AttrInt:
			return &value{folded: &constant{ints: []int64{a.I}}}, nil
		case a.Name == "value_ints" && a.Kind == AttrInts:
			return &value{folded: &constant{ints: a.Ints, dims: []int64{int64(len(a.Ints))}}}, nil
		case a.Name == "value_float" && a.Kind == AttrFloat:
			return &value{folded: &constant{floats: []float32{a.F}}}, nil
		case a.Name == "value_floats" && a.Kind == AttrFloats:
			return &value{folded: &constant{floats: a.Floats, dims: []int64{int64(len(a.Floats))}}}, nil
		}
	}
	return nil, fmt.Errorf("a constant that is neither a tensor nor numbers")
}

func (im *importer) same(n *Node) (*value, error) {
	if n.Op == "Cast" {
		switch t := DType(n.int("to", 0)); t {
		case Float32, Float64:
		case Float16, BFloat16:
			im.note("%s to %v: computed as float", describe(n), t)
		default:
			return nil, fmt.Errorf("images as %v", t)
		}
	}
	v, err := im.lazyImage(n, 0)
	if v == nil {
		return nil, err
	}
	return &value{image: v}, nil
}

// softmax leaves out the last one: the loss has its own, and the largest logit stays the largest.
func (im *importer) softmax(n *Node) (*value, error) {
	if len(n.Out) == 0 || n.Out[0] != im.m.Graph.Outputs[0].Name {
		return nil, fmt.Errorf("a softmax inside of the net")
	}
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	im.note("%s is left out: outputs are logits", describe(n))
	return &value{image: v}, nil
}

func (im *importer) concat(n *Node) (*value, error) {
	var nodes []int
	var first *image
	for i := range n.In {
		v, err := im.image(n, i)
		if v == nil {
			return nil, err
		}
		if first == nil {
			first = v
			axis := n.int("axis", 0)
			if axis < 0 {
				axis += int64(len(v.groups))
			}
			if axis != int64(v.channels()) {
				return nil, fmt.Errorf("joins along dimension %d of %v, want the channels", n.int("axis", 0), v.dims())
			}
		}
		if !v.sameLayout(first) || v.h != first.h || v.w != first.w || v.batch != first.batch {
			return nil, fmt.Errorf("joins %v and %v", first.dims(), v.dims())
		}
		nodes = append(nodes, v.node)
	}
	if first == nil {
		return nil, fmt.Errorf("joins nothing")
	}
	return first.keep(im, im.g.Concat(nodes...)), nil
}

func (im *importer) depthToSpace(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	mode, block := n.text("mode", "DCR"), n.int("blocksize", 0)
	if err := v.plain(); err != nil {
		return nil, err
	}
	if block < 1 || block > 64 || mode != "DCR" && mode != "CRD" {
		return nil, fmt.Errorf("blocks of %d, mode %q", block, mode)
	}
	return v.keep(im, im.g.DepthToSpace(v.node, nn.Shuffle{Block: int(block), DCR: mode == "DCR"})), nil
}

func (im *importer) activation(n *Node) (*value, error) {
	if n.Op == "Clip" {
		return im.clip(n)
	}
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	act := nn.Activation{}
	switch n.Op {
	case "Relu":
		return v.keep(im, im.g.ReLU(v.node)), nil
	case "PRelu":
		return im.prelu(n, v)
	case "LeakyRelu":
		act = nn.Activation{Kind: cuda.ActLeakyReLU, Alpha: n.float("alpha", 0.01)}
	case "HardSwish":
		act.Kind = cuda.ActHardSwish
	case "HardSigmoid":
		act = nn.Activation{Kind: cuda.ActHardSigmoid, Alpha: n.float("alpha", 0.2), Beta: n.float("beta", 0.5)}
	case "Sigmoid":
		act.Kind = cuda.ActSigmoid
	case "Tanh":
		act.Kind = cuda.ActTanh
	case "Swish":
		if act.Kind = cuda.ActSiLU; n.float("alpha", 1) != 1 {
			return nil, fmt.Errorf("alpha is %g, want 1", n.float("alpha", 1))
		}
	}
	for _, f := range []float32{act.Alpha, act.Beta} {
		if f != f || math.IsInf(float64(f), 0) {
			return nil, fmt.Errorf("a parameter is %v", f)
		}
	}
	return v.keep(im, im.g.Activate("", v.node, act)), nil
}

func (im *importer) prelu(n *Node, v *image) (*value, error) {
	c, err := im.floatsOf(n, 1)
	if err != nil {
		return nil, err
	}
	slopes, ok := c.channels(v)
	if !ok {
		return nil, fmt.Errorf("slopes %v for %v, want one a channel", c.dims, v.dims())
	}
	name := im.layerName(n, c.from)
	im.put(name+".weight", slopes, v.c)
	return v.keep(im, im.g.Activate(name, v.node, nn.Activation{Kind: cuda.ActPReLU})), nil
}

func (im *importer) clip(n *Node) (*value, error) {
	lo, err := im.scalar(n, 1, float64(n.float("min", float32(math.Inf(-1)))))
	if err != nil {
		return nil, err
	}
	hi, err := im.scalar(n, 2, float64(n.float("max", float32(math.Inf(1)))))
	if err != nil {
		return nil, err
	}
	if !(lo <= hi) {
		return nil, fmt.Errorf("from %g to %g", lo, hi)
	}
	v, err := im.lazyImage(n, 0)
	if v == nil {
		return nil, err
	}
	if v.lazy != nil {
		if out := v.clipped(lo, hi); out != nil {
			return &value{image: out}, nil
		}
		if v, err = im.image(n, 0); err != nil {
			return nil, err
		}
	}
	const open = math.MaxFloat32 // what exporters write for no bound
	switch {
	case lo == 0 && hi >= open:
		return v.keep(im, im.g.ReLU(v.node)), nil
	case lo == 0 && hi > 0:
		return v.keep(im, im.g.ReLUCap(v.node, float32(hi))), nil
	case lo <= -open && hi >= open:
		return &value{image: v}, nil
	}
	act := nn.Activation{Kind: cuda.ActClip, Alpha: float32(max(lo, -open)), Beta: float32(min(hi, open))}
	return v.keep(im, im.g.Activate("", v.node, act)), nil
}
