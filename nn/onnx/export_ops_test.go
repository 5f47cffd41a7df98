package onnx_test

import (
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// act adds an activation function.
func act(g *nn.Graph, x int, kind cuda.ActKind, alpha, beta float32) int {
	return g.Activate("", x, nn.Activation{Kind: kind, Alpha: alpha, Beta: beta})
}

// attentionNet has the ops of classifiers.
func attentionNet() *nn.Graph {
	g := nn.NewGraph("attention", 13, 11, 3)
	x := g.Pad(0, nn.Pads{Top: 0, Left: 1, Bottom: 2, Right: 1})
	x = g.Conv("c1", x, nn.Conv{K: 12, R: 3, S: 3, Stride: 2})
	x = act(g, g.Norm("n1", x), cuda.ActHardSwish, 0, 0)
	p := g.Pool(x, nn.Window{Max: true, R: 3, S: 3, Stride: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1})
	q := g.Pool(x, nn.Window{R: 3, S: 3, Stride: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, CountPad: true})
	x = g.Norm("n2", g.Concat(p, q, x)) // folded into none
	y := g.ReLUCap(g.Conv("c2", x, nn.Conv{K: 36, R: 3, S: 3, Stride: 1, Pad: 2, Dilation: 2, Groups: 36}), 6)
	s := act(g, g.Conv("se1", g.AvgPool(y), nn.Conv{K: 6, R: 1, S: 1, Stride: 1, Bias: true}), cuda.ActSiLU, 0, 0)
	y = g.Mul(y, act(g, g.Conv("se2", s, nn.Conv{K: 36, R: 1, S: 1, Stride: 1, Bias: true}), cuda.ActHardSigmoid, 1.0/6, 0.5))
	y = act(g, g.Conv("c3", y, nn.Conv{K: 8, R: 1, S: 1, Stride: 1}), cuda.ActLeakyReLU, 0.1, 0)
	y = g.Pool(y, nn.Window{R: 2, S: 2, Stride: 2})
	g.Linear("fc", y, 7)
	return g
}

// restoringNet has those of nets that make images.
func restoringNet() *nn.Graph {
	g := nn.NewGraph("restoring", 9, 8, 1)
	x := g.Activate("a1", g.Conv("c1", 0, nn.Conv{K: 8, R: 5, S: 5, Stride: 1, Pad: 2, Bias: true}), nn.Activation{Kind: cuda.ActPReLU})
	y := act(g, g.Norm("n2", g.Conv("c2", x, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1})), cuda.ActTanh, 0, 0)
	x = g.Add(act(g, y, cuda.ActClip, -0.5, 0.75), x)
	x = act(g, g.Conv("c3", x, nn.Conv{K: 8, R: 3, S: 3, Stride: 1, Pad: 1}), cuda.ActSigmoid, 0, 0)
	d := g.DepthToSpace(x, nn.Shuffle{Block: 2, DCR: true})
	d = g.Conv("c4", d, nn.Conv{K: 4, R: 3, S: 3, Stride: 1, Pad: 1, Bias: true})
	d = g.DepthToSpace(g.Conv("c5", d, nn.Conv{K: 16, R: 1, S: 1, Stride: 1}), nn.Shuffle{Block: 2})
	n := g.Resize(x, 36, 32, nn.Resize{Mode: nn.ResizeNearest, Coordinates: nn.Asymmetric, Floor: true})
	l := g.Resize(x, 36, 32, nn.Resize{Mode: nn.ResizeLinear})
	c := g.Resize(x, 36, 32, nn.Resize{Mode: nn.ResizeCubic, Coordinates: nn.AlignCorners})
	g.Conv("c6", g.Concat(d, n, l, c), nn.Conv{K: 1, R: 3, S: 3, Stride: 1, Pad: 1, Bias: true})
	return g
}

// Every op of a graph: the file does what the child's plan does, layer by layer, and onnxruntime gives the Runner's output but for rounding and
// for a code that rounding moves.
func TestExportedOps(t *testing.T) {
	dev := openHost(t)
	var all []ran
	for _, g := range []*nn.Graph{attentionNet(), restoringNet()} {
		p, gates := childParams(t, dev, g, []int{8, 4, 2}, []int{8, 4})
		all = append(all, exportAll(t, dev, g.Name, p, gates)...)
	}
	nearInONNXRuntime(t, all)
}
