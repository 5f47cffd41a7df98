package nn

import "vimps-gpu/quant"

// Memory is how long each activation of a deployed child has to be kept; see [quant.Memory]. A chain of pointwise operations
// belongs to the step whose value it goes on from, where nothing else reads that value; so do a shuffle and a pad, which only
// place values. A concatenation is no step: each part is written where it belongs.
func (g *Graph) Memory() *quant.Memory {
	m := &memoryPlan{g: g, readers: make([][]int, len(g.Nodes)), step: make([]int, len(g.Nodes)), inside: make([]bool, len(g.Nodes))}
	for i, n := range g.Nodes {
		for _, in := range n.In {
			m.readers[in] = append(m.readers[in], i)
		}
	}
	for i := range g.Nodes {
		m.place(i)
	}
	out := &quant.Memory{Steps: m.steps}
	layer := map[int]int{}
	for k, node := range g.Convs() {
		layer[node] = k
	}
	for i, n := range g.Nodes {
		if !m.inside[i] && n.Op != OpConcat {
			out.Stored = append(out.Stored, m.stored(i, layer)...)
		}
	}
	return out
}

type memoryPlan struct {
	g       *Graph
	readers [][]int // of each node; one that reads twice stands twice
	step    []int   // that yields each node
	inside  []bool  // the node's value never leaves its step
	steps   int
}

// place finds the step of a node: a new one, or that of the latest value that it reads.
func (m *memoryPlan) place(i int) {
	n := m.g.Nodes[i]
	latest := -1
	for _, in := range n.In {
		if latest < 0 || m.step[in] > m.step[latest] {
			latest = in
		}
	}
	switch n.Op {
	case OpConcat:
		m.step[i] = m.step[latest]
		return
	case OpNorm, OpReLU, OpAct, OpAdd, OpMul, OpShuffle, OpPad:
		if from := m.g.Nodes[latest].Op; from != OpInput && from != OpConcat && len(m.readers[latest]) == 1 {
			m.step[i], m.inside[latest] = m.step[latest], true
			return
		}
	}
	m.step[i] = m.steps
	m.steps++
}

// stored are the copies of a node's value that outlive its step.
func (m *memoryPlan) stored(i int, layer map[int]int) []quant.Stored {
	n := m.g.Nodes[i]
	size := int64(n.H) * int64(n.W) * int64(n.C)
	var copies []quant.Stored
	float := -1
	var visit func(node int)
	visit = func(node int) {
		if node == len(m.g.Nodes)-1 {
			float = m.steps - 1 // whoever runs the net reads its output
		}
		for _, r := range m.readers[node] {
			switch m.g.Nodes[r].Op {
			case OpConv:
				copies = append(copies, quant.Stored{Elements: size, Layer: layer[r], From: m.step[i], To: m.step[r]})
			case OpConcat:
				visit(r)
			default:
				float = max(float, m.step[r])
			}
		}
	}
	visit(i)
	if float >= 0 {
		copies = append(copies, quant.Stored{Elements: size, Layer: quant.Float, From: m.step[i], To: float})
	}
	return copies
}
