package nn

import (
	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// normEps is added to variances (PyTorch's default, with which the published weights were trained).
const normEps = 1e-5

// unitStep is norm, addition of a shortcut and relu in one pass over the images; each part is optional.
type unitStep struct {
	u            unit
	params       *NormParams // nil without a norm
	y, a         *cuda.Tensor
	shortcut     cuda.Shortcut
	v, dv        *cuda.Tensor // [T] coefficients of the norm's sets
	rows         *cuda.Tensor // [N,2,C] statistics of the images
	mean, inv    *cuda.Tensor // [C]
	scale, shift *cuda.Tensor // [C]

	// backward
	da, dy    *cuda.Tensor // da becomes the gradient in front of the relu
	drows     *cuda.Tensor // [N,2,C]
	coef      *cuda.Tensor // [3,C]
	dshortcut cuda.Shortcut
	addDs     bool
	addDy     bool // without a norm: d is added to the input's gradient
}

func newUnitStep(p *Plan, u unit) *unitStep {
	g := p.Params.Graph
	s := &unitStep{u: u, y: p.value[u.src]}
	n := g.Nodes[u.out]
	vec := func(shape ...int) *cuda.Tensor { return p.keep(p.dev.New(cuda.Float32, shape...)) }
	if u.norm >= 0 {
		s.params = p.Params.Norm(u.norm)
		t := s.params.Gamma.Dim(0)
		s.v = vec(t)
		s.scale, s.shift, s.mean, s.inv = vec(n.C), vec(n.C), vec(n.C), vec(n.C)
		if p.Options.BatchStats {
			s.rows = vec(p.Options.Batch, 2, n.C)
		}
	}
	if u.add >= 0 {
		add := g.Nodes[u.add]
		s.shortcut = cuda.Shortcut{T: p.value[add.In[1]], Stride: add.Stride, Offset: add.Offset}
	}
	s.a = p.take(n, p.valueBorder(u.out))
	p.value[u.out] = s.a
	return s
}

// coefficients names the gate rows that a norm is conditioned on; nil for a pinned one.
func (s *unitStep) coefficients(p *Plan) cuda.NormCoef {
	c := cuda.NormCoef{Kind: string(s.params.Kind), WeightOptions: s.params.WeightOptions, InputOptions: s.params.InputOptions, U: p.scalars.U}
	if c.WeightOptions > 1 {
		c.ZW, c.DZW = p.gates.view(p.gates.Z, s.params.Layer, quant.Weight), p.gates.view(p.gates.DZ, s.params.Layer, quant.Weight)
	}
	if c.InputOptions > 1 {
		c.ZX, c.DZX = p.gates.view(p.gates.Z, s.params.Layer, quant.Input), p.gates.view(p.gates.DZ, s.params.Layer, quant.Input)
	}
	return c
}

// running emits scale and shift from the running statistics.
func (s *unitStep) running(p *Plan) {
	if s.params == nil {
		return
	}
	cuda.NormCoefficients(s.v, s.coefficients(p))
	cuda.NormEval(s.scale, s.shift, s.v, s.normTensors())
}

func (s *unitStep) normTensors() cuda.NormTensors {
	return cuda.NormTensors{
		Gamma: s.params.Gamma, Beta: s.params.Beta, DGamma: s.params.DGamma, DBeta: s.params.DBeta,
		Mean: s.params.Mean, Var: s.params.Var, Eps: normEps,
	}
}

func (s *unitStep) forward(p *Plan) {
	if s.params != nil && p.Options.BatchStats {
		cuda.NormStats(s.rows, s.y)
		cuda.NormCoefficients(s.v, s.coefficients(p))
		cuda.NormCombine(s.mean, s.inv, s.scale, s.shift, s.rows, s.v, s.normTensors(), p.scalars.Momentum, s.y)
	}
	cuda.NormApply(s.a, s.y, s.scale, s.shift, s.shortcut, s.u.relu)
}

func (s *unitStep) compileBackward(p *Plan) {
	g := p.Params.Graph
	n := g.Nodes[s.u.out]
	s.da = p.grad[s.u.out]
	if s.shortcut.T != nil {
		s.dshortcut = s.shortcut
		s.dshortcut.T, s.addDs = p.addGrad(g.Nodes[s.u.add].In[1])
	}
	if s.params == nil {
		s.dy, s.addDy = p.addGrad(s.u.src)
		p.give(s.da)
		p.grad[s.u.out] = nil
		return
	}
	s.drows = p.keep(p.dev.New(cuda.Float32, p.Options.Batch, 2, n.C))
	s.coef = p.keep(p.dev.New(cuda.Float32, 3, n.C))
	if s.params.Gamma.Dim(0) > 1 {
		s.dv = p.keep(p.dev.New(cuda.Float32, s.params.Gamma.Dim(0)))
	}
	// The convolution in front reads its output's gradient inside the border that its dgrad needs.
	conv := p.convAt(s.u.src)
	s.dy = p.take(g.Nodes[s.u.src], conv.filter.DyBorder())
	p.grad[s.u.src] = s.dy
	p.give(s.da)
	p.grad[s.u.out] = nil
}

func (p *Plan) convAt(node int) *convStep {
	for _, s := range p.steps {
		if c, ok := s.(*convStep); ok && c.node == node {
			return c
		}
	}
	panic("nn: a norm without a convolution in front of it")
}

func (s *unitStep) backward(p *Plan) {
	if s.params == nil {
		cuda.ReLUGrad(s.da, s.a, s.dshortcut, s.addDs, s.u.relu)
		cuda.MixInputGrad(s.dy, nil, s.da, s.y, nil, s.addDy)
		return
	}
	cuda.NormGradStats(s.drows, s.da, s.a, s.y, s.mean, s.inv, s.dshortcut, s.addDs, s.u.relu)
	p.flush()
	coef := s.coefficients(p)
	cuda.NormGradCombine(s.coef, s.dv, s.drows, s.v, s.normTensors(), s.mean, s.inv, s.scale, p.scalars.GradScale, s.y)
	if s.dv != nil {
		cuda.NormCoefficientsGrad(s.dv, coef)
	}
	cuda.NormGradApply(s.dy, s.da, s.y, s.coef)
}

// poolStep is the global average.
type poolStep struct {
	in, out int
	x, y    *cuda.Tensor
	dx, dy  *cuda.Tensor
	add     bool
}

func (s *poolStep) forward(*Plan) { cuda.AvgPool(s.y, s.x) }

func (s *poolStep) compileBackward(p *Plan) {
	s.dy = p.grad[s.out]
	s.dx, s.add = p.addGrad(s.in)
	p.give(s.dy)
	p.grad[s.out] = nil
}

func (s *poolStep) backward(*Plan) { cuda.AvgPoolGrad(s.dx, s.dy, s.add) }
