package model

import "vimps-gpu/nn"

// espcn is ESPCN (Shi et al. 2016, section 3.1) with relus: 5x5x64, 3x3x32 and 3x3 convolutions on the small image, then a pixel
// shuffle.
func espcn(in Input) *nn.Graph {
	g := nn.NewGraph("espcn", in.H, in.W, in.C)
	conv := func(name string, x, k, size int) int {
		return g.Conv(name, x, nn.Conv{K: k, R: size, S: size, Stride: 1, Pad: size / 2, Bias: true})
	}
	x := g.ReLU(conv("conv1", 0, 64, 5))
	x = g.ReLU(conv("conv2", x, 32, 3))
	x = conv("conv3", x, in.C*in.Scale*in.Scale, 3)
	g.DepthToSpace(x, nn.Shuffle{Block: in.Scale})
	return g
}
