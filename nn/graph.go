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
	OpReLU       // max(x, 0), or min(max(x, 0), Cap)
	OpAdd        // first input + shortcut of the second
	OpAvgPool    // global average over H and W
	OpAct        // another activation function, Node.Act
	OpMul        // product with a second input of the same size, or of 1x1xC (channel attention)
	OpConcat     // inputs side by side in the channels
	OpPool       // maximum or average over windows, Node.Pool
	OpShuffle    // depth to space, Node.Shuffle
	OpResize     // another size, Node.Resize
	OpPad        // zeros around, Node.Pads
)

func (o Op) String() string {
	return [...]string{"input", "conv", "norm", "relu", "add", "avgpool", "act", "mul", "concat", "pool", "shuffle", "resize", "pad"}[o]
}

// Conv is the geometry of a convolution: a K-output filter [K,R,S,C/Groups] with the same padding on all sides; other padding
// is an OpPad in front.
type Conv struct {
	K, R, S             int
	Stride, Pad, Groups int
	Dilation            int // 0: 1
	Bias                bool
	PerTensor           bool // one weight step for the whole filter; else one an output channel
	Linear              bool // a fully connected layer: weight files hold its filter as [K,C*R*S]
}

// Node is one step of a net.
type Node struct {
	Name           string // of the layer, as in weight files; unnamed where it has no parameters
	Alias          string // another name that weight files may use
	Op             Op
	In             []int   // nodes it reads
	H, W, C        int     // of what it yields
	Conv           Conv    // OpConv only
	Stride, Offset int     // OpAdd: the shortcut is read at every Stride-th place, its channels shifted by Offset (option A)
	Cap            float32 // OpReLU: upper bound, 6 for ReLU6; 0: none
	Eps            float32 // OpNorm: added to variances; 0: PyTorch's 1e-5
	Act            Activation
	Pool           Window
	Shuffle        Shuffle
	Resize         Resize
	Pads           Pads
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
	c.Groups, c.Dilation = max(1, c.Groups), max(1, c.Dilation)
	r, s := (c.R-1)*c.Dilation+1, (c.S-1)*c.Dilation+1
	h, w := (in.H+2*c.Pad-r)/c.Stride+1, (in.W+2*c.Pad-s)/c.Stride+1
	if in.H+2*c.Pad < r || in.W+2*c.Pad < s || in.C%c.Groups != 0 || c.K%c.Groups != 0 {
		panic(fmt.Sprintf("nn.Conv %s: input %dx%dx%d, filter %dx%d, pad %d, %d outputs, %d groups",
			name, in.H, in.W, in.C, c.R, c.S, c.Pad, c.K, c.Groups))
	}
	return g.add(Node{Name: name, Op: OpConv, In: []int{x}, H: h, W: w, C: c.K, Conv: c})
}

// Linear adds a fully connected layer with bias; an image of more than one pixel is flattened as PyTorch does, channels first.
func (g *Graph) Linear(name string, x, classes int) int {
	in := g.Nodes[x]
	return g.Conv(name, x, Conv{K: classes, R: in.H, S: in.W, Stride: 1, Bias: true, PerTensor: true, Linear: true})
}

// Alias gives node x, which it returns, another name that weight files may use for it.
func (g *Graph) Alias(name string, x int) int {
	g.Nodes[x].Alias = name
	return x
}

func (g *Graph) same(op Op, name string, x int) int {
	in := g.Nodes[x]
	return g.add(Node{Name: name, Op: op, In: []int{x}, H: in.H, W: in.W, C: in.C})
}

// Norm adds batch normalisation. Behind a convolution it can depend on the gates, elsewhere it is plain.
func (g *Graph) Norm(name string, x int) int { return g.same(OpNorm, name, x) }

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

// layerBehind is the place among Convs of the convolution that reads a node through any ops but norms: the first on the path that
// always goes on with the first reader; -1 where there is none.
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

// Layers lists what the search needs to know of each convolution.
func (g *Graph) Layers() []quant.Layer {
	var layers []quant.Layer
	signed := g.signs()
	for _, i := range g.Convs() {
		n := g.Nodes[i]
		weights := int64(n.C) * int64(n.Conv.R*n.Conv.S*g.Nodes[n.In[0]].C/n.Conv.Groups)
		layers = append(layers, quant.Layer{
			Name: n.Name, MACs: weights * int64(n.H*n.W), Weights: weights, OutChannels: n.C,
			PerTensor: n.Conv.PerTensor, SignedInput: signed[n.In[0]],
		})
	}
	return layers
}
