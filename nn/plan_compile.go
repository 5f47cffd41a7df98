package nn

// compileForward makes the steps in the order of the graph and gives each node's value a buffer. Where
// nothing needs the values later, a buffer is reused as soon as its last reader has run.
func (p *Plan) compileForward() {
	g := p.Graph
	readers := make([]int, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, in := range n.In {
			readers[in]++
		}
	}
	p.Input = p.take(0, p.valueBorder(0))
	p.value[0] = p.Input
	fused := make([]bool, len(g.Nodes))
	for i, n := range g.Nodes {
		if fused[i] || n.Op == OpInput {
			continue
		}
		var s step
		var reads []int
		switch n.Op {
		case OpConv:
			s, reads = newConv(p, i), n.In
		case OpAvgPool:
			p.value[i] = p.take(i, p.valueBorder(i))
			s, reads = &poolStep{in: n.In[0], out: i, x: p.value[n.In[0]], y: p.value[i]}, n.In
		case OpNorm, OpAdd, OpReLU:
			u := fuse(g, i, readers, fused)
			s, reads = newUnitStep(p, u), u.reads()
		default:
			s, reads = newOpStep(p, i), n.In
		}
		p.steps = append(p.steps, s)
		for _, in := range reads {
			readers[in]--
			if readers[in] == 0 && in != 0 && !p.Options.Train && !p.Options.KeepValues && p.value[in] != nil {
				p.give(p.value[in])
			}
		}
	}
}

// valueBorder is the border of a node's value. A quantized net mixes a value into a bordered copy for
// each convolution; an fp32 net lets its convolutions read the value itself.
func (p *Plan) valueBorder(node int) int {
	border := 0
	if p.Params.Quantized() {
		return border
	}
	for _, n := range p.Graph.Nodes {
		if n.Op == OpConv && n.In[0] == node {
			border = max(border, n.Conv.Pad)
		}
	}
	return border
}

// unit is a chain [norm . add . relu], each part optional, that one kernel computes.
type unit struct {
	src, norm, add, out int // nodes; norm, add -1 where absent; src feeds the chain
	shortcut            int // what add adds
	relu                bool
	cap                 float32
}

func (u unit) reads() []int {
	if u.add < 0 {
		return []int{u.src}
	}
	return []int{u.src, u.shortcut}
}

// fuse grows a chain from node i while the next node is its only reader and fits, and marks what it took.
func fuse(g *Graph, i int, readers []int, fused []bool) unit {
	u := unit{src: g.Nodes[i].In[0], norm: -1, add: -1}
	last := u.src
	for {
		switch n := g.Nodes[i]; n.Op {
		case OpNorm:
			u.norm = i
		case OpAdd:
			u.add, u.shortcut = i, n.In[1]
			if n.In[0] != last {
				u.shortcut = n.In[0]
			}
		case OpReLU:
			u.relu, u.cap = true, n.Cap
		}
		fused[i], u.out = true, i
		if u.relu || readers[i] != 1 {
			return u
		}
		next := reader(g, i)
		op := g.Nodes[next].Op
		if !(op == OpReLU || op == OpAdd && u.add < 0 && addsTo(g.Nodes[next], i)) {
			return u
		}
		last, i = i, next
	}
}

func reader(g *Graph, node int) int {
	for i, n := range g.Nodes {
		for _, in := range n.In {
			if in == node {
				return i
			}
		}
	}
	return -1
}

// addsTo tells whether an addition can end the chain of node i: what it adds must be computed before i, where the chain runs, and
// only the second operand may be of another size.
func addsTo(add Node, i int) bool {
	if add.In[0] == i {
		return add.In[1] < i
	}
	return add.In[0] < i && add.Stride == 1 && add.Offset == 0
}
