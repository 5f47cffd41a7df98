package onnx

import (
	"encoding/json"

	"gorgonia.org/tensor"

	"vimps-gpu/nn/weights"
)

// PackedLayer says how a layer lies in a file of packed codes.
type PackedLayer struct {
	Weight      int   `json:"weight"` // bits
	Input       int   `json:"input"`
	SignedInput bool  `json:"signed_input"`
	Shape       []int `json:"shape"` // [K,C/Groups,R,S] of the filter, or [K,C*R*S] of a fully connected layer
}

// Packed lists a child as tensors: of each layer NAME.codes u8, the filter's two's complement codes of its bits one after the other, the
// first in the lowest bits; NAME.weight_scale [K] or [1], what a code stands for with the batch norm folded in; NAME.bias [K] and
// NAME.input_scale [1]. Norms that no convolution takes in have NAME.scale and NAME.shift [C], PReLUs NAME.slope [C]. The metadata
// key "layers" is the JSON of every layer's PackedLayer.
func (c *Child) Packed() (tensors []weights.Named, metadata map[string]string, err error) {
	add := func(name string, backing any, shape ...int) {
		tensors = append(tensors, weights.Named{Name: name, Tensor: tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing))})
	}
	floats := func(name string, v []float32) { add(name, v, len(v)) }
	layers := map[string]PackedLayer{}
	for i, node := range c.Graph.Convs() {
		l, n := c.Layers[i], c.Graph.Nodes[node]
		k := n.C
		shape := []int{k, len(l.Codes) / (k * n.Conv.R * n.Conv.S), n.Conv.R, n.Conv.S}
		if n.Conv.Linear {
			shape = []int{k, len(l.Codes) / k}
		}
		layers[l.Name] = PackedLayer{l.WeightBits, l.InputBits, l.SignedInput, shape}
		packed := packCodes(l.Codes, l.WeightBits, 0)
		add(l.Name+".codes", packed, len(packed))
		floats(l.Name+".weight_scale", l.Scale)
		floats(l.Name+".bias", l.Bias)
		floats(l.Name+".input_scale", []float32{l.InputStep})
	}
	names := c.Names()
	for i := range c.Graph.Nodes {
		if a, ok := c.Affine[i]; ok {
			floats(names[i]+".scale", a[0])
			floats(names[i]+".shift", a[1])
		}
		if s, ok := c.Slopes[i]; ok {
			floats(names[i]+".slope", s)
		}
	}
	metadata = map[string]string{"vimps-gpu.format": "safetensors"}
	for k, v := range c.Metadata {
		metadata[k] = v
	}
	text, err := json.Marshal(layers)
	metadata["layers"] = string(text)
	return tensors, metadata, err
}
