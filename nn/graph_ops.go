package nn

import (
	"fmt"
	"slices"

	"vimps-gpu/cuda"
)

// Activation is the function of an OpAct. A PReLU's slopes [C] are parameters, NAME.weight of the node.
type Activation struct {
	Kind        cuda.ActKind
	Alpha, Beta float32 // see cuda.ActKind
}

// Window is the geometry of an OpPool.
type Window struct {
	Max                                  bool // else average
	R, S, Stride                         int
	PadTop, PadLeft, PadBottom, PadRight int
	CountPad                             bool // the average divides by R*S at borders too; else by the pixels there are
}

// Shuffle is an OpShuffle: [H,W,C] to [H*Block,W*Block,C/Block^2]. The input channel of output channel c at (y, x) of a block is
// c*Block^2 + y*Block + x (PyTorch's pixel shuffle, ONNX CRD) or, DCR, (y*Block+x)*C/Block^2 + c.
type Shuffle struct {
	Block int
	DCR   bool
}

// Resize is how an OpResize finds its values. Output place i reads source coordinate
//
//	half-pixel (i+0.5)/scale - 0.5, asymmetric i/scale, align-corners i*(in-1)/(out-1)
//
// (ONNX Resize). Nearest rounds it half down, or down where Floor.
type Resize struct {
	Mode        ResizeMode
	Coordinates Coordinates
	Floor       bool // ResizeNearest
}

// ResizeMode is the interpolation of an OpResize.
type ResizeMode int

// The modes.
const (
	ResizeNearest ResizeMode = iota
	ResizeLinear
	ResizeCubic // a = -0.75 (PyTorch, ONNX)
)

// Coordinates is how an output place maps to a source coordinate.
type Coordinates int

// The mappings.
const (
	HalfPixel Coordinates = iota
	Asymmetric
	AlignCorners
)

// Pads is how many zeros an OpPad puts on each side.
type Pads struct{ Top, Left, Bottom, Right int }

// ReLUCap adds min(max(x, 0), cap).
func (g *Graph) ReLUCap(x int, limit float32) int {
	i := g.ReLU(x)
	g.Nodes[i].Cap = limit
	return i
}

// Activate adds another activation function. name is that of a PReLU's slopes.
func (g *Graph) Activate(name string, x int, a Activation) int {
	i := g.same(OpAct, name, x)
	g.Nodes[i].Act = a
	return i
}

// Mul adds x * by, where by has the size of x or is 1x1 with as many channels.
func (g *Graph) Mul(x, by int) int {
	a, b := g.Nodes[x], g.Nodes[by]
	if a.C != b.C || (a.H != b.H || a.W != b.W) && (b.H != 1 || b.W != 1) {
		panic(fmt.Sprintf("nn.Mul: %dx%dx%d by %dx%dx%d", a.H, a.W, a.C, b.H, b.W, b.C))
	}
	return g.add(Node{Op: OpMul, In: []int{x, by}, H: a.H, W: a.W, C: a.C})
}

// Concat adds the inputs side by side in the channels.
func (g *Graph) Concat(xs ...int) int {
	n := Node{Op: OpConcat, In: slices.Clone(xs), H: g.Nodes[xs[0]].H, W: g.Nodes[xs[0]].W}
	for _, x := range xs {
		in := g.Nodes[x]
		if in.H != n.H || in.W != n.W {
			panic(fmt.Sprintf("nn.Concat: %dx%d beside %dx%d", in.H, in.W, n.H, n.W))
		}
		n.C += in.C
	}
	return g.add(n)
}

// Pool adds the maximum or average over windows.
func (g *Graph) Pool(x int, w Window) int {
	in := g.Nodes[x]
	h, ww := in.H+w.PadTop+w.PadBottom-w.R, in.W+w.PadLeft+w.PadRight-w.S
	if h < 0 || ww < 0 || w.Stride < 1 || max(w.PadTop, w.PadBottom) >= w.R || max(w.PadLeft, w.PadRight) >= w.S {
		panic(fmt.Sprintf("nn.Pool: %+v of %dx%d", w, in.H, in.W))
	}
	return g.add(Node{Op: OpPool, In: []int{x}, H: h/w.Stride + 1, W: ww/w.Stride + 1, C: in.C, Pool: w})
}

// DepthToSpace adds a shuffle.
func (g *Graph) DepthToSpace(x int, s Shuffle) int {
	in := g.Nodes[x]
	if s.Block < 1 || in.C%(s.Block*s.Block) != 0 {
		panic(fmt.Sprintf("nn.DepthToSpace: %d channels in blocks of %dx%d", in.C, s.Block, s.Block))
	}
	return g.add(Node{Op: OpShuffle, In: []int{x}, H: in.H * s.Block, W: in.W * s.Block, C: in.C / (s.Block * s.Block), Shuffle: s})
}

// Resize adds a change of size to h x w.
func (g *Graph) Resize(x, h, w int, r Resize) int {
	if h < 1 || w < 1 {
		panic(fmt.Sprintf("nn.Resize: to %dx%d", h, w))
	}
	return g.add(Node{Op: OpResize, In: []int{x}, H: h, W: w, C: g.Nodes[x].C, Resize: r})
}

// Pad adds zeros around.
func (g *Graph) Pad(x int, p Pads) int {
	in := g.Nodes[x]
	if min(p.Top, p.Left, p.Bottom, p.Right) < 0 {
		panic(fmt.Sprintf("nn.Pad: %+v", p))
	}
	return g.add(Node{Op: OpPad, In: []int{x}, H: in.H + p.Top + p.Bottom, W: in.W + p.Left + p.Right, C: in.C, Pads: p})
}
