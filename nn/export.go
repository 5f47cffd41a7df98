package nn

import (
	"gorgonia.org/tensor"

	"vimps-gpu/nn/weights"
)

// Export lists the tensors of an fp32 net with torchvision's names and shapes, as Load reads them.
func (p *Params) Export() []weights.Named {
	var out []weights.Named
	add := func(name string, values []float32, shape ...int) {
		out = append(out, weights.Named{Name: name, Tensor: tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))})
	}
	for i, node := range p.Graph.Convs() {
		l, n := &p.Layers[i], p.Graph.Nodes[node]
		c, rs := l.W.Dim(4), n.Conv.R*n.Conv.S
		shape := []int{n.C, c, n.Conv.R, n.Conv.S}
		if n.Conv.Linear {
			shape = []int{n.C, c * rs}
		}
		add(l.Name+".weight", toKCRS(l.W.Get(nil), n.C, c, rs), shape...)
		if l.Bias != nil {
			add(l.Name+".bias", l.Bias.Get(nil), n.C)
		}
	}
	for i := range p.Norms {
		n := &p.Norms[i]
		c := n.Gamma.Dim(1)
		add(n.Name+".weight", n.Gamma.Get(nil), c)
		add(n.Name+".bias", n.Beta.Get(nil), c)
		add(n.Name+".running_mean", n.Mean.Get(nil), c)
		add(n.Name+".running_var", n.Var.Get(nil), c)
	}
	for _, s := range p.Slopes {
		add(s.Name+".weight", s.Slope.Get(nil), s.Slope.Len())
	}
	return out
}

// toKCRS turns filters [K,RS,C] into [K,C,RS].
func toKCRS(w []float32, k, c, rs int) []float32 {
	out := make([]float32, len(w))
	for i := range k {
		for t := range rs {
			for j := range c {
				out[(i*c+j)*rs+t] = w[(i*rs+t)*c+j]
			}
		}
	}
	return out
}
