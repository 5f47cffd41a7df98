package nn

import "fmt"

// At is the net for images of another size: a net without a linear layer, as for super-resolution, has the same
// parameters at every size. A resize keeps its scale. The error says which node does not fit the size.
func (g *Graph) At(h, w int) (at *Graph, err error) {
	defer func() {
		if r := recover(); r != nil { // the builders panic: to them a size that does not fit is a mistake of the caller
			at, err = nil, fmt.Errorf("%s at %dx%d: %v", g.Name, h, w, r)
		}
	}()
	at = NewGraph(g.Name, h, w, g.Nodes[0].C)
	for node := 1; node < len(g.Nodes); node++ {
		n := g.Nodes[node]
		at.again(g, n)
		made := &at.Nodes[node]
		if made.C != n.C {
			return nil, fmt.Errorf("%s at %dx%d: node %d (%v) has %d channels, not %d", g.Name, h, w, node, n.Op, made.C, n.C)
		}
		made.Name, made.Alias, made.Cap, made.Eps = n.Name, n.Alias, n.Cap, n.Eps
	}
	if g.Restores() != at.Restores() {
		return nil, fmt.Errorf("%s at %dx%d: the output is %dx%d", g.Name, h, w, at.Output().H, at.Output().W)
	}
	return at, nil
}

// again adds n, a node of from, to a graph of another size.
func (g *Graph) again(from *Graph, n Node) {
	x := n.In[0]
	switch n.Op {
	case OpConv:
		g.Conv(n.Name, x, n.Conv)
	case OpAdd:
		g.Add(x, n.In[1])
	case OpAvgPool:
		g.AvgPool(x)
	case OpAct:
		g.Activate(n.Name, x, n.Act)
	case OpMul:
		g.Mul(x, n.In[1])
	case OpConcat:
		g.Concat(n.In...)
	case OpPool:
		g.Pool(x, n.Pool)
	case OpShuffle:
		g.DepthToSpace(x, n.Shuffle)
	case OpResize:
		in, now := from.Nodes[x], g.Nodes[x]
		g.Resize(x, now.H*n.H/in.H, now.W*n.W/in.W, n.Resize)
	case OpPad:
		g.Pad(x, n.Pads)
	default: // norm, relu
		g.same(n.Op, n.Name, x)
	}
}
