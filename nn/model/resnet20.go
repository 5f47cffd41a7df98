package model

import (
	"fmt"

	"vimps-gpu/nn"
)

// resnet20 is the CIFAR net of He et al. 2016, section 4.2: 3 stages of 3 blocks with 16, 32 and 64
// channels. Names are those of the published weight files.
func resnet20(in Input) *nn.Graph {
	g := nn.NewGraph("resnet20", in.H, in.W, in.C)
	conv3 := func(name string, x, k, stride int) int {
		return g.Conv(name, x, nn.Conv{K: k, R: 3, S: 3, Stride: stride, Pad: 1})
	}
	x := g.ReLU(g.Norm("bn1", conv3("conv1", 0, 16, 1)))
	for stage, k := range []int{16, 32, 64} {
		for block := range 3 {
			name := fmt.Sprintf("layer%d.%d.", stage+1, block)
			stride := 1
			if stage > 0 && block == 0 {
				stride = 2
			}
			y := g.ReLU(g.Norm(name+"bn1", conv3(name+"conv1", x, k, stride)))
			y = g.Norm(name+"bn2", conv3(name+"conv2", y, k, 1))
			x = g.ReLU(g.Add(y, x))
		}
	}
	g.Linear("linear", g.AvgPool(x), in.Classes)
	return g
}
