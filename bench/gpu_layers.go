package bench

import "fmt"

// ConvLayer is a convolution of a net, square throughout, as `bench gpu` and cuDNN are timed on.
type ConvLayer struct {
	Net    string `json:"net"`
	Times  int    `json:"times"`  // in the net
	Size   int    `json:"size"`   // height and width of the input
	C      int    `json:"c"`      // channels in
	K      int    `json:"k"`      // channels out
	R      int    `json:"r"`      // height and width of the filter; padding is R/2
	Stride int    `json:"stride"` // of both directions
	Groups int    `json:"groups"`
	First  bool   `json:"first"` // its input is the image: no gradient of it is wanted
	Batch  int    `json:"batch"` // images
}

// layerBatch is the images at which layers are compared.
const layerBatch = 256

// Name says what distinguishes the layer within its net.
func (l ConvLayer) Name() string {
	kind := ""
	if l.Groups > 1 {
		kind = " depthwise"
	}
	return fmt.Sprintf("%d² %d→%d %dx%d/%d%s", l.Size, l.C, l.K, l.R, l.R, l.Stride, kind)
}

// Out is the height and width of the output.
func (l ConvLayer) Out() int { return (l.Size+2*(l.R/2)-l.R)/l.Stride + 1 }

// MACs is the multiply-accumulates for one image, in each of the three passes.
func (l ConvLayer) MACs() int { return l.Out() * l.Out() * l.K * l.C / l.Groups * l.R * l.R }

// layers reads rows of times, size, c, k, r, stride; groups are 1 or, where depthwise is set, c.
func layers(net string, depthwise bool, rows ...[6]int) []ConvLayer {
	var list []ConvLayer
	for _, r := range rows {
		l := ConvLayer{Net: net, Times: r[0], Size: r[1], C: r[2], K: r[3], R: r[4], Stride: r[5], Groups: 1, First: r[2] == 3, Batch: layerBatch}
		if depthwise {
			l.Groups = l.C
		}
		list = append(list, l)
	}
	return list
}

// ConvLayers are all convolutions of ResNet-20 for CIFAR (He et al. 2016, option A), and of ResNet-18 and MobileNet-v2
// (Sandler et al. 2018) for ImageNet at 224x224.
func ConvLayers() []ConvLayer {
	var all []ConvLayer
	all = append(all, layers("resnet20", false,
		[6]int{1, 32, 3, 16, 3, 1},
		[6]int{6, 32, 16, 16, 3, 1},
		[6]int{1, 32, 16, 32, 3, 2},
		[6]int{5, 16, 32, 32, 3, 1},
		[6]int{1, 16, 32, 64, 3, 2},
		[6]int{5, 8, 64, 64, 3, 1})...)
	all = append(all, layers("resnet18", false,
		[6]int{1, 224, 3, 64, 7, 2},
		[6]int{4, 56, 64, 64, 3, 1},
		[6]int{1, 56, 64, 128, 3, 2},
		[6]int{1, 56, 64, 128, 1, 2},
		[6]int{3, 28, 128, 128, 3, 1},
		[6]int{1, 28, 128, 256, 3, 2},
		[6]int{1, 28, 128, 256, 1, 2},
		[6]int{3, 14, 256, 256, 3, 1},
		[6]int{1, 14, 256, 512, 3, 2},
		[6]int{1, 14, 256, 512, 1, 2},
		[6]int{3, 7, 512, 512, 3, 1})...)
	all = append(all, layers("mobilenet-v2", false,
		[6]int{1, 224, 3, 32, 3, 2},
		[6]int{1, 112, 32, 16, 1, 1},
		[6]int{1, 112, 16, 96, 1, 1},
		[6]int{1, 56, 96, 24, 1, 1},
		[6]int{2, 56, 24, 144, 1, 1},
		[6]int{1, 56, 144, 24, 1, 1},
		[6]int{1, 28, 144, 32, 1, 1},
		[6]int{3, 28, 32, 192, 1, 1},
		[6]int{2, 28, 192, 32, 1, 1},
		[6]int{1, 14, 192, 64, 1, 1},
		[6]int{4, 14, 64, 384, 1, 1},
		[6]int{3, 14, 384, 64, 1, 1},
		[6]int{1, 14, 384, 96, 1, 1},
		[6]int{3, 14, 96, 576, 1, 1},
		[6]int{2, 14, 576, 96, 1, 1},
		[6]int{1, 7, 576, 160, 1, 1},
		[6]int{3, 7, 160, 960, 1, 1},
		[6]int{2, 7, 960, 160, 1, 1},
		[6]int{1, 7, 960, 320, 1, 1},
		[6]int{1, 7, 320, 1280, 1, 1})...)
	return append(all, layers("mobilenet-v2", true,
		[6]int{1, 112, 32, 32, 3, 1},
		[6]int{1, 112, 96, 96, 3, 2},
		[6]int{1, 56, 144, 144, 3, 1},
		[6]int{1, 56, 144, 144, 3, 2},
		[6]int{2, 28, 192, 192, 3, 1},
		[6]int{1, 28, 192, 192, 3, 2},
		[6]int{4, 14, 384, 384, 3, 1},
		[6]int{2, 14, 576, 576, 3, 1},
		[6]int{1, 14, 576, 576, 3, 2},
		[6]int{3, 7, 960, 960, 3, 1})...)
}

// quickLayers are a few small ones, of every kind, for a simulated GPU.
func quickLayers() []ConvLayer {
	all := append(layers("quick", false, [6]int{1, 6, 3, 16, 3, 1}, [6]int{2, 6, 16, 16, 1, 2}), layers("quick", true, [6]int{1, 6, 16, 16, 3, 1})...)
	for i := range all {
		all[i].Batch = 2
	}
	return all
}
