package onnx

import (
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"vimps-gpu/nn"
	"vimps-gpu/nn/weights"
)

// Size is the images that a net is read for, where the file leaves the size open; 0: unknown.
type Size struct{ H, W, C int }

// Net is a file as this program computes it.
type Net struct {
	Graph   *nn.Graph
	Weights *weights.File // as nn.Params.Load reads it; what ONNX lays out otherwise has been brought to that form
	Notes   []string      // what was left out or is computed otherwise, a line each
}

// Unsupported is the error of a file with nodes that cannot be computed: all of them, a line each, with the reason.
type Unsupported struct {
	Nodes []string
	Of    int // nodes of the file
}

func (u Unsupported) Error() string {
	return fmt.Sprintf("%d of %d nodes cannot be used: %s", len(u.Nodes), u.Of, strings.Join(u.Nodes, "; "))
}

// Import makes a net of a model. Batch norms, activations and the bias that a constant adds behind a convolution keep their own
// parameters; products with constants behind a convolution go into its filter; a final softmax is left out; layouts (NCHW, NHWC) are
// followed through transpositions and reshapes. A convolution is called as its weights are (NAME.weight), else as its node.
// Errors: [Unsupported], or one line.
func Import(m *Model, size Size) (*Net, error) {
	im := &importer{m: m, values: map[string]*value{}, readers: map[string]int{}, names: map[string]bool{}, weights: map[string]*tensor.Dense{},
		filters: map[string]bool{}, budget: foldLimit}
	for i := range m.Graph.Nodes {
		for _, in := range m.Graph.Nodes[i].In {
			im.readers[in]++
		}
	}
	for _, out := range m.Graph.Outputs {
		im.readers[out.Name]++
	}
	for i := range m.Graph.Initializers {
		t := &m.Graph.Initializers[i]
		im.values[t.Name] = &value{tensor: t}
		im.budget += t.Len()
	}
	if err := im.input(size); err != nil {
		return nil, err
	}
	if len(m.Graph.Outputs) != 1 {
		var names []string
		for _, v := range m.Graph.Outputs {
			names = append(names, fmt.Sprintf("%q", v.Name))
		}
		return nil, fmt.Errorf("the net has %d outputs (%s), want one: export what follows the last layer that you want without the others",
			len(names), strings.Join(names, ", "))
	}
	for i := range m.Graph.Nodes {
		im.node(&m.Graph.Nodes[i])
	}
	if len(im.wrong) > 0 {
		return nil, Unsupported{im.wrong, len(m.Graph.Nodes)}
	}
	return im.finish()
}

type importer struct {
	m       *Model
	g       *nn.Graph
	batch   int
	values  map[string]*value
	readers map[string]int
	names   map[string]bool // of layers
	weights map[string]*tensor.Dense
	filters map[string]bool // initializers that were noted as shared
	budget  int64           // of elements that folded constants may still have
	wrong   []string
	notes   []string
}

// sizeLimit keeps products of sizes far from overflow.
const sizeLimit = 1 << 16

// input is the one input that is no initializer.
func (im *importer) input(size Size) error {
	var in *Value
	for i, v := range im.m.Graph.Inputs {
		if im.values[v.Name] != nil {
			continue
		}
		if in != nil {
			return fmt.Errorf("the net has inputs %q and %q, want one", in.Name, v.Name)
		}
		in = &im.m.Graph.Inputs[i]
	}
	if in == nil {
		return fmt.Errorf("the net has no input")
	}
	if len(in.Dims) != 4 {
		return fmt.Errorf("input %q has %d dimensions, want 4: images", in.Name, len(in.Dims))
	}
	if in.Type != Float32 && in.Type != Float16 && in.Type != Float64 && in.Type != BFloat16 {
		return fmt.Errorf("input %q is of %v, want float", in.Name, in.Type)
	}
	groups := []string{"N", "C", "H", "W"}
	if im.channelsLast(in, size) {
		groups = []string{"N", "H", "W", "C"}
	}
	im.batch = 1
	got := Size{}
	for i, atom := range groups {
		d := int(min(in.Dims[i].Size, sizeLimit+1))
		switch {
		case atom == "N":
			im.batch = max(1, d)
			continue
		case d == 0:
			d = map[string]int{"H": size.H, "W": size.W, "C": size.C}[atom]
			if d == 0 {
				return fmt.Errorf("input %q leaves %s open: it has to come from the data set", in.Name,
					map[string]string{"H": "the height", "W": "the width", "C": "the channels"}[atom])
			}
		}
		if d < 1 || d > sizeLimit {
			return fmt.Errorf("input %q: size %d, want 1 to %d", in.Name, d, sizeLimit)
		}
		switch atom {
		case "H":
			got.H = d
		case "W":
			got.W = d
		case "C":
			got.C = d
		}
	}
	im.g = nn.NewGraph(im.m.Graph.Name, got.H, got.W, got.C)
	im.values[in.Name] = &value{image: &image{groups: groups, batch: im.batch, h: got.H, w: got.W, c: got.C, sole: true}}
	return nil
}

// channelsLast guesses the layout of the input: 4 or fewer channels behind and more in front, or a transposition that brings them to
// the front.
func (im *importer) channelsLast(in *Value, size Size) bool {
	for i := range im.m.Graph.Nodes {
		n := &im.m.Graph.Nodes[i]
		if n.Op == "Transpose" && len(n.In) == 1 && n.In[0] == in.Name {
			return slices.Equal(n.ints("perm"), []int64{0, 3, 1, 2})
		}
	}
	first, last := in.Dims[1].Size, in.Dims[3].Size
	return last > 0 && last <= 4 && (first == 0 || first > 4) && (size.C == 0 || int64(size.C) == last)
}

func (im *importer) node(n *Node) {
	outputs, err := im.guarded(n)
	if err == nil && outputs != nil && outputs.image != nil && max(outputs.image.h, outputs.image.w, outputs.image.c) > sizeLimit {
		outputs, err = nil, fmt.Errorf("an image of %v, want sizes up to %d", outputs.image.dims(), sizeLimit)
	}
	if err != nil {
		im.wrong = append(im.wrong, fmt.Sprintf("%s: %v", describe(n), err))
		if len(n.In) > 0 && keepsSize[n.Op] && im.values[n.In[0]] != nil {
			outputs = im.values[n.In[0]] // what follows can still be looked at
		}
	}
	for i, out := range n.Out {
		if out == "" {
			continue
		}
		if i > 0 || outputs == nil {
			im.values[out] = nil
			continue
		}
		v := *outputs
		if v.image != nil {
			image := *v.image
			image.sole = image.sole && im.readers[out] == 1
			v.image = &image
		}
		im.values[out] = &v
	}
}

// describe names a node as its file does.
func describe(n *Node) string {
	switch {
	case n.Name != "":
		return fmt.Sprintf("%s %q", n.Op, n.Name)
	case len(n.Out) > 0:
		return fmt.Sprintf("%s of %q", n.Op, n.Out[0])
	}
	return n.Op
}

// keepsSize are ops without a place in nn whose output has the size of their input.
var keepsSize = map[string]bool{"Erf": true, "Gelu": true, "Elu": true, "Selu": true, "Celu": true, "Softplus": true, "Softsign": true, "Mish": true,
	"Exp": true, "Log": true, "Abs": true, "Sqrt": true, "Neg": true, "Pow": true, "LayerNormalization": true, "InstanceNormalization": true,
	"GroupNormalization": true, "LRN": true, "LpNormalization": true, "Softmax": true, "QuantizeLinear": true, "DequantizeLinear": true}

// guarded computes a node's first output; nil: what it reads is unknown because of an earlier node. The builders of nn panic where
// sizes do not fit.
func (im *importer) guarded(n *Node) (out *value, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, ours := r.(string)
			if !ours || !strings.HasPrefix(text, "nn.") {
				panic(r)
			}
			out, err = nil, fmt.Errorf("sizes do not fit: %s", text)
		}
	}()
	if n.Domain != "" {
		return nil, fmt.Errorf("an op of %q, not of ONNX", n.Domain)
	}
	for _, a := range n.Attrs {
		if a.Kind == AttrGraph {
			return nil, fmt.Errorf("control flow cannot be read")
		}
	}
	return im.op(n)
}

// finish leaves out what the output does not need.
func (im *importer) finish() (*Net, error) {
	name := im.m.Graph.Outputs[0].Name
	v := im.values[name]
	switch {
	case v == nil || v.image == nil:
		return nil, fmt.Errorf("output %q is not computed from the input", name)
	case v.image.lazy != nil:
		return nil, fmt.Errorf("output %q: %s", name, v.image.lazy.complaint())
	case v.image.h*v.image.w == 1:
	case strings.Join(v.image.groups, " ") != "N C H W" && strings.Join(v.image.groups, " ") != "N H W C":
		return nil, fmt.Errorf("output %q is neither a vector nor an image", name)
	}
	used := make([]bool, len(im.g.Nodes))
	used[0], used[v.image.node] = true, true
	for i := len(used) - 1; i > 0; i-- {
		for _, in := range im.g.Nodes[i].In {
			used[in] = used[in] || used[i]
		}
	}
	g, place := &nn.Graph{Name: im.g.Name}, make([]int, len(used))
	for i, n := range im.g.Nodes {
		if !used[i] {
			continue
		}
		for j := range n.In {
			n.In[j] = place[n.In[j]]
		}
		place[i] = len(g.Nodes)
		g.Nodes = append(g.Nodes, n)
	}
	if len(g.Convs()) == 0 {
		return nil, fmt.Errorf("there is no convolution or linear layer on the way from the input to output %q", name)
	}
	kept := map[string]*tensor.Dense{}
	for _, n := range g.Nodes {
		for _, suffix := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
			if t := im.weights[n.Name+suffix]; t != nil && n.Name != "" {
				kept[n.Name+suffix] = t
			}
		}
	}
	return &Net{Graph: g, Weights: &weights.File{Tensors: kept}, Notes: im.notes}, nil
}

func (im *importer) note(format string, args ...any) {
	im.notes = append(im.notes, fmt.Sprintf(format, args...))
}

// put keeps a parameter.
func (im *importer) put(name string, values []float32, shape ...int) {
	im.weights[name] = tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// layerName is a free name for the layer of a node: that of its parameter without .weight, as PyTorch's exporters keep it, else that of
// the node, with the modules on its path joined.
func (im *importer) layerName(n *Node, parameter string) string {
	name, found := strings.CutSuffix(parameter, ".weight")
	if !found || name == "" {
		name = nodeName(n)
	}
	base := name
	for i := 2; im.names[name]; i++ {
		name = fmt.Sprintf("%s.%d", base, i)
	}
	im.names[name] = true
	return name
}

// nodeName turns /layer1/layer1.0/conv1/Conv into layer1.0.conv1, model/conv2d/Conv2D into model.conv2d.
func nodeName(n *Node) string {
	var parts []string
	for part := range strings.SplitSeq(n.Name, "/") {
		switch {
		case part == "":
		case len(parts) > 0 && strings.HasPrefix(part, parts[len(parts)-1]+"."):
			parts[len(parts)-1] = part
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) > 1 {
		parts = parts[:len(parts)-1] // the op
	}
	if len(parts) == 0 {
		return strings.ToLower(n.Op)
	}
	return strings.Join(parts, ".")
}
