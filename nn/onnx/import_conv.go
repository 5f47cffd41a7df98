package onnx

import (
	"fmt"
	"slices"
	"strings"

	"vimps-gpu/nn"
)

// window is the geometry that convolutions and pools share.
type window struct {
	r, s, stride, dilation   int
	top, left, bottom, right int
}

// window reads kernel, strides, dilations and padding; h and w are the size of the image.
func (n *Node) window(r, s int64, h, w int) (window, error) {
	two := func(name string) (int64, int64, error) {
		v := n.ints(name)
		if v == nil {
			return 1, 1, nil
		}
		if len(v) != 2 || min(v[0], v[1]) < 1 || max(v[0], v[1]) > sizeLimit {
			return 0, 0, fmt.Errorf("%s are %v, want 2 numbers", name, v)
		}
		return v[0], v[1], nil
	}
	sh, sw, err := two("strides")
	if err != nil {
		return window{}, err
	}
	dh, dw, err := two("dilations")
	if err != nil {
		return window{}, err
	}
	switch {
	case sh != sw:
		return window{}, fmt.Errorf("strides %dx%d, want the same down and across", sh, sw)
	case dh != dw:
		return window{}, fmt.Errorf("dilations %dx%d, want the same down and across", dh, dw)
	case min(r, s) < 1 || max(r, s) > sizeLimit:
		return window{}, fmt.Errorf("a window of %dx%d", r, s)
	}
	g := window{r: int(r), s: int(s), stride: int(sh), dilation: int(dh)}
	auto := n.text("auto_pad", "NOTSET")
	switch auto {
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		g.top, g.bottom = samePad(h, g.r, g.stride, g.dilation, auto == "SAME_LOWER")
		g.left, g.right = samePad(w, g.s, g.stride, g.dilation, auto == "SAME_LOWER")
	case "NOTSET", "":
		p := n.ints("pads")
		if p == nil {
			break
		}
		if len(p) != 4 || slices.Min(p) < 0 || slices.Max(p) > sizeLimit {
			return g, fmt.Errorf("pads are %v, want 4 numbers that are not negative", p)
		}
		g.top, g.left, g.bottom, g.right = int(p[0]), int(p[1]), int(p[2]), int(p[3])
	default:
		return g, fmt.Errorf("auto_pad is %q", auto)
	}
	return g, nil
}

// samePad is the padding on both sides after which there is an output for every stride-th place.
func samePad(in, r, stride, dilation int, lower bool) (before, behind int) {
	total := max(0, ((in+stride-1)/stride-1)*stride+(r-1)*dilation+1-in)
	if before = total / 2; lower {
		before = total - before
	}
	return before, total - before
}

func (im *importer) conv(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	if err := v.plain(); err != nil {
		return nil, err
	}
	w, err := im.floatsOf(n, 1)
	if err != nil {
		return nil, fmt.Errorf("the filter: %w", err)
	}
	groups := n.int("group", 1)
	if len(w.dims) != 4 || groups < 1 || w.dims[1] != int64(v.c)/groups || int64(v.c)%groups != 0 || w.dims[0]%groups != 0 || w.dims[0] == 0 {
		return nil, fmt.Errorf("a filter of %v and %d groups for %d channels", w.dims, groups, v.c)
	}
	if k := n.ints("kernel_shape"); k != nil && !slices.Equal(k, w.dims[2:]) {
		return nil, fmt.Errorf("kernel_shape %v and a filter of %v", k, w.dims)
	}
	g, err := n.window(w.dims[2], w.dims[3], v.h, v.w)
	if err != nil {
		return nil, err
	}
	x := v.node
	if before := im.g.Nodes[x]; before.Op == nn.OpPad && g.top+g.left+g.bottom+g.right == 0 { // Keras pads by an op of its own
		p := before.Pads
		g.top, g.left, g.bottom, g.right, x = p.Top, p.Left, p.Bottom, p.Right, before.In[0]
	}
	pad := g.top
	if g.left != pad || g.bottom != pad || g.right != pad {
		x, pad = im.padded(x, nn.Pads{Top: g.top, Left: g.left, Bottom: g.bottom, Right: g.right}), 0
	}
	c := nn.Conv{K: int(w.dims[0]), R: g.r, S: g.s, Stride: g.stride, Dilation: g.dilation, Pad: pad, Groups: int(groups), Bias: n.has(2)}
	return im.layer(n, v.groups, x, c, w, slices.Clone(w.floats), 2)
}

// padded is x with zeros around; convolutions that pad x alike read one padded image.
func (im *importer) padded(x int, p nn.Pads) int {
	for i, n := range im.g.Nodes {
		if n.Op == nn.OpPad && n.In[0] == x && n.Pads == p {
			return i
		}
	}
	return im.g.Pad(x, p)
}

// layer adds a convolution of node x. Input biasAt is its bias, if there is one.
func (im *importer) layer(n *Node, groups []string, x int, c nn.Conv, w *constant, filter []float32, biasAt int) (*value, error) {
	var bias []float32
	if c.Bias {
		b, err := im.floatsOf(n, biasAt)
		if err != nil {
			return nil, fmt.Errorf("the bias: %w", err)
		}
		if len(b.floats) != c.K {
			return nil, fmt.Errorf("a bias of %v for %d outputs", b.dims, c.K)
		}
		bias = slices.Clone(b.floats)
	}
	node := im.g.Conv("", x, c)
	name := im.layerName(n, w.from)
	im.g.Nodes[node].Name = name
	if c.Linear {
		im.put(name+".weight", filter, c.K, len(filter)/c.K)
	} else {
		im.put(name+".weight", filter, c.K, len(filter)/(c.K*c.R*c.S), c.R, c.S)
	}
	if bias != nil {
		im.put(name+".bias", bias, c.K)
	}
	im.share(w.from)
	return im.at(node, slices.Clone(groups)), nil
}

// share notes a filter that other nodes read too.
func (im *importer) share(name string) {
	if name == "" || im.readers[name] < 2 || im.filters[name] {
		return
	}
	im.filters[name] = true
	var who []string
	for i := range im.m.Graph.Nodes {
		if slices.Contains(im.m.Graph.Nodes[i].In, name) {
			who = append(who, describe(&im.m.Graph.Nodes[i]))
		}
	}
	im.note("initializer %q is read by %s: each convolution gets a filter of its own, and training parts them", name, strings.Join(who, " and "))
}

// linear is Gemm, or MatMul by a constant: a fully connected layer or, on images whose last dimension is the channels, a 1x1 convolution.
func (im *importer) linear(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	w, err := im.floatsOf(n, 1)
	if err != nil {
		return nil, fmt.Errorf("the second factor: %w", err)
	}
	if len(w.dims) != 2 || w.dims[0] == 0 || w.dims[1] == 0 {
		return nil, fmt.Errorf("a second factor of %v, want 2 dimensions", w.dims)
	}
	t := w
	if n.Op == "MatMul" || n.int("transB", 0) == 0 {
		if t, err = transpose(w, nil); err != nil {
			return nil, err
		}
	}
	if n.Op == "Gemm" && (n.int("transA", 0) != 0 || len(v.groups) != 2) {
		return nil, fmt.Errorf("a first factor of %v, transposed %d", v.dims(), n.int("transA", 0))
	}
	last := len(v.groups) - 1
	order := v.trimmed(last)
	whole := v.h*v.w*v.c == int(v.dims()[last])
	if t.dims[1] != v.dims()[last] || !whole && order != "C" {
		return nil, fmt.Errorf("a product of %v (%s) and %v", v.dims(), strings.Join(v.groups, ","), w.dims)
	}
	c := nn.Conv{K: int(t.dims[0]), R: 1, S: 1, Stride: 1, Bias: n.has(2)}
	filter := slices.Clone(t.floats)
	if whole {
		c.R, c.S, c.PerTensor, c.Linear = v.h, v.w, true, true
		filter = channelsFirst(filter, c.K, v, order)
	}
	out, err := im.layer(n, v.groups, v.node, c, w, filter, 2)
	if err != nil {
		return nil, err
	}
	if whole {
		out.image.groups = slices.Clone(v.groups)
	}
	if alpha, beta := n.float("alpha", 1), n.float("beta", 1); n.Op == "Gemm" && (alpha != 1 || beta != 1) {
		for i := range filter {
			filter[i] *= alpha
		}
		if bias := im.weights[im.g.Nodes[out.image.node].Name+".bias"]; bias != nil {
			for i := range bias.Float32s() {
				bias.Float32s()[i] *= beta
			}
		}
	}
	return out, nil
}

// channelsFirst brings the inputs of K outputs from the order that v was flattened in to channels, rows, columns.
func channelsFirst(w []float32, k int, v *image, order string) []float32 {
	size := map[byte]int{'C': v.c, 'H': v.h, 'W': v.w}
	stride := map[byte]int{}
	for i, s := len(order)-1, 1; i >= 0; i-- {
		stride[order[i]] = s
		s *= size[order[i]]
	}
	out, f := make([]float32, 0, len(w)), v.c*v.h*v.w
	for o := range k {
		for c := range v.c {
			for y := range v.h {
				for x := range v.w {
					out = append(out, w[o*f+c*stride['C']+y*stride['H']+x*stride['W']])
				}
			}
		}
	}
	return out
}

func (im *importer) norm(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	if v.channels() != 1 {
		return nil, fmt.Errorf("an input in the layout %s, want channels in dimension 1", strings.Join(v.groups, ","))
	}
	for i, out := range n.Out {
		if i > 0 && im.readers[out] > 0 {
			return nil, fmt.Errorf("the statistics %q are read", out)
		}
	}
	var p [4][]float32
	var scale *constant
	for i := range p {
		c, err := im.floatsOf(n, i+1)
		if err != nil {
			return nil, err
		}
		if len(c.floats) != v.c {
			return nil, fmt.Errorf("input %q has %d values for %d channels", n.In[i+1], len(c.floats), v.c)
		}
		if p[i] = slices.Clone(c.floats); i == 0 {
			scale = c
		}
	}
	if n.int("training_mode", 0) != 0 {
		im.note("%s was exported in training mode: it uses the running statistics of the file here", describe(n))
	}
	if conv := im.soleConv(v); conv != nil && conv.Conv.Bias { // a norm takes any bias before it out again
		for i, b := range im.weights[conv.Name+".bias"].Float32s() {
			p[2][i] -= b
		}
		conv.Conv.Bias = false
		delete(im.weights, conv.Name+".bias")
	}
	name := im.layerName(n, scale.from)
	for i, suffix := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		im.put(name+suffix, p[i], v.c)
	}
	node := im.g.Norm(name, v.node)
	eps := n.float("epsilon", 1e-5)
	if !(eps >= 0 && eps < 1) {
		return nil, fmt.Errorf("epsilon is %v", eps)
	}
	for i, variance := range p[3] {
		if variance < 0 || variance+eps == 0 {
			return nil, fmt.Errorf("the variance of channel %d is %g", i, variance)
		}
	}
	im.g.Nodes[node].Eps = eps
	return v.keep(im, node), nil
}
