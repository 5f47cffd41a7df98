package model

import (
	"fmt"
	"strings"

	"vimps-gpu/nn"
	"vimps-gpu/nn/onnx"
	"vimps-gpu/nn/weights"
)

// IsFile tells whether a model is a file instead of a net that the program knows by name.
func IsFile(name string) bool { return strings.HasSuffix(name, ".onnx") }

// open reads a net from an ONNX file. It is built later: the file may leave the size of the images open.
func open(path string) (Model, error) {
	file, err := onnx.Read(path)
	if err != nil {
		return Model{}, err
	}
	return Model{Name: path, About: "a net of your own from an ONNX file", Augment: augment(file), MinSize: 1, file: file}, nil
}

// augment is what images for a file's net go through: as for the program's own nets on images of that size, and no flips of images
// without colours, which may be of letters.
func augment(file *onnx.Model) nn.Augment {
	var d []onnx.Dim
	for _, v := range file.Graph.Inputs {
		if len(v.Dims) == 4 { // older files list their parameters behind the images
			d = v.Dims
			break
		}
	}
	switch {
	case len(d) == 4 && (d[1].Size == 1 || d[3].Size == 1):
		return nn.Augment{Pad: 1}
	case len(d) == 4 && d[2].Size > 64:
		return nn.Augment{Flip: true}
	}
	return nn.Augment{Pad: 4, Flip: true}
}

// imported builds the net of a file for a data set, which must be what it was made for.
func (m Model) imported(in Input) (*onnx.Net, error) {
	net, err := onnx.Import(m.file, onnx.Size{H: in.H, W: in.W, C: in.C})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	g, out := net.Graph, net.Graph.Output()
	switch input := g.Nodes[0]; {
	case in.C != 0 && (input.H != in.H || input.W != in.W || input.C != in.C):
		return nil, fmt.Errorf("%s reads images of %dx%dx%d; those of the data set are %dx%dx%d", m.Name, input.H, input.W, input.C, in.H, in.W, in.C)
	case in.Scale != 0 && (out.H != in.H*in.Scale || out.W != in.W*in.Scale || out.C != in.C):
		return nil, fmt.Errorf("%s makes images of %dx%dx%d; those of the data set are %dx%dx%d", m.Name, out.H, out.W, out.C, in.H*in.Scale, in.W*in.Scale, in.C)
	case in.Scale == 0 && in.Classes != 0 && (g.Restores() || out.C != in.Classes):
		return nil, fmt.Errorf("%s yields %dx%dx%d; the data set has %d classes", m.Name, out.H, out.W, out.C, in.Classes)
	}
	return net, nil
}

// MadeFor is what a net was published for or, of a file, what it reads and makes. The error tells why a file does not say it.
func (m Model) MadeFor() (Input, error) {
	if m.file == nil {
		return m.made, nil
	}
	g, err := m.Graph(Input{})
	if err != nil {
		return Input{}, err
	}
	in, out := g.Nodes[0], g.Output()
	if g.Restores() {
		return Input{H: in.H, W: in.W, C: in.C, Scale: out.H / in.H}, nil
	}
	return Input{H: in.H, W: in.W, C: in.C, Classes: out.C}, nil
}

// Notes is what the import of a file left out or computes otherwise, a line each.
func (m Model) Notes(in Input) ([]string, error) {
	if m.file == nil {
		return nil, nil
	}
	net, err := m.imported(in)
	if err != nil {
		return nil, err
	}
	return net.Notes, nil
}

// ReadWeights reads the weights of g from a safetensors file or from an ONNX file.
func ReadWeights(path string, g *nn.Graph) (*weights.File, error) {
	if !IsFile(path) {
		return weights.ReadFile(path)
	}
	m, err := open(path)
	if err != nil {
		return nil, err
	}
	in := g.Nodes[0]
	net, err := onnx.Import(m.file, onnx.Size{H: in.H, W: in.W, C: in.C})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	net.Weights.Path = path
	return net.Weights, nil
}
