// Package model describes the nets that the program knows by name.
package model

import (
	"fmt"
	"strings"

	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/onnx"
)

// Input is what a net is built for: the images that it reads, and what it makes of them.
type Input struct {
	H, W, C int
	Classes int // classification: length of the output
	Scale   int // super-resolution: output height / input height; 0: classification
}

// InputOf is what a net for a data set is built for.
func InputOf(set *data.Set) Input {
	return Input{H: set.Train.H(), W: set.Train.W(), C: set.Train.C(), Classes: len(set.Classes), Scale: set.Scale}
}

// Model is one net that can be built for a data set.
type Model struct {
	Name    string
	About   string
	Augment nn.Augment // what its training images go through
	Build   func(in Input) *nn.Graph
	made    Input // what the net was published for; see MadeFor
	MinSize int   // least height and width of an image
	Scales  []int // super-resolution: the scales it can have; nil: a classifier

	file *onnx.Model // that it was read from; nil: the program's own
}

// All lists the models.
func All() []Model {
	return []Model{
		{"digitsnet", "7 convolutions (16 to 64 channels, one residual) and a linear layer, for small images", nn.Augment{Pad: 1}, digitsnet, Input{8, 8, 1, 10, 0}, 4, nil, nil},
		{"resnet20", "ResNet-20 for CIFAR (He et al. 2016), option-A shortcuts", nn.Augment{Pad: 4, Flip: true}, resnet20, Input{32, 32, 3, 10, 0}, 8, nil, nil},
		{"resnet18", "ResNet-18 for ImageNet (He et al. 2016), torchvision's names", nn.Augment{Flip: true}, resnet18, Input{224, 224, 3, 1000, 0}, 32, nil, nil},
		{"mobilenetv2", "MobileNet-v2 for ImageNet (Sandler et al. 2018), torchvision's or timm's names", nn.Augment{Flip: true}, mobilenetv2, Input{224, 224, 3, 1000, 0}, 32, nil, nil},
		{"espcn", "ESPCN (Shi et al. 2016) for super-resolution: 3 convolutions and a pixel shuffle", nn.Augment{Flip: true}, espcn, Input{24, 24, 1, 0, 3}, 4, []int{2, 3, 4}, nil},
		{"srresnet", "SRResNet (Ledig et al. 2017) for super-resolution: 16 residual blocks", nn.Augment{Flip: true}, srresnet, Input{24, 24, 1, 0, 3}, 4, []int{2, 3, 4}, nil},
	}
}

// Find returns a model by name, or reads FILE.onnx.
func Find(name string) (Model, error) {
	if IsFile(name) {
		return open(name)
	}
	var names []string
	for _, m := range All() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("model %q: unknown; the models are %s, and FILE.onnx", name, strings.Join(names, ", "))
}

// Graph builds the net for a data set. Errors: images too small, a classifier for super-resolution or the reverse, a scale
// that the net does not have.
func (m Model) Graph(in Input) (*nn.Graph, error) {
	if m.file != nil {
		net, err := m.imported(in)
		if err != nil {
			return nil, err
		}
		return net.Graph, nil
	}
	switch {
	case in.H < m.MinSize || in.W < m.MinSize:
		return nil, fmt.Errorf("model %s: images are %dx%d, want %dx%d or more", m.Name, in.H, in.W, m.MinSize, m.MinSize)
	case m.Scales == nil && in.Scale != 0:
		return nil, fmt.Errorf("model %s classifies images; the data set is for super-resolution (x%d)", m.Name, in.Scale)
	case m.Scales != nil && in.Scale == 0:
		return nil, fmt.Errorf("model %s is for super-resolution; the data set is of images in classes", m.Name)
	}
	if m.Scales == nil {
		return m.Build(in), nil
	}
	for _, s := range m.Scales {
		if s == in.Scale {
			return m.Build(in), nil
		}
	}
	return nil, fmt.Errorf("model %s: scale is %d, want one of %v", m.Name, in.Scale, m.Scales)
}
