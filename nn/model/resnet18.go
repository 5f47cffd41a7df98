package model

import (
	"fmt"

	"vimps-gpu/nn"
)

// resnet18 is the ImageNet net of He et al. 2016, table 1, with option-B shortcuts. Names are torchvision's and timm's.
func resnet18(in Input) *nn.Graph {
	g := nn.NewGraph("resnet18", in.H, in.W, in.C)
	layer := func(conv, norm string, x, k, size, stride int) int {
		return g.Norm(norm, g.Conv(conv, x, nn.Conv{K: k, R: size, S: size, Stride: stride, Pad: size / 2}))
	}
	x := g.ReLU(layer("conv1", "bn1", 0, 64, 7, 2))
	x = g.Pool(x, nn.Window{Max: true, R: 3, S: 3, Stride: 2, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1})
	for stage, k := range []int{64, 128, 256, 512} {
		for block := range 2 {
			name := fmt.Sprintf("layer%d.%d.", stage+1, block)
			stride, shortcut := 1, x
			if stage > 0 && block == 0 {
				stride = 2
				shortcut = layer(name+"downsample.0", name+"downsample.1", x, k, 1, stride)
			}
			y := g.ReLU(layer(name+"conv1", name+"bn1", x, k, 3, stride))
			x = g.ReLU(g.Add(layer(name+"conv2", name+"bn2", y, k, 3, 1), shortcut))
		}
	}
	g.Linear("fc", g.AvgPool(x), in.Classes)
	return g
}
