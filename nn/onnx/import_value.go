package onnx

import (
	"fmt"
	"slices"
	"strings"

	"vimps-gpu/nn"
)

// value is what a name stands for: a constant, or an image of the net.
type value struct {
	tensor *Tensor // constant as stored, until it is asked for
	folded *constant
	image  *image
}

// image is a node of the net as ONNX sees it: dimensions that are each a product of the axes N, H, W and C. groups names those of each
// dimension, slowest first; joined they tell how the values lie. Axes of length 1 stand anywhere.
type image struct {
	node           int
	groups         []string
	batch, h, w, c int
	sole           bool  // nobody else reads the node
	lazy           *lazy // the node is not the value yet
}

func (v *image) axis(atom byte) int64 {
	switch atom {
	case 'N':
		return int64(v.batch)
	case 'H':
		return int64(v.h)
	case 'W':
		return int64(v.w)
	}
	return int64(v.c)
}

func (v *image) dims() []int64 {
	dims := make([]int64, len(v.groups))
	for i, g := range v.groups {
		dims[i] = 1
		for j := range len(g) {
			dims[i] *= v.axis(g[j])
		}
	}
	return dims
}

// at is the image with the size of a node.
func (im *importer) at(node int, groups []string) *value {
	n := im.g.Nodes[node]
	return &value{image: &image{node: node, groups: groups, batch: im.batch, h: n.H, w: n.W, c: n.C, sole: true}}
}

// plain tells whether dimension 1 is the channels and the others are places, as ONNX's convolutions and pools have it.
func (v *image) plain() error {
	if strings.Join(v.groups, " ") == "N C H W" {
		return nil
	}
	if len(v.groups) != 4 {
		return fmt.Errorf("an input of %d dimensions, want 4 (batch, channels, height, width)", len(v.groups))
	}
	return fmt.Errorf("an input in the layout %s, want N,C,H,W", strings.Join(v.groups, ","))
}

// regroup gives the values in their order other dimensions. Dimensions of length 1 get the axes of length 1 in order.
func (v *image) regroup(dims []int64) ([]string, error) {
	order := ""
	for _, g := range v.groups {
		for i := range len(g) {
			if v.axis(g[i]) > 1 {
				order += string(g[i])
			}
		}
	}
	groups := make([]string, len(dims))
	left := order
	for i, d := range dims {
		for rest := d; rest > 1; {
			if left == "" || rest%v.axis(left[0]) != 0 {
				return nil, fmt.Errorf("dimensions %v of %v (%s) do not keep rows, columns and channels apart", dims, v.dims(), strings.Join(v.groups, ","))
			}
			rest /= v.axis(left[0])
			groups[i] += left[:1]
			left = left[1:]
		}
	}
	if left != "" {
		return nil, fmt.Errorf("dimensions %v do not hold %v values", dims, v.dims())
	}
	unit := ""
	for _, atom := range v.unitOrder(len(dims)) {
		if !strings.ContainsRune(order, atom) {
			unit += string(atom)
		}
	}
	for i := range groups {
		if groups[i] == "" && unit != "" {
			groups[i], unit = unit[:1], unit[1:]
		}
	}
	if unit != "" && len(groups) > 0 {
		groups[len(groups)-1] += unit
	}
	return groups, nil
}

// unitOrder is the order in which axes of length 1 are dealt out.
func (v *image) unitOrder(rank int) string {
	order := strings.Join(v.groups, "")
	if rank < 4 || v.h*v.w == 1 && !strings.HasSuffix(order, "C") {
		return "NCHW"
	}
	return order
}

// permute puts dimension perm[i] at place i.
func (v *image) permute(perm []int64) ([]string, error) {
	if len(perm) != len(v.groups) {
		return nil, fmt.Errorf("a permutation %v of %d dimensions", perm, len(v.groups))
	}
	groups, seen := make([]string, len(perm)), make([]bool, len(perm))
	for i, p := range perm {
		if p < 0 || int(p) >= len(perm) || seen[p] {
			return nil, fmt.Errorf("%v is no permutation", perm)
		}
		groups[i], seen[p] = v.groups[p], true
	}
	return groups, nil
}

// image is input i of a node as an image whose node is its value; nil without an error: unknown because of an earlier node.
func (im *importer) image(n *Node, i int) (*image, error) {
	v, err := im.lazyImage(n, i)
	if v == nil || v.lazy == nil {
		return v, err
	}
	done, ok := im.settle(v)
	if !ok {
		return nil, fmt.Errorf("input %q: %s", n.In[i], v.lazy.complaint())
	}
	return done, nil
}

// lazyImage is image where the value may still be an expression.
func (im *importer) lazyImage(n *Node, i int) (*image, error) {
	if i >= len(n.In) || n.In[i] == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	v, known := im.values[n.In[i]]
	switch {
	case !known:
		return nil, fmt.Errorf("input %q comes from nowhere", n.In[i])
	case v == nil:
		return nil, nil
	case v.image == nil:
		return nil, fmt.Errorf("input %q is a constant", n.In[i])
	}
	return v.image, nil
}

// isConst tells whether input i is a constant.
func (im *importer) isConst(n *Node, i int) bool {
	return i < len(n.In) && im.values[n.In[i]] != nil && im.values[n.In[i]].image == nil
}

// has tells whether an optional input is there.
func (n *Node) has(i int) bool { return i < len(n.In) && n.In[i] != "" }

func (n *Node) attr(name string, kind AttrKind) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name && n.Attrs[i].Kind == kind {
			return &n.Attrs[i]
		}
	}
	return nil
}

func (n *Node) ints(name string) []int64 {
	if a := n.attr(name, AttrInts); a != nil {
		return a.Ints
	}
	return nil
}

func (n *Node) int(name string, otherwise int64) int64 {
	if a := n.attr(name, AttrInt); a != nil {
		return a.I
	}
	return otherwise
}

func (n *Node) float(name string, otherwise float32) float32 {
	if a := n.attr(name, AttrFloat); a != nil {
		return a.F
	}
	return otherwise
}

func (n *Node) text(name, otherwise string) string {
	if a := n.attr(name, AttrString); a != nil {
		return a.S
	}
	return otherwise
}

// axesOf is the dimensions that an op works on: attribute axes, or input i (since opset 13 or 18).
func (im *importer) axesOf(n *Node, i, rank int) ([]int, error) {
	raw := n.ints("axes")
	if raw == nil && n.has(i) {
		c, err := im.constant(n, i)
		if err != nil {
			return nil, err
		}
		raw = c.ints
	}
	axes := make([]int, 0, rank)
	for _, a := range raw {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) || slices.Contains(axes, int(a)) {
			return nil, fmt.Errorf("axes %v of %d dimensions", raw, rank)
		}
		axes = append(axes, int(a))
	}
	return axes, nil
}

// keep is the value of a node in the layout of v.
func (v *image) keep(im *importer, node int) *value { return im.at(node, slices.Clone(v.groups)) }

// soleConv is the convolution at a node whose output nobody else reads; nil: it is none.
func (im *importer) soleConv(v *image) *nn.Node {
	if n := &im.g.Nodes[v.node]; v.sole && v.lazy == nil && n.Op == nn.OpConv {
		return n
	}
	return nil
}
