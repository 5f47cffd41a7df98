package nn

// compileForward makes the steps in the order of the graph and gives each node's value a buffer. Where
// nothing needs the values later, a buffer is reused as soon as its last reader has run.
func (p *Plan) compileForward() {
	g := p.Params.Graph
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
		default:
			u := fuse(g, i, readers, fused)
			s, reads = newUnitStep(p, u), u.reads(g)
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
	for _, n := range p.Params.Graph.Nodes {
		if n.Op == OpConv && n.In[0] == node {
			border = max(border, n.Conv.Pad)
		}
	}
	return border
}

// unit is a chain [norm . add . relu], each part optional, that one kernel computes.
type unit struct {
	src, norm, add, out int // nodes; norm, add -1 where absent; src feeds the chain
	relu                bool
}

func (u unit) reads(g *Graph) []int {
	if u.add < 0 {
		return []int{u.src}
	}
	return []int{u.src, g.Nodes[u.add].In[1]}
}

// fuse grows a chain from node i while the next node is its only reader and fits, and marks what it took.
func fuse(g *Graph, i int, readers []int, fused []bool) unit {
	u := unit{src: g.Nodes[i].In[0], norm: -1, add: -1}
	for {
		switch g.Nodes[i].Op {
		case OpNorm:
			u.norm = i
		case OpAdd:
			u.add = i
		case OpReLU:
			u.relu = true
		}
		fused[i], u.out = true, i
		if u.relu || readers[i] != 1 {
			return u
		}
		next := reader(g, i)
		op := g.Nodes[next].Op
		if !(op == OpReLU || op == OpAdd && u.add < 0 && g.Nodes[next].In[0] == i && shortcutReady(g, next, i)) {
			return u
		}
		i = next
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

// shortcutReady tells whether an add's shortcut is computed before node i, where the chain runs.
func shortcutReady(g *Graph, add, i int) bool { return g.Nodes[add].In[1] < i }
