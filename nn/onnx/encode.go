package onnx

import (
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encode is the model as a file. Equal models give equal bytes.
func (m *Model) Encode() []byte {
	b := putInt(nil, 1, m.IRVersion)
	b = putString(b, 2, m.Producer)
	b = putMessage(b, 7, m.Graph.encode())
	for _, domain := range slices.Sorted(maps.Keys(m.Opsets)) {
		b = putMessage(b, 8, putInt(putString(nil, 1, domain), 2, m.Opsets[domain]))
	}
	for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
		b = putMessage(b, 14, putString(putString(nil, 1, key), 2, m.Metadata[key]))
	}
	return b
}

func (g *Graph) encode() []byte {
	var b []byte
	for i := range g.Nodes {
		b = putMessage(b, 1, g.Nodes[i].encode())
	}
	b = putString(b, 2, g.Name)
	for i := range g.Initializers {
		b = putMessage(b, 5, g.Initializers[i].encode())
	}
	for i := range g.Inputs {
		b = putMessage(b, 11, g.Inputs[i].encode())
	}
	for i := range g.Outputs {
		b = putMessage(b, 12, g.Outputs[i].encode())
	}
	return b
}

func (n *Node) encode() []byte {
	var b []byte
	for _, in := range n.In { // an empty one keeps its place
		b = putMessage(b, 1, []byte(in))
	}
	for _, out := range n.Out {
		b = putMessage(b, 2, []byte(out))
	}
	b = putString(b, 3, n.Name)
	b = putString(b, 4, n.Op)
	for i := range n.Attrs {
		b = putMessage(b, 5, n.Attrs[i].encode())
	}
	return putString(b, 7, n.Domain)
}

func (a *Attr) encode() []byte {
	b := putString(nil, 1, a.Name)
	switch a.Kind {
	case AttrFloat:
		b = putFloat(b, 2, a.F)
	case AttrInt:
		b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(a.I))
	case AttrString:
		b = putMessage(b, 4, []byte(a.S))
	case AttrTensor:
		b = putMessage(b, 5, a.T.encode())
	case AttrFloats:
		for _, v := range a.Floats {
			b = putFloat(b, 7, v)
		}
	case AttrInts:
		for _, v := range a.Ints {
			b = protowire.AppendVarint(protowire.AppendTag(b, 8, protowire.VarintType), uint64(v))
		}
	}
	return putInt(b, 20, int64(a.Kind))
}

func (t *Tensor) encode() []byte {
	var b []byte
	for _, d := range t.Dims { // a dimension of 0 is written too
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(d))
	}
	b = putInt(b, 2, int64(t.Type))
	b = putString(b, 8, t.Name)
	return putMessage(b, 9, t.Raw)
}

func (v *Value) encode() []byte {
	shape := []byte{}
	for _, d := range v.Dims {
		var dim []byte
		if d.Size > 0 {
			dim = putInt(dim, 1, d.Size)
		} else {
			dim = putString(dim, 2, d.Param)
		}
		shape = putMessage(shape, 1, dim)
	}
	tensor := putInt(nil, 1, int64(v.Type))
	if v.Dims != nil {
		tensor = putMessage(tensor, 2, shape)
	}
	return putMessage(putString(nil, 1, v.Name), 2, putMessage(nil, 1, tensor))
}

func putMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func putString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func putInt(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func putFloat(b []byte, field protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), math.Float32bits(v))
}
