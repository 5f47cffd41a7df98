package nn

import (
	"fmt"
	"slices"

	"vimps-gpu/quant"
)

// Op is what a node of a Graph computes.
type Op int

// The ops of a Graph.
const (
	OpInput   Op = iota
	OpConv       // convolution or, on a 1x1 image, linear layer
	OpNorm       // batch normalisation
	OpReLU       // max(x, 0)
	OpAdd        // first input + shortcut of the second
	OpAvgPool    // global average over H and W
)

func (o Op) String() string {
	return [...]string{"input", "conv", "norm", "relu", "add", "avgpool"}[o]
}

// Conv is the geometry of a convolution: a K-output filter [K,R,S,C/Groups] with symmetric padding.
type Conv struct {
	K, R, S             int
	Stride, Pad, Groups int
	Bias                bool
	PerTensor           bool // one weight step for the whole filter; else one an output channel
}

// Node is one step of a net.
type Node struct {
	Name           string // of the layer, as in weight files; unnamed for relu, add and pool
	Op             Op
	In             []int // nodes it reads
	H, W, C        int   // of what it yields
	Conv           Conv  // OpConv only
	Stride, Offset int   // OpAdd: the shortcut is read at every Stride-th place, its channels shifted by Offset (option A)
}

// Graph describes a net: nodes in an order in which each reads only earlier ones; the last is the output.
type Graph struct {
	Name  string
	Nodes []Node
}

// NewGraph starts a net whose input node 0 is an image of the given size.
func NewGraph(name string, h, w, c int) *Graph {
	return &Graph{Name: name, Nodes: []Node{{Name: "input", Op: OpInput, H: h, W: w, C: c}}}
}

func (g *Graph) add(n Node) int {
	g.Nodes = append(g.Nodes, n)
	return len(g.Nodes) - 1
}

// Conv adds a convolution of node x and returns its number.
func (g *Graph) Conv(name string, x int, c Conv) int {
	in := g.Nodes[x]
	h, w := (in.H+2*c.Pad-c.R)/c.Stride+1, (in.W+2*c.Pad-c.S)/c.Stride+1
	if c.Groups == 0 {
		c.Groups = 1
	}
	if in.H+2*c.Pad < c.R || in.W+2*c.Pad < c.S || in.C%c.Groups != 0 || c.K%c.Groups != 0 {
		panic(fmt.Sprintf("nn.Conv %s: input %dx%dx%d, filter %dx%d, pad %d, %d outputs, %d groups",
			name, in.H, in.W, in.C, c.R, c.S, c.Pad, c.K, c.Groups))
	}
	return g.add(Node{Name: name, Op: OpConv, In: []int{x}, H: h, W: w, C: c.K, Conv: c})
}

// Linear adds a fully connected layer with bias on a 1x1 image.
func (g *Graph) Linear(name string, x, classes int) int {
	if g.Nodes[x].H != 1 || g.Nodes[x].W != 1 {
		panic(fmt.Sprintf("nn.Linear %s: input is %dx%d, want 1x1", name, g.Nodes[x].H, g.Nodes[x].W))
	}
	return g.Conv(name, x, Conv{K: classes, R: 1, S: 1, Stride: 1, Bias: true, PerTensor: true})
}

func (g *Graph) same(op Op, name string, x int) int {
	in := g.Nodes[x]
	return g.add(Node{Name: name, Op: op, In: []int{x}, H: in.H, W: in.W, C: in.C})
}

// Norm adds batch normalisation of a convolution.
func (g *Graph) Norm(name string, x int) int {
	if g.Nodes[x].Op != OpConv {
		panic(fmt.Sprintf("nn.Norm %s: input %q is no convolution", name, g.Nodes[x].Name))
	}
	return g.same(OpNorm, name, x)
}

// ReLU adds max(x, 0).
func (g *Graph) ReLU(x int) int { return g.same(OpReLU, "", x) }

// Add adds x + shortcut. A shortcut of another size is brought to that of x as in ResNet's option A: every
// stride-th place of it, its channels in the middle and zeros on both sides (He et al. 2016, section 4.2).
func (g *Graph) Add(x, shortcut int) int {
	a, b := g.Nodes[x], g.Nodes[shortcut]
	stride := (b.H + a.H - 1) / a.H
	if (b.H+stride-1)/stride != a.H || (b.W+stride-1)/stride != a.W || b.C > a.C || (a.C-b.C)%2 != 0 {
		panic(fmt.Sprintf("nn.Add: %dx%dx%d and shortcut %dx%dx%d do not fit", a.H, a.W, a.C, b.H, b.W, b.C))
	}
	return g.add(Node{Op: OpAdd, In: []int{x, shortcut}, H: a.H, W: a.W, C: a.C, Stride: stride, Offset: (a.C - b.C) / 2})
}

// AvgPool adds the global average over H and W.
func (g *Graph) AvgPool(x int) int {
	return g.add(Node{Op: OpAvgPool, In: []int{x}, H: 1, W: 1, C: g.Nodes[x].C})
}

// Output is the last node.
func (g *Graph) Output() Node { return g.Nodes[len(g.Nodes)-1] }

// Convs lists the nodes that are convolutions, in order: the layers of the search space.
func (g *Graph) Convs() []int {
	var convs []int
	for i, n := range g.Nodes {
		if n.Op == OpConv {
			convs = append(convs, i)
		}
	}
	return convs
}

// layerBehind is the place among Convs of the convolution that reads a node through additions, relus and the pool: the first
// on the main path, which goes on behind an addition; -1 where none does.
func (g *Graph) layerBehind(node int) int {
	for {
		next := -1
		for i, n := range g.Nodes {
			if !slices.Contains(n.In, node) {
				continue
			}
			if n.Op == OpConv {
				return slices.Index(g.Convs(), i)
			}
			if next < 0 && n.Op != OpNorm {
				next = i
			}
		}
		if next < 0 {
			return -1
		}
		node = next
	}
}

// signed tells whether a node's values may be negative, so that their codes need a sign.
func (g *Graph) signed(i int) bool {
	switch n := g.Nodes[i]; n.Op {
	case OpReLU:
		return false
	case OpAvgPool:
		return g.signed(n.In[0])
	default:
		return true
	}
}

// Layers lists what the search needs to know of each convolution.
func (g *Graph) Layers() []quant.Layer {
	var layers []quant.Layer
	for _, i := range g.Convs() {
		n := g.Nodes[i]
		weights := int64(n.C) * int64(n.Conv.R*n.Conv.S*g.Nodes[n.In[0]].C/n.Conv.Groups)
		layers = append(layers, quant.Layer{
			Name: n.Name, MACs: weights * int64(n.H*n.W), Weights: weights, OutChannels: n.C,
			PerTensor: n.Conv.PerTensor, SignedInput: g.signed(n.In[0]),
		})
	}
	return layers
}
