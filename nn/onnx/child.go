package onnx

import (
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Child is a net of fixed bits as files hold it: integer codes of the filters, batch norm folded into the scales and biases of the
// convolutions in front of it. It lies on the host.
type Child struct {
	Graph    *nn.Graph
	Layers   []Layer              // one a convolution, in the order of the net
	Affine   map[int][2][]float32 // scale and shift [C] of the norm nodes that no convolution takes in
	Slopes   map[int][]float32    // [C] of the PReLU nodes
	Metadata map[string]string    // what a file says of itself

	foldedInto map[int]int // norm node -> its convolution's
}

// Layer is one convolution of a Child: y = Scale[k] * InputStep * (sum of products of codes) + Bias[k].
type Layer struct {
	Name                  string
	WeightBits, InputBits int
	SignedInput           bool
	InputStep             float32
	Codes                 []int8    // [K,C/Groups,R,S], two's complement of WeightBits
	WeightStep            []float32 // [K] or, one for all, [1]: what a code stands for before folding
	Scale                 []float32 // the same with the norm folded in: below 0 where its gamma is
	Bias                  []float32 // [K], the norm folded in
}

// defaultEps is PyTorch's, where a norm names none.
const defaultEps = 1e-5

// TakeChild reads a net that has one candidate a gate, plain norms and LSQ steps, as onesot's Extract and fine-tuning give it, with the
// running statistics that it holds.
func TakeChild(p *nn.Params) (*Child, error) {
	if !p.Quantized() || p.Config.Quantizer != nn.LSQ || p.Config.Norm != nn.NormPlain {
		return nil, fmt.Errorf("export: the net has %v quantizers and norm %q, want one child's lsq and %q", p.Config.Quantizer, p.Config.Norm, nn.NormPlain)
	}
	c := &Child{Graph: p.Graph, Affine: map[int][2][]float32{}, Slopes: map[int][]float32{}, Metadata: map[string]string{}, foldedInto: map[int]int{}}
	for i := range p.Layers {
		l, err := takeLayer(&p.Layers[i])
		if err != nil {
			return nil, err
		}
		c.Layers = append(c.Layers, l)
	}
	values := map[string][]float32{}
	for _, e := range p.Entries {
		if e.Group == nn.Affine {
			values[e.Name] = e.Value.Get(nil)
		}
	}
	layer := map[int]int{}
	for i, n := range c.Graph.Nodes {
		switch n.Op {
		case nn.OpConv:
			layer[i] = len(layer)
		case nn.OpNorm:
			scale, shift := foldNorm(p.Norm(i), n)
			if k, ok := layer[n.In[0]]; ok && len(c.readers(n.In[0])) == 1 {
				c.Layers[k].take(scale, shift)
				c.foldedInto[i] = n.In[0]
			} else {
				c.Affine[i] = [2][]float32{narrow(scale), narrow(shift)}
			}
		case nn.OpAct:
			if slopes, ok := values[n.Name+".weight"]; ok && n.Name != "" {
				c.Slopes[i] = slopes
			}
		}
	}
	return c, nil
}

// takeLayer quantizes a layer's filters as the kernels do: rint(clamp(w/step)).
func takeLayer(p *nn.LayerParams) (Layer, error) {
	if len(p.WeightBits) != 1 || len(p.InputBits) != 1 || p.Prune != nil {
		return Layer{}, fmt.Errorf("export: layer %s has weight bits %v and input bits %v, want one of each", p.Name, p.WeightBits, p.InputBits)
	}
	k, rs, in := p.W.Dim(1), p.W.Dim(2)*p.W.Dim(3), p.W.Dim(4)
	l := Layer{Name: p.Name, WeightBits: p.WeightBits[0], InputBits: p.InputBits[0], SignedInput: p.Signed,
		InputStep: p.XStep.Get(nil)[0], WeightStep: p.WStep.Get(nil), Bias: make([]float32, k), Codes: make([]int8, k*rs*in)}
	w, r := p.W.Get(nil), quant.Signed(l.WeightBits)
	for at, v := range w {
		ch, tap, j := at/(rs*in), at/in%rs, at%in
		code := min(max(v/l.WeightStep[min(ch, len(l.WeightStep)-1)], float32(r.Min)), float32(r.Max))
		l.Codes[(ch*in+j)*rs+tap] = int8(math.RoundToEven(float64(code)))
	}
	if p.Bias != nil {
		l.Bias = p.Bias.Get(nil)
	}
	l.Scale = append([]float32(nil), l.WeightStep...)
	return l, nil
}

// foldNorm is the norm as scale*x + shift.
func foldNorm(p *nn.NormParams, n nn.Node) (scale, shift []float64) {
	eps := float64(n.Eps)
	if eps == 0 {
		eps = defaultEps
	}
	gamma, beta, mean, variance := p.Gamma.Get(nil), p.Beta.Get(nil), p.Mean.Get(nil), p.Var.Get(nil)
	for i := range gamma {
		s := float64(gamma[i]) / math.Sqrt(float64(variance[i])+eps)
		scale, shift = append(scale, s), append(shift, float64(beta[i])-float64(mean[i])*s)
	}
	return scale, shift
}

// take folds scale*x + shift into the layer; in float64, each result rounded once.
func (l *Layer) take(scale, shift []float64) {
	steps := l.Scale
	l.Scale = make([]float32, len(scale))
	for k := range scale {
		l.Scale[k] = float32(float64(steps[min(k, len(steps)-1)]) * scale[k])
		l.Bias[k] = float32(float64(l.Bias[k])*scale[k] + shift[k])
	}
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out
}

// readers are the nodes that read node i.
func (c *Child) readers(i int) []int {
	var out []int
	for j, n := range c.Graph.Nodes {
		for _, in := range n.In {
			if in == i {
				out = append(out, j)
			}
		}
	}
	return out
}

// Names are what the values of the graph's nodes are called in a file; "" for a convolution that its norm is folded into.
func (c *Child) Names() []string {
	names, seen := make([]string, len(c.Graph.Nodes)), map[string]bool{"output": true}
	for i, n := range c.Graph.Nodes {
		name := n.Name
		if i == 0 {
			name = "input"
		}
		if name == "" || seen[name] {
			name = fmt.Sprintf("%v_%d", n.Op, i)
		}
		names[i], seen[name] = name, true
	}
	for _, conv := range c.foldedInto {
		names[conv] = ""
	}
	if last := len(names) - 1; !c.Classifies() {
		names[last] = "output"
	}
	return names
}

// Classifies tells whether the net's output is a logit a class; else it is an image.
func (c *Child) Classifies() bool { n := c.Graph.Output(); return n.H == 1 && n.W == 1 }
