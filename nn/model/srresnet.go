package model

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
)

// srresnet is the generator of SRGAN (Ledig et al. 2017, section 2.1.1): 16 residual blocks of 64 channels with batch norm and PReLU, then
// a x2 or x3 shuffle, or two of x2. The residual stream has a sign. Names are those of the widespread PyTorch port.
func srresnet(in Input) *nn.Graph {
	g := nn.NewGraph("srresnet", in.H, in.W, in.C)
	const width = 64
	conv := func(name string, x, k, size int, bias bool) int {
		return g.Conv(name, x, nn.Conv{K: k, R: size, S: size, Stride: 1, Pad: size / 2, Bias: bias})
	}
	prelu := func(name string, x int) int { return g.Activate(name, x, nn.Activation{Kind: cuda.ActPReLU}) }
	first := prelu("conv1.1", conv("conv1.0", 0, width, 9, true))
	x := first
	for block := range 16 {
		name := fmt.Sprintf("trunk.%d.rcb.", block)
		y := prelu(name+"2", g.Norm(name+"1", conv(name+"0", x, width, 3, false)))
		x = g.Add(g.Norm(name+"4", conv(name+"3", y, width, 3, false)), x)
	}
	x = g.Add(g.Norm("conv2.1", conv("conv2.0", x, width, 3, false)), first)
	blocks := []int{in.Scale}
	if in.Scale == 4 {
		blocks = []int{2, 2}
	}
	for i, block := range blocks {
		name := fmt.Sprintf("upsampling.%d.upsample_block.", i)
		x = conv(name+"0", x, width*block*block, 3, true)
		x = prelu(name+"2", g.DepthToSpace(x, nn.Shuffle{Block: block}))
	}
	conv("conv3", x, in.C, 9, true)
	return g
}
