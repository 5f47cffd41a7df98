package onnx

import (
	"fmt"
	"math"
	"slices"

	"vimps-gpu/nn"
)

// shape is the dimensions of an image as a constant; a free batch is 1.
func (im *importer) shape(n *Node) (*value, error) {
	var dims []int64
	if im.isConst(n, 0) {
		c, err := im.constant(n, 0)
		if err != nil {
			return nil, err
		}
		dims = c.dims
	} else {
		v, err := im.lazyImage(n, 0)
		if v == nil {
			return nil, err
		}
		dims = v.dims()
	}
	start, end, rank := n.int("start", 0), n.int("end", math.MaxInt64), int64(len(dims))
	if start < 0 {
		start += rank
	}
	if end < 0 {
		end += rank
	}
	start = min(max(0, start), rank)
	dims = dims[start:max(start, min(end, rank))]
	return &value{folded: &constant{dims: []int64{int64(len(dims))}, ints: append([]int64{}, dims...)}}, nil
}

// newDims is the dimensions that Reshape, Flatten, Squeeze or Unsqueeze ask for.
func (im *importer) newDims(n *Node, dims []int64) ([]int64, error) {
	switch n.Op {
	case "Flatten":
		axis := n.int("axis", 1)
		if axis < 0 {
			axis += int64(len(dims))
		}
		if axis < 0 || axis > int64(len(dims)) {
			return nil, fmt.Errorf("axis %d of %d dimensions", axis, len(dims))
		}
		return []int64{product(dims[:axis]), product(dims[axis:])}, nil
	case "Squeeze":
		axes, err := im.axesOf(n, 1, len(dims))
		if err != nil {
			return nil, err
		}
		var out []int64
		for i, d := range dims {
			if drop := slices.Contains(axes, i) || len(axes) == 0 && d == 1; !drop {
				out = append(out, d)
			} else if d != 1 {
				return nil, fmt.Errorf("axes %v of %v", axes, dims)
			}
		}
		return out, nil
	case "Unsqueeze":
		count := len(n.ints("axes"))
		if n.has(1) {
			c, err := im.constant(n, 1)
			if err != nil {
				return nil, err
			}
			count = len(c.ints)
		}
		if count > 8 {
			return nil, fmt.Errorf("%d new dimensions", count)
		}
		axes, err := im.axesOf(n, 1, len(dims)+count)
		if err != nil {
			return nil, err
		}
		out := slices.Clone(dims)
		slices.Sort(axes)
		for _, a := range axes {
			out = slices.Insert(out, a, 1)
		}
		return out, nil
	}
	return im.reshaped(n, dims)
}

func (im *importer) reshaped(n *Node, dims []int64) ([]int64, error) {
	want := n.ints("shape") // opset 1
	if n.has(1) {
		c, err := im.constant(n, 1)
		if err != nil {
			return nil, fmt.Errorf("the new shape: %w", err)
		}
		want = c.ints
	}
	if len(want) > 16 {
		return nil, fmt.Errorf("%d dimensions", len(want))
	}
	out, open, known := slices.Clone(want), -1, int64(1)
	for i, d := range out {
		switch {
		case d == 0 && n.int("allowzero", 0) == 0:
			if i >= len(dims) {
				return nil, fmt.Errorf("dimensions %v of %v", want, dims)
			}
			out[i] = dims[i]
		case d == -1 && open < 0:
			open, out[i] = i, 1
		case d < 1 || d > 1<<40:
			return nil, fmt.Errorf("dimensions %v", want)
		}
		if known *= out[i]; known > 1<<40 {
			return nil, fmt.Errorf("dimensions %v", want)
		}
	}
	total := product(dims)
	if open >= 0 && known > 0 && total%known == 0 {
		out[open] = total / known
		known = total
	}
	if known != total {
		return nil, fmt.Errorf("dimensions %v do not hold the values of %v", want, dims)
	}
	return out, nil
}

// relayout changes the dimensions of an image or their order, which no node of the net needs to know.
func (im *importer) relayout(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	out := *v
	if n.Op == "Transpose" {
		perm := n.ints("perm")
		if perm == nil {
			for i := range v.groups {
				perm = append(perm, int64(len(v.groups)-1-i))
			}
		}
		out.groups, err = v.permute(perm)
		return &value{image: &out}, err
	}
	dims, err := im.newDims(n, v.dims())
	if err != nil {
		return nil, err
	}
	if slices.Equal(dims, v.dims()) {
		return &value{image: v}, nil
	}
	out.groups, err = v.regroup(dims)
	return &value{image: &out}, err
}

func (im *importer) pool(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	if n.Op == "ReduceMean" {
		return im.mean(n, v)
	}
	if err := v.plain(); err != nil {
		return nil, err
	}
	switch n.Op {
	case "GlobalAveragePool":
		return v.keep(im, im.g.AvgPool(v.node)), nil
	case "GlobalMaxPool":
		return v.keep(im, im.g.Pool(v.node, nn.Window{Max: true, R: v.h, S: v.w, Stride: 1})), nil
	}
	if len(n.Out) > 1 && im.readers[n.Out[1]] > 0 {
		return nil, fmt.Errorf("the places of the maxima are read")
	}
	k := n.ints("kernel_shape")
	if len(k) != 2 {
		return nil, fmt.Errorf("kernel_shape is %v, want 2 numbers", k)
	}
	g, err := n.window(k[0], k[1], v.h, v.w)
	if err != nil {
		return nil, err
	}
	if g.dilation != 1 {
		return nil, fmt.Errorf("a pool with dilation %d", g.dilation)
	}
	w := nn.Window{Max: n.Op == "MaxPool", R: g.r, S: g.s, Stride: g.stride, PadTop: g.top, PadLeft: g.left, PadBottom: g.bottom, PadRight: g.right,
		CountPad: n.int("count_include_pad", 0) != 0}
	if n.int("ceil_mode", 0) != 0 {
		down, across := ceilPad(v.h, g.r, g.stride, g.top, g.bottom), ceilPad(v.w, g.s, g.stride, g.left, g.right)
		if w.CountPad && !w.Max && down+across > 0 {
			return nil, fmt.Errorf("an average with ceil_mode that counts the padding")
		}
		w.PadBottom, w.PadRight = w.PadBottom+down, w.PadRight+across
	}
	return v.keep(im, im.g.Pool(v.node, w)), nil
}

// ceilPad is how much further padding gives the outputs of ceil_mode, none of which starts behind the image.
func ceilPad(in, r, stride, before, behind int) int {
	out := (in+before+behind-r+stride-1)/stride + 1
	if (out-1)*stride >= in+before {
		out--
	}
	return max(0, (out-1)*stride+r-(in+before+behind))
}

func (im *importer) mean(n *Node, v *image) (*value, error) {
	axes, err := im.axesOf(n, 1, len(v.groups))
	switch {
	case err != nil:
		return nil, err
	case len(axes) > 0:
	case n.int("noop_with_empty_axes", 0) != 0:
		return &value{image: v}, nil
	default:
		return nil, fmt.Errorf("a mean over all of %v, want rows and columns", v.dims())
	}
	over := map[byte]bool{}
	for _, a := range axes {
		for j := range len(v.trimmed(a)) {
			over[v.trimmed(a)[j]] = true
		}
	}
	if over['N'] || over['C'] || v.h > 1 && !over['H'] || v.w > 1 && !over['W'] {
		return nil, fmt.Errorf("a mean over dimensions %v of %v, want rows and columns", axes, v.dims())
	}
	out := v.keep(im, im.g.AvgPool(v.node))
	if n.int("keepdims", 1) != 0 {
		return out, nil
	}
	var dims []int64
	for i, d := range v.dims() {
		if !slices.Contains(axes, i) {
			dims = append(dims, d)
		}
	}
	out.image.groups, err = out.image.regroup(dims)
	return out, err
}

// padsOf is the padding of each axis: before and behind.
func (im *importer) padsOf(n *Node, v *image) (map[byte][2]int, error) {
	pads, value := n.ints("pads"), float64(n.float("value", 0))
	if n.has(1) {
		c, err := im.constant(n, 1)
		if err != nil {
			return nil, err
		}
		pads = c.ints
	}
	value, err := im.scalar(n, 2, value)
	if err != nil {
		return nil, err
	}
	axes := make([]int, len(v.groups))
	for i := range axes {
		axes[i] = i
	}
	if n.has(3) {
		if axes, err = im.axesOf(n, 3, len(v.groups)); err != nil {
			return nil, err
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("pads are %v for %v", pads, v.dims())
	}
	out := map[byte][2]int{}
	for i, a := range axes {
		before, behind := pads[i], pads[i+len(axes)]
		switch {
		case before == 0 && behind == 0:
			continue
		case min(before, behind) < 0 || max(before, behind) > sizeLimit || len(v.groups[a]) != 1 || v.groups[a] == "N":
			return nil, fmt.Errorf("pads are %v for %v (%v)", pads, v.dims(), v.groups)
		}
		out[v.groups[a][0]] = [2]int{int(before), int(behind)}
	}
	if mode := n.text("mode", "constant"); len(out) > 0 && (mode != "constant" || value != 0) {
		return nil, fmt.Errorf("padding by %s %g, want zeros", mode, value)
	}
	return out, nil
}

func (im *importer) pad(n *Node) (*value, error) {
	v, err := im.lazyImage(n, 0)
	if v == nil {
		return nil, err
	}
	p, err := im.padsOf(n, v)
	if err != nil {
		return nil, err
	}
	c, wide := p['C'], p['H'][0]+p['H'][1]+p['W'][0]+p['W'][1] > 0
	switch {
	case c[0]+c[1] > 0 && wide:
		return nil, fmt.Errorf("channels padded as well as rows and columns")
	case c[0]+c[1] > 0:
		if v.lazy != nil && v.lazy.stride == 0 {
			if v, err = im.image(n, 0); err != nil {
				return nil, err
			}
		}
		out := *v
		out.lazy = &lazy{what: describe(n), stride: 1}
		if v.lazy != nil {
			out.lazy.stride, out.lazy.before, out.lazy.behind = v.lazy.stride, v.lazy.before, v.lazy.behind
		}
		out.lazy.before, out.lazy.behind, out.c = out.lazy.before+c[0], out.lazy.behind+c[1], v.c+c[0]+c[1]
		return &value{image: &out}, nil
	case !wide:
		return &value{image: v}, nil
	}
	if v, err = im.image(n, 0); err != nil {
		return nil, err
	}
	return v.keep(im, im.padded(v.node, nn.Pads{Top: p['H'][0], Bottom: p['H'][1], Left: p['W'][0], Right: p['W'][1]})), nil
}

// part is a range of one dimension.
type part struct{ start, end, step int }

// slices is the part of each dimension that a Slice takes.
func (im *importer) slices(n *Node, dims []int64) ([]part, error) {
	starts, ends, axes, steps := n.ints("starts"), n.ints("ends"), n.ints("axes"), []int64(nil)
	for i, list := range []*[]int64{&starts, &ends, &axes, &steps} {
		if n.has(i + 1) {
			c, err := im.constant(n, i+1)
			if err != nil {
				return nil, err
			}
			*list = c.ints
		}
	}
	out := make([]part, len(dims))
	for i, d := range dims {
		out[i] = part{0, int(d), 1}
	}
	if len(starts) != len(ends) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) || axes == nil && len(starts) > len(dims) {
		return nil, fmt.Errorf("parts from %v to %v of dimensions %v by %v", starts, ends, axes, steps)
	}
	for i := range starts {
		axis, step := int64(i), int64(1)
		if axes != nil {
			axis = axes[i]
		}
		if steps != nil {
			step = steps[i]
		}
		if axis < 0 {
			axis += int64(len(dims))
		}
		if axis < 0 || axis >= int64(len(dims)) || step < 1 {
			return nil, fmt.Errorf("parts of dimensions %v by %v", axes, steps)
		}
		d := dims[axis]
		clamp := func(x int64) int {
			if x < 0 {
				x += d
			}
			return int(min(max(x, 0), d))
		}
		out[axis] = part{clamp(starts[i]), clamp(ends[i]), int(min(step, max(1, d)))}
	}
	return out, nil
}

// strided is every n-th row and column: the shortcut of ResNet's option A.
func (im *importer) strided(n *Node) (*value, error) {
	v, err := im.image(n, 0)
	if v == nil {
		return nil, err
	}
	parts, err := im.slices(n, v.dims())
	if err != nil {
		return nil, err
	}
	steps := map[string]int{"N": 1, "C": 1, "H": 1, "W": 1}
	for i, p := range parts {
		if p.start != 0 || int64(p.end) != v.dims()[i] || p.step > 1 && v.groups[i] != "H" && v.groups[i] != "W" {
			return nil, fmt.Errorf("a part of an image, from %d to %d of %d", p.start, p.end, v.dims()[i])
		}
		if len(v.groups[i]) == 1 {
			steps[v.groups[i]] = p.step
		}
	}
	if steps["H"] != steps["W"] {
		return nil, fmt.Errorf("every %d-th row and %d-th column", steps["H"], steps["W"])
	}
	if steps["H"] == 1 {
		return &value{image: v}, nil
	}
	out, s := *v, steps["H"]
	out.lazy = &lazy{what: describe(n), stride: s}
	out.h, out.w = (v.h+s-1)/s, (v.w+s-1)/s
	return &value{image: &out}, nil
}
