package onnx

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"vimps-gpu/nn"
	"vimps-gpu/nn/atomicfile"
)

// Format is how a Child is written to an ONNX file. y = sum of products of integer codes * scale + bias in all of them.
type Format string

// The formats.
const (
	// QDQ stores codes of 2, 4 and 8 bits natively, with QuantizeLinear and DequantizeLinear around float convolutions. A runtime sums
	// floats: outputs are equal up to rounding, which moves a code where a value lies on a tie.
	QDQ Format = "onnx"
	// Exact sums integers, by ConvInteger, and does every float operation alone: the same bits in every runtime that rounds each. It
	// multiplies unsigned codes with zero points: signed ones saturate on CPUs without VNNI.
	Exact Format = "onnx-exact"
	// Carrier is QDQ with all codes in int8 and uint8, clipped to their bits, for runtimes that have no narrower types.
	Carrier Format = "onnx-int8"
)

// Formats lists them.
func Formats() []Format { return []Format{QDQ, Exact, Carrier} }

// Needs is what a file asks of a runtime: the opset, and the least onnxruntime that was seen to run it.
type Needs struct {
	Opset, IR   int64
	ONNXRuntime string
}

func (n Needs) String() string {
	return fmt.Sprintf("opset %d, onnxruntime %s or later", n.Opset, n.ONNXRuntime)
}

// Needs is what the child asks of a runtime in a format.
func (c *Child) Needs(f Format) Needs {
	switch {
	case f == Carrier:
		return Needs{19, 9, "1.20"}
	case c.narrowest(f) == 2:
		return Needs{25, 13, "1.24"}
	case f == Exact && c.narrowest(f) < 8: // Cast of 4-bit codes
		return Needs{21, 10, "1.23"}
	}
	return Needs{21, 10, "1.20"}
}

// narrowest is the narrowest type that a format stores codes of the child in.
func (c *Child) narrowest(f Format) int {
	width := 8
	for _, l := range c.Layers {
		width = min(width, l.storedBits(f))
		if f == QDQ && nativeInput(l.InputBits) {
			width = min(width, l.InputBits)
		}
	}
	return width
}

// storedBits is the width of the type that a format stores the layer's weight codes in.
func (l *Layer) storedBits(f Format) int {
	if f == Carrier {
		return 8
	}
	return carrier(l.WeightBits)
}

// Padding is how many bytes more than packed ones a format's weight codes take, since they lie in wider types.
func (c *Child) Padding(f Format) int64 {
	bytes := 0
	for _, l := range c.Layers {
		n := len(l.Codes)
		bytes += (n*l.storedBits(f)+7)/8 - (n*l.WeightBits+7)/8
	}
	return int64(bytes)
}

// nativeInput tells whether ONNX has a type of just these bits; others are clipped in 8.
func nativeInput(bits int) bool { return bits == 2 || bits == 4 || bits == 8 }

// Export writes a child. The input is [N,C,H,W] float32, normalised as in training; the output "output" is [N,classes] or, of a net that
// restores images, [N,C,H,W].
func Export(c *Child, f Format) (*Model, error) {
	if !slices.Contains(Formats(), f) {
		return nil, fmt.Errorf("export: unknown format %q", f)
	}
	needs := c.Needs(f)
	e := &exporter{c: c, format: f, names: c.Names(), inputs: map[string]string{}}
	for i, n := range c.Graph.Nodes {
		if err := e.node(i, n); err != nil {
			return nil, fmt.Errorf("export: %s: %w", e.names[i], err)
		}
	}
	in, out := c.Graph.Nodes[0], c.Graph.Output()
	result := Value{Name: "output", Type: Float32, Dims: []Dim{{Param: "N"}, {Size: int64(out.C)}}}
	h, w := Dim{Size: int64(in.H)}, Dim{Size: int64(in.W)}
	if c.Classifies() {
		e.add("Flatten", []string{e.names[len(e.names)-1]}, "output", withInt("axis", 1))
	} else {
		h, w = Dim{Param: "H"}, Dim{Param: "W"}
		result.Dims = append(result.Dims, Dim{Param: "outH"}, Dim{Param: "outW"})
	}
	e.g.Name = c.Graph.Name
	e.g.Inputs = []Value{{Name: "input", Type: Float32, Dims: []Dim{{Param: "N"}, {Size: int64(in.C)}, h, w}}}
	e.g.Outputs = []Value{result}
	meta := map[string]string{"vimps-gpu.format": string(f), "vimps-gpu.needs": needs.String()}
	for k, v := range c.Metadata {
		meta[k] = v
	}
	return &Model{IRVersion: needs.IR, Opsets: map[string]int64{"": needs.Opset}, Producer: "vimps-gpu", Graph: e.g, Metadata: meta}, nil
}

// Write replaces path by the file, whole or not at all (see package atomicfile).
func (m *Model) Write(path string) error {
	data := m.Encode()
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// exporter builds the graph of a file.
type exporter struct {
	c      *Child
	format Format
	g      Graph
	names  []string          // of the values of the child's nodes
	inputs map[string]string // what is quantized -> the value that holds it
	layers int               // convolutions so far
}

func (e *exporter) add(op string, in []string, out string, attrs ...Attr) {
	e.g.Nodes = append(e.g.Nodes, Node{Op: op, In: in, Out: []string{out}, Attrs: attrs})
}

func (e *exporter) constant(name string, t DType, dims []int64, raw []byte) string {
	e.g.Initializers = append(e.g.Initializers, Tensor{Name: name, Type: t, Dims: dims, Raw: raw})
	return name
}

// floats stores values; no dims are a scalar.
func (e *exporter) floats(name string, v []float32, dims ...int64) string {
	e.g.Initializers = append(e.g.Initializers, NewFloats(name, v, dims...))
	return name
}

func (e *exporter) ints(name string, v ...int64) string {
	e.g.Initializers = append(e.g.Initializers, NewInts(name, v, int64(len(v))))
	return name
}

func withInt(name string, v int64) Attr     { return Attr{Name: name, Kind: AttrInt, I: v} }
func withInts(name string, v ...int64) Attr { return Attr{Name: name, Kind: AttrInts, Ints: v} }
func withFloat(name string, v float32) Attr { return Attr{Name: name, Kind: AttrFloat, F: v} }
func withText(name string, v string) Attr   { return Attr{Name: name, Kind: AttrString, S: v} }

// node writes one node of the child; its value gets the node's name.
func (e *exporter) node(i int, n nn.Node) error {
	in := make([]string, len(n.In))
	for k, j := range n.In {
		if in[k] = e.names[j]; in[k] == "" { // the norm of this convolution
			return nil
		}
	}
	out := e.names[i]
	switch n.Op {
	case nn.OpInput:
	case nn.OpConv:
		if out == "" {
			out = e.names[e.c.readers(i)[0]]
		}
		e.conv(n, in[0], out)
	case nn.OpNorm:
		a := e.c.Affine[i]
		e.add("Mul", []string{in[0], e.floats(out+".scale", a[0], int64(n.C), 1, 1)}, out+".scaled")
		e.add("Add", []string{out + ".scaled", e.floats(out+".shift", a[1], int64(n.C), 1, 1)}, out)
	case nn.OpReLU:
		if n.Cap == 0 {
			e.add("Relu", in, out)
		} else {
			e.clip(in[0], out, 0, n.Cap)
		}
	default:
		return e.other(i, n, in, out)
	}
	return nil
}

func (e *exporter) clip(in, out string, lo, hi float32) {
	e.add("Clip", []string{in, e.floats(out+".min", []float32{lo}), e.floats(out+".max", []float32{hi})}, out)
}

// Bits says a child's widths in a line: "conv1 8/8, layer1.0.conv1 4/2".
func (c *Child) Bits() string {
	var s []string
	for _, l := range c.Layers {
		s = append(s, fmt.Sprintf("%s %d/%d", l.Name, l.WeightBits, l.InputBits))
	}
	return strings.Join(s, ", ")
}
