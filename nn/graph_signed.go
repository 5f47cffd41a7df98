package nn

import "vimps-gpu/cuda"

// signs tells of each node whether its values may be negative, so that their codes need a sign. It asks what an op can make of
// any input, not what it makes of this one: the answer holds for every image and every weight.
func (g *Graph) signs() []bool {
	signed := make([]bool, len(g.Nodes))
	for i, n := range g.Nodes { // each reads only earlier ones
		signed[i] = n.signed(signed)
	}
	return signed
}

// signed is the answer of one node, by those of the nodes that it reads.
func (n Node) signed(of []bool) bool {
	switch n.Op {
	case OpReLU:
		return false
	case OpAct:
		switch n.Act.Kind {
		case cuda.ActSigmoid, cuda.ActHardSigmoid:
			return false
		case cuda.ActClip:
			return n.Act.Beta < 0 || n.Act.Alpha < 0 && of[n.In[0]]
		}
		return of[n.In[0]] // the others keep the sign of their input
	case OpResize:
		return n.Resize.Mode == ResizeCubic || of[n.In[0]] // a cubic kernel has negative lobes
	case OpAdd, OpMul, OpConcat, OpAvgPool, OpPool, OpShuffle, OpPad:
		for _, in := range n.In {
			if of[in] {
				return true
			}
		}
		return false
	}
	return true // input, convolution, norm
}
