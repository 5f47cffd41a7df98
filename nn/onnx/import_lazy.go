package onnx

import (
	"fmt"
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// lazy is what an image's node still lacks to its value: scale * clip(a*x + b, lo, hi), times x where product; or, where stride is not 0,
// every stride-th place of x with zeros in the channels before and behind, as in ResNet's option A. Such things are parts of patterns.
type lazy struct {
	what           string // node that began it
	a, b, lo, hi   float64
	scale          float64
	product        bool
	stride         int
	before, behind int // channels
}

func (l *lazy) complaint() string {
	if l.stride != 0 {
		return fmt.Sprintf("what %s leaves of an image can only be added to one (ResNet's option A)", l.what)
	}
	return fmt.Sprintf("%s computes with a constant that is neither behind a convolution or norm nor part of a hard sigmoid or hard swish", l.what)
}

// affine is v with its own lazy part to change; nil: v is something else yet.
func (v *image) affine(what string) *image {
	out := *v
	switch {
	case v.lazy == nil:
		out.lazy = &lazy{what: what, a: 1, lo: math.Inf(-1), hi: math.Inf(1), scale: 1}
	case v.lazy.stride != 0:
		return nil
	default:
		l := *v.lazy
		out.lazy = &l
	}
	return &out
}

func (l *lazy) open() bool { return math.IsInf(l.lo, -1) && math.IsInf(l.hi, 1) }

// plus adds a constant, times multiplies; nil: that is none of the patterns.
func (v *image) plus(what string, c float64) *image {
	out := v.affine(what)
	if out == nil || !out.lazy.open() || out.lazy.product {
		return nil
	}
	out.lazy.b += c
	return out
}

func (v *image) times(what string, c float64) *image {
	out := v.affine(what)
	if out == nil || !(math.Abs(c) < math.MaxFloat32) {
		return nil
	}
	if l := out.lazy; l.open() && !l.product {
		l.a, l.b = l.a*c, l.b*c
	} else {
		l.scale *= c
	}
	return out
}

func (v *image) clipped(lo, hi float64) *image {
	out := v.affine("")
	if out == nil || !out.lazy.open() || out.lazy.product || lo != 0 || math.IsInf(hi, 1) {
		return nil
	}
	out.lazy.lo, out.lazy.hi = lo, hi
	return out
}

// timesBase is x * v where v is computed from x alone.
func (v *image) timesBase() *image {
	out := v.affine("")
	if out == nil || out.lazy.open() || out.lazy.product {
		return nil
	}
	out.lazy.product = true
	return out
}

// settle makes a node of a complete pattern; false: it is none.
func (im *importer) settle(v *image) (*image, bool) {
	l := v.lazy
	if l.stride != 0 {
		return nil, false
	}
	near := func(x, want float64) bool { return math.Abs(x-want) < 1e-5 }
	switch a, b := l.a*l.scale, l.b*l.scale; {
	case l.open() && !l.product:
		base := *v
		base.lazy = nil
		if !im.scale(&base, constantVector(base.c, l.a), constantVector(base.c, l.b)) {
			return nil, false
		}
		return &base, true
	case l.lo != 0 || !near(l.hi*l.scale, 1):
		return nil, false
	case !l.product:
		return v.keep(im, im.g.Activate("", v.node, nn.Activation{Kind: cuda.ActHardSigmoid, Alpha: float32(a), Beta: float32(b)})).image, true
	case near(a, 1./6) && near(b, 0.5):
		return v.keep(im, im.g.Activate("", v.node, nn.Activation{Kind: cuda.ActHardSwish})).image, true
	}
	return nil, false
}

func constantVector(n int, v float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(v)
	}
	return out
}

// scale multiplies a channel's values by a factor and adds a shift by the parameters of the convolution or norm that yields them; false:
// something else does, or somebody else reads them.
func (im *importer) scale(v *image, factor, shift []float32) bool {
	n := &im.g.Nodes[v.node]
	if !v.sole || v.lazy != nil || n.Op != nn.OpConv && n.Op != nn.OpNorm {
		return false
	}
	if n.Op == nn.OpConv && !n.Conv.Bias {
		for _, s := range shift {
			if s != 0 {
				n.Conv.Bias = true
				im.put(n.Name+".bias", make([]float32, n.C), n.C)
				break
			}
		}
	}
	weight := im.weights[n.Name+".weight"].Float32s()
	per := len(weight) / n.C
	for i := range weight {
		weight[i] *= factor[i/per]
	}
	if bias := im.weights[n.Name+".bias"]; bias != nil {
		values := bias.Float32s()
		for i := range values {
			values[i] = values[i]*factor[i] + shift[i]
		}
	}
	return true
}

// channels is the dimension of the channels alone; -1: none is.
func (v *image) channels() int {
	for i := range v.groups {
		if v.trimmed(i) == "C" {
			return i
		}
	}
	if v.c == 1 {
		for i, g := range v.groups {
			if g == "C" {
				return i
			}
		}
	}
	return -1
}

// trimmed is the axes of a dimension that are longer than 1.
func (v *image) trimmed(i int) string {
	out := ""
	for j := range len(v.groups[i]) {
		if v.axis(v.groups[i][j]) > 1 {
			out += v.groups[i][j : j+1]
		}
	}
	return out
}

// sameLayout tells whether dimensions of two images hold the same axes, lengths of 1 aside.
func (v *image) sameLayout(w *image) bool {
	if len(v.groups) != len(w.groups) {
		return false
	}
	for i := range v.groups {
		if a, b := v.trimmed(i), w.trimmed(i); a != b && a != "" && b != "" {
			return false
		}
	}
	return true
}

// channels is one value a channel of v that a constant amounts to when it is broadcast.
func (c *constant) channels(v *image) ([]float32, bool) {
	if len(c.floats) == 1 {
		return constantVector(v.c, float64(c.floats[0])), true
	}
	for i, d := range c.dims {
		at := i + len(v.groups) - len(c.dims)
		if d != 1 && (at < 0 || at != v.channels() || d != int64(v.c)) {
			return nil, false
		}
	}
	if len(c.floats) != v.c {
		return nil, false
	}
	return append([]float32(nil), c.floats...), true
}

// withConstant is Add, Sub, Mul or Div of an image and a constant.
func (im *importer) withConstant(n *Node) (*value, error) {
	at, other := 0, 1
	if im.isConst(n, 0) {
		at, other = 1, 0
	}
	c, err := im.floatsOf(n, other)
	if err != nil {
		return nil, err
	}
	v, err := im.lazyImage(n, at)
	if v == nil {
		return nil, err
	}
	values, ok := c.channels(v)
	if !ok {
		return nil, fmt.Errorf("a constant of %v for %v, want one number or one a channel", c.dims, v.dims())
	}
	factor, shift := constantVector(v.c, 1), constantVector(v.c, 0)
	for i, x := range values {
		switch n.Op {
		case "Add":
			shift[i] = x
		case "Sub":
			shift[i] = -x
			if at == 1 {
				factor[i], shift[i] = -1, x
			}
		case "Mul":
			factor[i] = x
		case "Div":
			if factor[i] = 1 / x; at == 1 || x == 0 {
				return nil, fmt.Errorf("a division by an image or by 0")
			}
		}
	}
	if len(c.floats) == 1 && v.c > 1 || v.lazy != nil && len(c.floats) == 1 {
		out := v
		if factor[0] != 1 {
			out = out.times(describe(n), float64(factor[0]))
		}
		if out != nil && shift[0] != 0 {
			out = out.plus(describe(n), float64(shift[0]))
		}
		if out != nil {
			return &value{image: out}, nil
		}
	}
	if v, err = im.image(n, at); err != nil {
		return nil, err
	}
	if !im.scale(v, factor, shift) {
		return nil, fmt.Errorf("a constant for every channel that does not stand alone behind a convolution or norm")
	}
	return &value{image: v}, nil
}

func (im *importer) sum(n *Node) (*value, error) {
	if len(n.In) == 2 && (im.isConst(n, 0) || im.isConst(n, 1)) {
		return im.withConstant(n)
	}
	if n.Op == "Sub" {
		return nil, fmt.Errorf("a difference of two images")
	}
	if len(n.In) < 2 {
		return nil, fmt.Errorf("%d inputs, want 2 or more", len(n.In))
	}
	out, err := im.lazyImage(n, 0)
	if out == nil {
		return nil, err
	}
	for i := 1; i < len(n.In); i++ {
		v, err := im.lazyImage(n, i)
		if v == nil {
			return nil, err
		}
		if out, err = im.add(n, out, v); err != nil {
			return nil, err
		}
	}
	return &value{image: out}, nil
}

func (im *importer) add(n *Node, a, b *image) (*image, error) {
	if a.lazy != nil && a.lazy.stride != 0 {
		a, b = b, a
	}
	var short *lazy
	for _, v := range []**image{&a, &b} {
		if l := (*v).lazy; l != nil && (l.stride == 0 || v == &a) {
			done, ok := im.settle(*v)
			if !ok {
				return nil, fmt.Errorf("%s", l.complaint())
			}
			*v = done
		} else if l != nil {
			short = l
		}
	}
	if a.h != b.h || a.w != b.w || a.c != b.c || a.batch != b.batch || !a.sameLayout(b) {
		return nil, fmt.Errorf("adds %v and %v, want images of one size", a.dims(), b.dims())
	}
	node := im.g.Add(a.node, b.node)
	if made := im.g.Nodes[node]; short != nil && (made.Stride != short.stride || made.Offset != short.before || short.before != short.behind) {
		return nil, fmt.Errorf("adds every %d-th place of an image with %d and %d channels of zeros", short.stride, short.before, short.behind)
	}
	return a.keep(im, node).image, nil
}

func (im *importer) product(n *Node) (*value, error) {
	if len(n.In) == 2 && (im.isConst(n, 0) || im.isConst(n, 1)) {
		return im.withConstant(n)
	}
	if n.Op == "Div" {
		return nil, fmt.Errorf("a quotient of two images")
	}
	a, err := im.lazyImage(n, 0)
	if a == nil {
		return nil, err
	}
	b, err := im.lazyImage(n, 1)
	if b == nil {
		return nil, err
	}
	for range 2 { // x * f(x) with f on either side
		if node := im.g.Nodes[b.node]; a.lazy == nil && a.sameLayout(b) {
			switch {
			case b.lazy != nil && b.node == a.node:
				if out := b.timesBase(); out != nil {
					return &value{image: out}, nil
				}
			case b.lazy != nil || node.Op != nn.OpAct || node.In[0] != a.node:
			case node.Act.Kind == cuda.ActSigmoid:
				return a.keep(im, im.g.Activate("", a.node, nn.Activation{Kind: cuda.ActSiLU})), nil
			case node.Act.Kind == cuda.ActHardSigmoid && math.Abs(float64(node.Act.Alpha)-1./6) < 1e-5 && node.Act.Beta == 0.5:
				return a.keep(im, im.g.Activate("", a.node, nn.Activation{Kind: cuda.ActHardSwish})), nil
			}
		}
		a, b = b, a
	}
	if a, err = im.image(n, 0); err != nil {
		return nil, err
	}
	if b, err = im.image(n, 1); err != nil {
		return nil, err
	}
	if b.h*b.w > a.h*a.w {
		a, b = b, a
	}
	if !a.sameLayout(b) || a.c != b.c || a.batch != b.batch || (a.h != b.h || a.w != b.w) && b.h*b.w != 1 {
		return nil, fmt.Errorf("multiplies %v by %v, want images of one size, or one number a channel", a.dims(), b.dims())
	}
	return a.keep(im, im.g.Mul(a.node, b.node)), nil
}
