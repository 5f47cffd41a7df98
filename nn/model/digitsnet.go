package model

import "vimps-gpu/nn"

// digitsnet is a small net for 8x8 digits; conv4 sits inside an identity shortcut.
func digitsnet(in Input) *nn.Graph {
	g := nn.NewGraph("digitsnet", in.H, in.W, in.C)
	layer := func(n string, x, k, size, stride int) int {
		y := g.Conv("conv"+n, x, nn.Conv{K: k, R: size, S: size, Stride: stride, Pad: size / 2})
		return g.Norm("bn"+n, y)
	}
	x := g.ReLU(layer("1", 0, 16, 3, 1))
	x = g.ReLU(layer("2", x, 16, 3, 1))
	x = g.ReLU(layer("3", x, 32, 3, 2))
	x = g.ReLU(g.Add(layer("4", x, 32, 3, 1), x))
	x = g.ReLU(layer("5", x, 64, 3, 2))
	x = g.ReLU(layer("6", x, 64, 3, 1))
	x = g.ReLU(layer("7", x, 64, 1, 1))
	g.Linear("fc", g.AvgPool(x), in.Classes)
	return g
}
