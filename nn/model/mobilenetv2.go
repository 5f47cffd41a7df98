package model

import (
	"fmt"

	"vimps-gpu/nn"
)

// mobilenetv2 is MobileNet-v2 at width 1 (Sandler et al. 2018, table 2), whose blocks end in a linear bottleneck: their inputs have
// a sign. Names are torchvision's; timm's are aliases.
func mobilenetv2(in Input) *nn.Graph {
	g := nn.NewGraph("mobilenetv2", in.H, in.W, in.C)
	type names struct{ conv, norm, timmConv, timmNorm string }
	layer := func(n names, x, k, size, stride, groups int) int {
		c := g.Alias(n.timmConv, g.Conv(n.conv, x, nn.Conv{K: k, R: size, S: size, Stride: stride, Pad: size / 2, Groups: groups}))
		return g.Alias(n.timmNorm, g.Norm(n.norm, c))
	}
	x := g.ReLUCap(layer(names{"features.0.0", "features.0.1", "conv_stem", "bn1"}, 0, 32, 3, 2, 1), 6)
	feature := 1
	for stage, s := range []struct{ expand, k, blocks, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for block := range s.blocks {
			ours, timm := fmt.Sprintf("features.%d.conv.", feature), fmt.Sprintf("blocks.%d.%d.", stage, block)
			stride := 1
			if block == 0 {
				stride = s.stride
			}
			c := g.Nodes[x].C
			y, part, norm := x, 0, 1
			last := "conv_pw"
			if s.expand > 1 {
				y = g.ReLUCap(layer(names{ours + "0.0", ours + "0.1", timm + "conv_pw", timm + "bn1"}, y, c*s.expand, 1, 1, 1), 6)
				part, norm, last = 1, 2, "conv_pwl"
			}
			depthwise := names{fmt.Sprintf("%s%d.0", ours, part), fmt.Sprintf("%s%d.1", ours, part), timm + "conv_dw", fmt.Sprintf("%sbn%d", timm, norm)}
			y = g.ReLUCap(layer(depthwise, y, c*s.expand, 3, stride, c*s.expand), 6)
			linear := names{fmt.Sprintf("%s%d", ours, part+1), fmt.Sprintf("%s%d", ours, part+2), timm + last, fmt.Sprintf("%sbn%d", timm, norm+1)}
			y = layer(linear, y, s.k, 1, 1, 1)
			if stride == 1 && c == s.k {
				y = g.Add(y, x)
			}
			x = y
			feature++
		}
	}
	x = g.ReLUCap(layer(names{"features.18.0", "features.18.1", "conv_head", "bn2"}, x, 1280, 1, 1, 1), 6)
	g.Alias("classifier", g.Linear("classifier.1", g.AvgPool(x), in.Classes))
	return g
}
