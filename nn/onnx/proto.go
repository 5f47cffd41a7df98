package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Model is a file: a graph and what it needs to be run (ONNX ModelProto).
type Model struct {
	IRVersion int64
	Opsets    map[string]int64 // domain ("": ONNX's own) -> version of its ops
	Producer  string
	Graph     Graph
	Metadata  map[string]string
	// External are the files beside this one that hold tensors, sorted.
	External []string
	// Functions counts local functions of the file, which are not read.
	Functions int
}

// Graph is nodes in an order in which each reads only what earlier ones wrote.
type Graph struct {
	Name            string
	Nodes           []Node
	Initializers    []Tensor
	Inputs, Outputs []Value
}

// Node is one op.
type Node struct {
	Name, Op, Domain string
	In, Out          []string // values by name; "": an optional one that is not there
	Attrs            []Attr
}

// Attr is a named constant of a node; Kind says which field holds it.
type Attr struct {
	Name   string
	Kind   AttrKind
	F      float32
	I      int64
	S      string
	T      *Tensor
	Floats []float32
	Ints   []int64
}

// AttrKind is the type of an Attr, by its number in the format.
type AttrKind int

// The kinds that are read and written. Others keep their number and have no content.
const (
	AttrFloat  AttrKind = 1
	AttrInt    AttrKind = 2
	AttrString AttrKind = 3
	AttrTensor AttrKind = 4
	AttrGraph  AttrKind = 5
	AttrFloats AttrKind = 6
	AttrInts   AttrKind = 7
)

// DType is an element type, by its number in the format.
type DType int32

// The element types.
const (
	Float32  DType = 1
	Uint8    DType = 2
	Int8     DType = 3
	Uint16   DType = 4
	Int16    DType = 5
	Int32    DType = 6
	Int64    DType = 7
	String   DType = 8
	Bool     DType = 9
	Float16  DType = 10
	Float64  DType = 11
	Uint32   DType = 12
	Uint64   DType = 13
	BFloat16 DType = 16
	Uint4    DType = 21
	Int4     DType = 22
	Uint2    DType = 25
	Int2     DType = 26
)

var dtypeNames = map[DType]string{Float32: "float", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16", Int32: "int32", Int64: "int64",
	String: "string", Bool: "bool", Float16: "float16", Float64: "double", Uint32: "uint32", Uint64: "uint64", BFloat16: "bfloat16",
	Uint4: "uint4", Int4: "int4", Uint2: "uint2", Int2: "int2"}

func (t DType) String() string {
	if name, ok := dtypeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", int32(t))
}

// Bits is the size of an element; 0: a type that is not read.
func (t DType) Bits() int {
	switch t {
	case Uint2, Int2:
		return 2
	case Uint4, Int4:
		return 4
	case Uint8, Int8, Bool:
		return 8
	case Uint16, Int16, Float16, BFloat16:
		return 16
	case Float32, Int32, Uint32:
		return 32
	case Float64, Int64, Uint64:
		return 64
	}
	return 0
}

// Tensor is a constant. Raw is row-major and little endian; elements of less than a byte lie from the low bits up, and the last byte is
// filled with zeros.
type Tensor struct {
	Name string
	Type DType
	Dims []int64 // none: a scalar
	Raw  []byte
}

// Len is the number of elements, -1 where the dimensions are negative or their product is beyond 2^40.
func (t *Tensor) Len() int64 { return product(t.Dims) }

func product(dims []int64) int64 {
	if slices.Contains(dims, 0) {
		return 0
	}
	n := int64(1)
	for _, d := range dims {
		if d < 0 || d > 1<<40/n {
			return -1
		}
		n *= d
	}
	return n
}

// size is the bytes that Raw must have.
func (t *Tensor) size() (int64, error) {
	n, bits := t.Len(), int64(t.Type.Bits())
	if n < 0 {
		return 0, fmt.Errorf("tensor %q: bad dimensions %v", t.Name, t.Dims)
	}
	if bits == 0 {
		return 0, fmt.Errorf("tensor %q: elements of %v cannot be read", t.Name, t.Type)
	}
	return (n*bits + 7) / 8, nil
}

// NewFloats is a float32 tensor.
func NewFloats(name string, values []float32, dims ...int64) Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return Tensor{Name: name, Type: Float32, Dims: dims, Raw: raw}
}

// NewInts is an int64 tensor.
func NewInts(name string, values []int64, dims ...int64) Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return Tensor{Name: name, Type: Int64, Dims: dims, Raw: raw}
}

// Floats is the values of a float16, bfloat16, float32 or double tensor.
func (t *Tensor) Floats() ([]float32, error) {
	n := int(t.Len())
	out := make([]float32, 0, max(0, min(n, len(t.Raw))))
	for i := range n {
		switch t.Type {
		case Float32:
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*i:])))
		case Float64:
			out = append(out, float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Raw[8*i:]))))
		case Float16:
			out = append(out, fromFloat16(binary.LittleEndian.Uint16(t.Raw[2*i:])))
		case BFloat16:
			out = append(out, math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Raw[2*i:]))<<16))
		default:
			return nil, fmt.Errorf("tensor %q is of %v, want float", t.Name, t.Type)
		}
	}
	return out, nil
}

// fromFloat16 is the value of an IEEE 754 half.
func fromFloat16(h uint16) float32 {
	sign, exponent, fraction := float64(1-2*int(h>>15)), int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return float32(sign * math.Ldexp(fraction, -24))
	case 31:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}

// Ints is the values of an integer or bool tensor.
func (t *Tensor) Ints() ([]int64, error) {
	n, bits := int(t.Len()), t.Type.Bits()
	signed := false
	switch t.Type {
	case Int2, Int4, Int8, Int16, Int32, Int64:
		signed = true
	case Uint2, Uint4, Uint8, Uint16, Uint32, Uint64, Bool:
	default:
		return nil, fmt.Errorf("tensor %q is of %v, want integers", t.Name, t.Type)
	}
	out := make([]int64, 0, max(0, min(n, 4*len(t.Raw))))
	for i := range n {
		var v uint64
		for j := (bits + 7) / 8; j > 0; j-- {
			v = v<<8 | uint64(t.Raw[i*bits/8+j-1])
		}
		v = v >> (i * bits % 8) << (64 - bits)
		if signed {
			out = append(out, int64(v)>>(64-bits))
		} else {
			out = append(out, int64(v>>(64-bits)))
		}
	}
	return out, nil
}

// Value is an input or output of the graph.
type Value struct {
	Name string
	Type DType
	Dims []Dim // nil: unknown
}

// Dim is one dimension: a number or, where it is free, a name.
type Dim struct {
	Size  int64  // 0: free
	Param string // its name, where it is free
}
