// Package model describes the nets that the program knows by name.
package model

import (
	"fmt"
	"strings"

	"vimps-gpu/nn"
)

// Model is one net that can be built for a data set.
type Model struct {
	Name    string
	About   string
	Augment nn.Augment // what its training images go through
	Build   func(h, w, c, classes int) *nn.Graph
	MinSize int // least height and width of an image
}

// All lists the models.
func All() []Model {
	return []Model{
		{"digitsnet", "7 convolutions (16 to 64 channels, one residual) and a linear layer, for small images", nn.Augment{Pad: 1}, digitsnet, 4},
		{"resnet20", "ResNet-20 for CIFAR (He et al. 2016), option-A shortcuts", nn.Augment{Pad: 4, Flip: true}, resnet20, 8},
	}
}

// Find returns a model by name.
func Find(name string) (Model, error) {
	var names []string
	for _, m := range All() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("model %q: unknown; the models are %s", name, strings.Join(names, ", "))
}

// Graph builds the net for images of h x w x c and a number of classes.
func (m Model) Graph(h, w, c, classes int) (*nn.Graph, error) {
	if h < m.MinSize || w < m.MinSize {
		return nil, fmt.Errorf("model %s: images are %dx%d, want %dx%d or more", m.Name, h, w, m.MinSize, m.MinSize)
	}
	return m.Build(h, w, c, classes), nil
}
