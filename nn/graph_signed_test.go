package nn

import (
	"testing"

	"vimps-gpu/cuda"
)

// Whether an input needs signed codes follows from the ops in front of it.
func TestSignedInputs(t *testing.T) {
	g := NewGraph("signs", 8, 8, 4)
	conv := func(x int) int { return g.Conv("", x, Conv{K: 4, R: 3, S: 3, Stride: 1, Pad: 1}) }
	act := func(x int, k cuda.ActKind, alpha, beta float32) int {
		return g.Activate("", x, Activation{Kind: k, Alpha: alpha, Beta: beta})
	}
	y := conv(0)
	positive := g.ReLUCap(y, 6)
	half := Window{R: 2, S: 2, Stride: 2}
	for _, c := range []struct {
		what string
		node int
		want bool
	}{
		{"image", 0, true}, {"convolution", y, true}, {"relu6", positive, false}, {"norm of a relu", g.Norm("", positive), true},
		{"leaky relu", act(y, cuda.ActLeakyReLU, 0.1, 0), true}, {"leaky relu of a relu", act(positive, cuda.ActLeakyReLU, 0.1, 0), false},
		{"prelu", act(y, cuda.ActPReLU, 0, 0), true}, {"hard swish", act(y, cuda.ActHardSwish, 0, 0), true}, {"silu", act(y, cuda.ActSiLU, 0, 0), true},
		{"sigmoid", act(y, cuda.ActSigmoid, 0, 0), false}, {"hard sigmoid", act(y, cuda.ActHardSigmoid, 0.2, 0.5), false},
		{"clip to 0..1", act(y, cuda.ActClip, 0, 1), false}, {"clip to -1..1", act(y, cuda.ActClip, -1, 1), true},
		{"relu clipped to -1..1", act(positive, cuda.ActClip, -1, 1), false}, {"clip to -2..-1", act(positive, cuda.ActClip, -2, -1), true},
		{"sum of two relus", g.Add(positive, positive), false}, {"sum with a bottleneck", g.Add(positive, y), true},
		{"product of relus", g.Mul(positive, act(y, cuda.ActSigmoid, 0, 0)), false}, {"gated bottleneck", g.Mul(y, positive), true},
		{"concat of relus", g.Concat(positive, positive), false}, {"concat with a bottleneck", g.Concat(positive, y), true},
		{"pool", g.Pool(positive, half), false}, {"pool of a bottleneck", g.Pool(y, half), true}, {"average", g.AvgPool(positive), false},
		{"shuffle", g.DepthToSpace(positive, Shuffle{Block: 2}), false}, {"pad", g.Pad(positive, Pads{1, 1, 1, 1}), false},
		{"nearest", g.Resize(positive, 16, 16, Resize{}), false}, {"linear", g.Resize(positive, 16, 16, Resize{Mode: ResizeLinear}), false},
		{"cubic", g.Resize(positive, 16, 16, Resize{Mode: ResizeCubic}), true},
	} {
		if got := g.signs()[c.node]; got != c.want {
			t.Errorf("%s: signed is %t, want %t", c.what, got, c.want)
		}
	}
}

// Each node is looked at once, however many paths lead to it.
func TestSignsOfManyPaths(t *testing.T) {
	g := NewGraph("doubling", 4, 4, 1)
	x := g.ReLU(0)
	for range 100 {
		x = g.Add(x, x)
	}
	if g.signs()[x] {
		t.Error("a sum of relus is signed")
	}
}
