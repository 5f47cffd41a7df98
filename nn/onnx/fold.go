package onnx

import (
	"fmt"
	"math"
	"slices"
)

// constant is a tensor as numbers: integers or floats.
type constant struct {
	dims   []int64
	ints   []int64 // nil where it is of floats
	floats []float32
	from   string // initializer that it comes from unchanged but for its layout
}

func (c *constant) len() int { return max(len(c.ints), len(c.floats)) }

// foldLimit is how many elements folded constants may have beyond those of the file.
const foldLimit = 1 << 16

// constant is input i of a node as numbers.
func (im *importer) constant(n *Node, i int) (*constant, error) {
	if i >= len(n.In) || n.In[i] == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	v := im.values[n.In[i]]
	if v == nil || v.image != nil {
		return nil, fmt.Errorf("input %q is not a constant", n.In[i])
	}
	if v.folded == nil {
		c := &constant{dims: v.tensor.Dims, from: n.In[i]}
		var err error
		if c.ints, err = v.tensor.Ints(); err != nil {
			c.floats, err = v.tensor.Floats()
		}
		if err != nil {
			return nil, err
		}
		v.folded = c
	}
	return v.folded, nil
}

// floatsOf is input i as floats, in the order that its dimensions give.
func (im *importer) floatsOf(n *Node, i int) (*constant, error) {
	c, err := im.constant(n, i)
	if err != nil {
		return nil, err
	}
	if c.floats == nil && c.len() > 0 {
		return nil, fmt.Errorf("input %q is of integers, want floats", n.In[i])
	}
	for j, f := range c.floats {
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			return nil, fmt.Errorf("input %q holds %v at %d", n.In[i], f, j)
		}
	}
	return c, nil
}

// scalar is input i as one number, or otherwise where it is not there.
func (im *importer) scalar(n *Node, i int, otherwise float64) (float64, error) {
	if !n.has(i) {
		return otherwise, nil
	}
	c, err := im.constant(n, i)
	if err != nil {
		return 0, err
	}
	if c.len() != 1 {
		return 0, fmt.Errorf("input %q has %d values, want one", n.In[i], c.len())
	}
	return c.at(0), nil
}

func (c *constant) at(i int) float64 {
	if c.ints != nil {
		return float64(c.ints[i])
	}
	return float64(c.floats[i])
}

// like is a constant of c's kind.
func (c *constant) like(n int, dims []int64) *constant {
	if c.ints != nil {
		return &constant{dims: dims, ints: make([]int64, n)}
	}
	return &constant{dims: dims, floats: make([]float32, n)}
}

func (c *constant) copy(to int, from *constant, i int) {
	if c.ints != nil {
		c.ints[to] = from.ints[i]
	} else {
		c.floats[to] = from.floats[i]
	}
}

// take accounts for n elements.
func (im *importer) take(n int64) error {
	if n < 0 || n > im.budget {
		return fmt.Errorf("the constants computed in the file are larger than those that it holds")
	}
	im.budget -= n
	return nil
}

// fold computes an op on constants; ok is false where not all it reads are constants, or it is not one that is folded.
func (im *importer) fold(n *Node) (out *constant, ok bool, err error) {
	for i := range n.In {
		if n.In[i] != "" && !im.isConst(n, i) {
			return nil, false, nil
		}
	}
	if len(n.In) == 0 {
		return nil, false, nil
	}
	switch n.Op {
	case "Gather", "Concat", "Unsqueeze", "Squeeze", "Slice", "Cast", "Add", "Sub", "Mul", "Div", "Reshape", "Transpose", "Identity", "Floor", "Sqrt",
		"ConstantOfShape", "Flatten":
	default:
		return nil, false, nil
	}
	a, err := im.constant(n, 0)
	if err != nil {
		return nil, true, err
	}
	if n.Op != "ConstantOfShape" {
		if err := im.take(int64(a.len())); err != nil {
			return nil, true, err
		}
	}
	switch n.Op {
	case "Gather":
		out, err = im.gather(n, a)
	case "Concat":
		out, err = im.concatConstants(n, a)
	case "Slice":
		out, err = im.sliceConstant(n, a)
	case "Cast":
		out, err = castConstant(n, a)
	case "Add", "Sub", "Mul", "Div":
		out, err = im.arithmetic(n, a)
	case "Reshape", "Squeeze", "Unsqueeze", "Flatten":
		var dims []int64
		dims, err = im.newDims(n, a.dims)
		out = &constant{dims: dims, ints: a.ints, floats: a.floats, from: a.from}
		if err == nil && product(dims) != int64(a.len()) {
			err = fmt.Errorf("dimensions %v do not hold %v values", dims, a.dims)
		}
	case "Transpose":
		out, err = transpose(a, n.ints("perm"))
	case "Identity":
		out = a
	case "Floor", "Sqrt":
		f := math.Floor
		if n.Op == "Sqrt" {
			f = math.Sqrt
		}
		out = a.like(a.len(), a.dims)
		for i := range a.floats {
			out.floats[i] = float32(f(float64(a.floats[i])))
		}
		copy(out.ints, a.ints)
	case "ConstantOfShape":
		out, err = im.constantOfShape(n, a)
	}
	return out, true, err
}

func (im *importer) gather(n *Node, a *constant) (*constant, error) {
	index, err := im.constant(n, 1)
	if err != nil {
		return nil, err
	}
	if len(a.dims) != 1 || index.ints == nil || n.int("axis", 0) != 0 {
		return nil, fmt.Errorf("gathers from %v by %v, want a vector", a.dims, index.dims)
	}
	if err := im.take(int64(index.len())); err != nil {
		return nil, err
	}
	out := a.like(index.len(), index.dims)
	for i, j := range index.ints {
		if j < 0 {
			j += a.dims[0]
		}
		if j < 0 || j >= a.dims[0] {
			return nil, fmt.Errorf("element %d of %d", j, a.dims[0])
		}
		out.copy(i, a, int(j))
	}
	return out, nil
}

func (im *importer) concatConstants(n *Node, a *constant) (*constant, error) {
	out := &constant{dims: []int64{0}}
	for i := range n.In {
		c, err := im.constant(n, i)
		if err != nil {
			return nil, err
		}
		if len(c.dims) != 1 || (c.ints == nil) != (a.ints == nil) {
			return nil, fmt.Errorf("joins constants of %v and %v, want vectors of one kind", a.dims, c.dims)
		}
		if err := im.take(int64(c.len())); err != nil {
			return nil, err
		}
		out.ints, out.floats = append(out.ints, c.ints...), append(out.floats, c.floats...)
		out.dims[0] += c.dims[0]
	}
	return out, nil
}

func (im *importer) sliceConstant(n *Node, a *constant) (*constant, error) {
	s, err := im.slices(n, a.dims)
	if err != nil {
		return nil, err
	}
	if len(a.dims) != 1 {
		return nil, fmt.Errorf("a part of a constant %v, want a vector", a.dims)
	}
	out := a.like(0, []int64{0})
	for i := s[0].start; i < s[0].end; i += s[0].step {
		out.ints, out.floats = append(out.ints, a.ints[min(i, len(a.ints)):min(i+1, len(a.ints))]...), append(out.floats, a.floats[min(i, len(a.floats)):min(i+1, len(a.floats))]...)
		out.dims[0]++
	}
	return out, nil
}

func castConstant(n *Node, a *constant) (*constant, error) {
	switch t := DType(n.int("to", 0)); t {
	case Float32, Float16, Float64, BFloat16:
		if a.floats != nil || a.len() == 0 {
			return a, nil
		}
		out := &constant{dims: a.dims, floats: make([]float32, len(a.ints))}
		for i, v := range a.ints {
			out.floats[i] = float32(v)
		}
		return out, nil
	case Int64, Int32:
		if a.ints != nil || a.len() == 0 {
			return a, nil
		}
		out := &constant{dims: a.dims, ints: make([]int64, len(a.floats))}
		for i, v := range a.floats {
			out.ints[i] = int64(v)
		}
		return out, nil
	default:
		return nil, fmt.Errorf("a constant as %v", t)
	}
}

// arithmetic computes on constants of one size, or one of which is a scalar.
func (im *importer) arithmetic(n *Node, a *constant) (*constant, error) {
	b, err := im.constant(n, 1)
	if err != nil {
		return nil, err
	}
	if (a.ints == nil) != (b.ints == nil) || a.len() == 0 || b.len() == 0 {
		return nil, fmt.Errorf("constants of different kinds, or empty ones")
	}
	dims := a.dims
	if !slices.Equal(a.dims, b.dims) {
		if a.len() != 1 && b.len() != 1 {
			return nil, fmt.Errorf("constants of %v and %v", a.dims, b.dims)
		}
		if len(b.dims) > len(a.dims) || b.len() > 1 {
			dims = b.dims
		}
	}
	size := max(a.len(), b.len())
	if product(dims) != int64(size) {
		return nil, fmt.Errorf("constants of %v and %v", a.dims, b.dims)
	}
	if err := im.take(int64(size)); err != nil {
		return nil, err
	}
	out := a.like(size, dims)
	for i := range size {
		j, k := i%a.len(), i%b.len()
		if a.ints == nil {
			out.floats[i] = compute(n.Op, a.floats[j], b.floats[k])
			continue
		}
		if n.Op == "Div" && b.ints[k] == 0 {
			return nil, fmt.Errorf("a division by 0")
		}
		out.ints[i] = compute(n.Op, a.ints[j], b.ints[k])
	}
	return out, nil
}

func compute[T int64 | float32](op string, a, b T) T {
	switch op {
	case "Add":
		return a + b
	case "Sub":
		return a - b
	case "Mul":
		return a * b
	}
	return a / b
}

func transpose(a *constant, perm []int64) (*constant, error) {
	rank := len(a.dims)
	if perm == nil {
		for i := range rank {
			perm = append(perm, int64(rank-1-i))
		}
	}
	if len(perm) != rank {
		return nil, fmt.Errorf("a permutation %v of %d dimensions", perm, rank)
	}
	strides := make([]int, rank)
	for i, s := rank-1, 1; i >= 0; i-- {
		strides[i] = s
		s *= int(a.dims[i])
	}
	dims, seen := make([]int64, rank), make([]bool, rank)
	for i, p := range perm {
		if p < 0 || int(p) >= rank || seen[p] {
			return nil, fmt.Errorf("%v is no permutation", perm)
		}
		dims[i], seen[p] = a.dims[p], true
	}
	out := a.like(a.len(), dims)
	out.from = a.from
	index := make([]int64, rank)
	for i := range a.len() {
		at := 0
		for d, p := range perm {
			at += int(index[d]) * strides[p]
		}
		out.copy(i, a, at)
		for d := rank - 1; d >= 0; d-- {
			if index[d]++; index[d] < dims[d] {
				break
			}
			index[d] = 0
		}
	}
	return out, nil
}

func (im *importer) constantOfShape(n *Node, a *constant) (*constant, error) {
	size := product(a.ints)
	if err := im.take(size); err != nil {
		return nil, err
	}
	out := &constant{dims: a.ints, floats: make([]float32, size)}
	a1 := n.attr("value", AttrTensor)
	if a1 == nil {
		return out, nil
	}
	if a1.T.Len() != 1 {
		return nil, fmt.Errorf("a value of %v, want one", a1.T.Dims)
	}
	if v, err := a1.T.Ints(); err == nil {
		out.ints, out.floats = slices.Repeat(v, int(size)), nil
		return out, nil
	}
	v, err := a1.T.Floats()
	if err != nil {
		return nil, err
	}
	out.floats = slices.Repeat(v, int(size))
	return out, nil
}
