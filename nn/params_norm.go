package nn

import "vimps-gpu/cuda"

// normEps is PyTorch's default, with which the published weights were trained.
const normEps = 1e-5

// NormKind is how batch norm depends on the gates of the convolution before it (method.md, section 5).
type NormKind string

// The kinds of batch norm.
const (
	NormPlain NormKind = "bn"   // one set
	NormPair  NormKind = "pair" // a set, statistics included, for each pair of weight and input option
	NormGate  NormKind = "gate" // gamma and beta linear in the gates, shared statistics
	NormEta   NormKind = "eta"  // gamma and beta cubic in u(eta), shared statistics
	// As pair, but the input option is that of the convolution behind (transitional batch norm, Bulat and Tzimiropoulos, ICCV 2021).
	NormTransition NormKind = "transition"
)

// NormParams are the parameters of one batch norm with T affine and S statistics sets.
type NormParams struct {
	Name                        string
	Kind                        NormKind     // NormPlain where all that it depends on is pinned, and behind anything but a convolution
	Layer, InputLayer           int          // indices in Params.Layers of the convolutions whose weight and input gate it depends on; -1: none
	WeightOptions, InputOptions int          // of those gates, 1 where pinned
	Gamma, DGamma, Beta, DBeta  *cuda.Tensor // [T,C]
	Mean, Var                   *cuda.Tensor // running statistics [S,C]: views of Params.Stats
	Eps                         float32      // added to variances
}

func (b *paramBuilder) addNorm(node int, n Node) {
	p, index := b.p, len(b.p.Norms)
	p.norm[node] = index
	layer, behind := p.layer[n.In[0]]
	if !behind {
		layer = -1
	}
	np := NormParams{Name: n.Name, Kind: p.Config.Norm, Layer: layer, InputLayer: layer, WeightOptions: 1, InputOptions: 1, Eps: n.Eps}
	if np.Eps == 0 {
		np.Eps = normEps
	}
	if behind && np.Kind == NormTransition {
		np.InputLayer = p.Graph.layerBehind(node)
	}
	switch s := p.Config.Space; {
	case s == nil || !behind:
	case np.InputLayer < 0: // nothing behind: as if pinned
		np.InputLayer, np.WeightOptions = layer, len(s.Weight[layer])
	default:
		np.WeightOptions, np.InputOptions = len(s.Weight[layer]), len(s.Input[np.InputLayer])
	}
	if np.WeightOptions == 1 && np.InputOptions == 1 {
		np.Kind = NormPlain
	}
	p.Norms = append(p.Norms, np)
	t, s := cuda.NormSets(np.Kind.coefficients(), np.WeightOptions, np.InputOptions)
	var g, dg, be, dbe *cuda.Tensor
	b.want(n.Name+".weight", Affine, &g, &dg, 0, t, n.C)
	b.want(n.Name+".bias", Affine, &be, &dbe, 0, t, n.C)
	offset := b.stats
	b.stats += 2 * s * n.C
	b.bind = append(b.bind, func() {
		np := &p.Norms[index]
		np.Gamma, np.DGamma, np.Beta, np.DBeta = g, dg, be, dbe
		np.Mean, np.Var = p.Stats.View(offset, s, n.C), p.Stats.View(offset+s*n.C, s, n.C)
		np.SetAffine(ones(n.C), make([]float32, n.C))
		fillWith(np.Var, 1)
	})
}

// coefficients is the kind as NormCoef has it.
func (k NormKind) coefficients() string {
	if k == NormTransition {
		return string(NormPair)
	}
	return string(k)
}

// SetAffine starts every set of a norm from one gamma and beta [C]. Additions of the kinds gate and
// eta start at 0.
func (n *NormParams) SetAffine(gamma, beta []float32) {
	c := len(gamma)
	for t := range n.Gamma.Dim(0) {
		g, b := gamma, beta
		if t > 0 && n.Kind.coefficients() != string(NormPair) {
			g, b = make([]float32, c), make([]float32, c)
		}
		n.Gamma.View(t*c, c).Set(g)
		n.Beta.View(t*c, c).Set(b)
	}
}

// SetStats starts every set of a norm's running statistics from one mean and variance [C].
func (n *NormParams) SetStats(mean, variance []float32) {
	c := len(mean)
	for s := range n.Mean.Dim(0) {
		n.Mean.View(s*c, c).Set(mean)
		n.Var.View(s*c, c).Set(variance)
	}
}
