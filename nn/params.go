package nn

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// Config says what a net's parameters are.
type Config struct {
	Space *quant.Space // candidates of each convolution; nil: an fp32 net, nothing quantized
	Norm  NormKind
	// SharedWeights: one filter quantized at every bit width (EdMIPS); else a filter a bit width.
	SharedWeights bool
	Quantizer     Quantizer
	Adam          bool // filters and affine parameters have second moments too
}

// Group names one flat buffer: its optimizer and its decay.
type Group int

// The groups, in the order in which state files list them.
const (
	Filters Group = iota // convolution and linear weights: SGD with weight decay
	Affine               // norm gammas and betas, biases: SGD without
	Steps                // LSQ steps of weights and inputs: LogAdam
	groups
)

func (g Group) String() string { return [...]string{"filters", "affine", "steps"}[g] }

// Flat is one group's values, gradients and optimizer moments, each one buffer f32 [len].
type Flat struct{ Value, Grad, M, V *cuda.Tensor }

// Entry is one named parameter: a view of its group's buffers.
type Entry struct {
	Name        string
	Group       Group
	Offset      int
	Value, Grad *cuda.Tensor
}

// LayerParams are the parameters of one convolution. B is 1 for the filter of a SharedWeights or fp32 net.
type LayerParams struct {
	Name                  string
	WeightBits, InputBits []int // candidates; nil in an fp32 net
	Signed                bool  // of the input codes
	Quantizer             Quantizer
	W, DW                 *cuda.Tensor // [B,K,R,S,C/groups]
	// Steps, or the ranges' ends of a Residual net; nil in an fp32 net. B is 1 where the quantizer is nested.
	WStep, DWStep *cuda.Tensor // [B,K] or, PerTensor, [B]
	XStep, DXStep *cuda.Tensor // [B]
	Bias, DBias   *cuda.Tensor // [K] or nil
	// Prune multiplies each output channel's filter; DPrune is its gradient, added to. Set before a Plan is made, of nested quantizers
	// only; no parameter, and not State's.
	Prune, DPrune *cuda.Tensor // [K] or nil
}

// Params holds the values of a net on a device.
type Params struct {
	Dev     *cuda.Device
	Graph   *Graph
	Config  Config
	Groups  [groups]Flat
	Entries []Entry       // in the order of the net
	Layers  []LayerParams // one a convolution, in the order of the net
	Norms   []NormParams
	Slopes  []SlopeParams // one a PReLU
	Stats   *cuda.Tensor  // every running mean and variance, flat
	norm    map[int]int   // node -> Norms
	layer   map[int]int   // node -> Layers
	slope   map[int]int   // node -> Slopes
}

// SlopeParams are what a PReLU multiplies negative values by.
type SlopeParams struct {
	Name          string
	Slope, DSlope *cuda.Tensor // [C]
}

// prelu is what PReLU's slopes start from (He et al. 2015, section 2.1).
const prelu = 0.25

// NewParams allocates the parameters of g: filters and biases 0, gammas 1 (first set; conditional
// additions 0), betas 0, steps 1, slopes 1/4, running means 0 and variances 1.
func NewParams(dev *cuda.Device, g *Graph, c Config) *Params {
	c.check()
	p := &Params{Dev: dev, Graph: g, Config: c, norm: map[int]int{}, layer: map[int]int{}, slope: map[int]int{}}
	b := &paramBuilder{p: p}
	for i, n := range g.Nodes {
		switch n.Op {
		case OpConv:
			b.addLayer(i, n)
		case OpNorm:
			b.addNorm(i, n)
		case OpAct:
			b.addSlope(i, n)
		}
	}
	b.allocate()
	return p
}

// Free returns the memory.
func (p *Params) Free() {
	for _, f := range p.Groups {
		for _, t := range []*cuda.Tensor{f.Value, f.Grad, f.M, f.V} {
			if t != nil {
				t.Free()
			}
		}
	}
	p.Stats.Free()
}

// Layer is the parameters of the convolution at a node, and its place in Layers.
func (p *Params) Layer(node int) (*LayerParams, int) { return &p.Layers[p.layer[node]], p.layer[node] }

// Norm is the parameters of the batch norm at a node.
func (p *Params) Norm(node int) *NormParams { return &p.Norms[p.norm[node]] }

// Quantized tells whether the net has quantizers at all.
func (p *Params) Quantized() bool { return p.Config.Space != nil }

// paramBuilder collects sizes first, so that each group is one buffer, and hands out the views after.
type paramBuilder struct {
	p     *Params
	sizes [groups]int
	stats int
	bind  []func() // run once the buffers exist
}

func (b *paramBuilder) want(name string, g Group, value, grad **cuda.Tensor, fill float32, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	offset := b.sizes[g]
	b.sizes[g] += n
	b.bind = append(b.bind, func() {
		f := b.p.Groups[g]
		*value, *grad = f.Value.View(offset, shape...), f.Grad.View(offset, shape...)
		if fill != 0 {
			fillWith(*value, fill)
		}
		b.p.Entries = append(b.p.Entries, Entry{Name: name, Group: g, Offset: offset, Value: *value, Grad: *grad})
	})
}

func fillWith(t *cuda.Tensor, v float32) {
	values := make([]float32, t.Len())
	for i := range values {
		values[i] = v
	}
	t.Set(values)
}

func (b *paramBuilder) addLayer(node int, n Node) {
	p, index := b.p, len(b.p.Layers)
	p.layer[node] = index
	p.Layers = append(p.Layers, LayerParams{Name: n.Name})
	l := func() *LayerParams { return &p.Layers[index] } // Layers grows until all are added
	tensors := 1
	if s := p.Config.Space; s != nil {
		l().WeightBits, l().InputBits = s.Weight[index], s.Input[index]
		l().Signed, l().Quantizer = s.Layers[index].SignedInput, p.Config.Quantizer
		if !p.Config.SharedWeights {
			tensors = len(s.Weight[index])
		}
	}
	in := p.Graph.Nodes[n.In[0]].C / n.Conv.Groups
	var lp layerSlots
	b.want(n.Name+".weight", Filters, &lp.w, &lp.dw, 0, tensors, n.C, n.Conv.R, n.Conv.S, in)
	if n.Conv.Bias {
		b.want(n.Name+".bias", Affine, &lp.bias, &lp.dbias, 0, n.C)
	}
	if p.Quantized() {
		count, name := p.Config.Quantizer.parameters(len(l().WeightBits))
		steps := []int{count, n.C}
		if n.Conv.PerTensor {
			steps = steps[:1]
		}
		b.want(n.Name+".weight_"+name, Steps, &lp.ws, &lp.dws, 1, steps...)
		count, name = p.Config.Quantizer.parameters(len(l().InputBits))
		b.want(n.Name+".input_"+name, Steps, &lp.xs, &lp.dxs, 1, count)
	}
	b.bind = append(b.bind, func() {
		l := l()
		l.W, l.DW, l.Bias, l.DBias = lp.w, lp.dw, lp.bias, lp.dbias
		l.WStep, l.DWStep, l.XStep, l.DXStep = lp.ws, lp.dws, lp.xs, lp.dxs
	})
}

func (b *paramBuilder) addSlope(node int, n Node) {
	if n.Act.Kind != cuda.ActPReLU {
		return
	}
	p, index := b.p, len(b.p.Slopes)
	p.slope[node] = index
	p.Slopes = append(p.Slopes, SlopeParams{Name: n.Name})
	var slope, grad *cuda.Tensor
	b.want(n.Name+".weight", Affine, &slope, &grad, prelu, n.C)
	b.bind = append(b.bind, func() { p.Slopes[index].Slope, p.Slopes[index].DSlope = slope, grad })
}

// TakeSlopes copies the slopes of another net of the same graph.
func (p *Params) TakeSlopes(from *Params) {
	for i, s := range p.Slopes {
		s.Slope.CopyFrom(from.Slopes[i].Slope)
	}
}

type layerSlots struct{ w, dw, ws, dws, xs, dxs, bias, dbias *cuda.Tensor }

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

func (b *paramBuilder) allocate() {
	p := b.p
	for g := range p.Groups {
		n := max(1, b.sizes[g]) // a net without norms still has a buffer
		f := &p.Groups[g]
		f.Value, f.Grad, f.M = p.Dev.New(cuda.Float32, n), p.Dev.New(cuda.Float32, n), p.Dev.New(cuda.Float32, n)
		if Group(g) == Steps || p.Config.Adam {
			f.V = p.Dev.New(cuda.Float32, n)
		}
	}
	p.Stats = p.Dev.New(cuda.Float32, max(1, b.stats))
	for _, f := range b.bind {
		f()
	}
}

// SetFilter starts every bit width's filter of a layer from one [K,R,S,C/groups].
func (l *LayerParams) SetFilter(w []float32) {
	if l.W.Len()%len(w) != 0 {
		panic(fmt.Sprintf("nn.SetFilter %s: %d values for %v", l.Name, len(w), l.W))
	}
	for b := range l.W.Dim(0) {
		l.W.View(b*len(w), l.W.Shape()[1:]...).Set(w)
	}
}
