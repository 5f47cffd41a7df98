package nn

import (
	"slices"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// unitStep is norm, addition of a shortcut and relu in one pass over the images, each part optional, with the input
// mixes of the convolutions that read it.
type unitStep struct {
	u      unit
	params *NormParams // nil without a norm
	unit   cuda.Unit
	grad   cuda.UnitGrad
	mixers []*convStep  // whose mixes are unit.Mixes
	v, dv  *cuda.Tensor // [T] coefficients of the norm's sets
	rows   *cuda.Tensor // [R,2,C] statistics
	addTo  *cuda.Tensor // where the gradient of a value that has other readers is added to, behind grad.DY
}

func newUnitStep(p *Plan, u unit) *unitStep {
	g := p.Graph
	s := &unitStep{u: u, unit: cuda.Unit{Y: p.value[u.src], ReLU: u.relu, Cap: u.cap}}
	n := g.Nodes[u.out]
	vec := func(shape ...int) *cuda.Tensor { return p.keep(p.dev.New(cuda.Float32, shape...)) }
	if u.norm >= 0 {
		s.params = p.Params.Norm(u.norm)
		s.v = vec(s.params.Gamma.Dim(0))
		s.unit.Scale, s.unit.Shift, s.unit.Mean, s.unit.Inv = vec(n.C), vec(n.C), vec(n.C), vec(n.C)
		if p.Options.BatchStats {
			s.rows = vec(p.dev.NormRows(s.unit.Y), 2, n.C)
		}
	}
	if u.add >= 0 {
		add := g.Nodes[u.add]
		s.unit.Shortcut = cuda.Shortcut{T: p.value[u.shortcut], Stride: add.Stride, Offset: add.Offset}
	}
	if s.takeMixes(p) {
		s.unit.A = p.take(u.out, p.valueBorder(u.out))
	}
	p.value[u.out] = s.unit.A
	return s
}

// takeMixes gives the convolutions that read the unit's output the buffers of their mixed inputs, and tells whether
// the output itself must be kept.
func (s *unitStep) takeMixes(p *Plan) (keep bool) {
	g := p.Graph
	keep = !p.dev.RecomputesUnits() || p.Options.KeepValues || s.u.out == len(g.Nodes)-1
	room := p.dev.FusedMixes()
	if p.Params.Config.Quantizer != LSQ {
		room = 0 // a unit can only mix
	}
	for i, n := range g.Nodes {
		for _, in := range n.In {
			switch {
			case in != s.u.out:
			case n.Op == OpConv && p.Params.Quantized() && !p.Options.Integer && room > 0:
				p.mixes[i] = p.take(s.u.out, n.Conv.Pad)
				room--
			default:
				keep = true
			}
		}
	}
	return keep
}

// coefficients names the gate rows that a norm is conditioned on; nil for a pinned one.
func (s *unitStep) coefficients(p *Plan) cuda.NormCoef {
	c := cuda.NormCoef{Kind: s.params.Kind.coefficients(), WeightOptions: s.params.WeightOptions, InputOptions: s.params.InputOptions, U: p.scalars.U}
	if c.WeightOptions > 1 {
		c.ZW, c.DZW = p.gates.view(p.gates.Z, s.params.Layer, quant.Weight), p.gates.view(p.gates.DZ, s.params.Layer, quant.Weight)
	}
	if c.InputOptions > 1 {
		c.ZX, c.DZX = p.gates.view(p.gates.Z, s.params.InputLayer, quant.Input), p.gates.view(p.gates.DZ, s.params.InputLayer, quant.Input)
	}
	return c
}

// running emits scale and shift from the running statistics.
func (s *unitStep) running(p *Plan) {
	if s.params == nil {
		return
	}
	cuda.NormCoefficients(s.v, s.coefficients(p))
	cuda.NormEval(s.unit.Scale, s.unit.Shift, s.v, s.normTensors())
}

func (s *unitStep) normTensors() cuda.NormTensors {
	return cuda.NormTensors{
		Gamma: s.params.Gamma, Beta: s.params.Beta, DGamma: s.params.DGamma, DBeta: s.params.DBeta,
		Mean: s.params.Mean, Var: s.params.Var, Eps: s.params.Eps,
	}
}

func (s *unitStep) forward(p *Plan) {
	if s.params != nil && p.Options.BatchStats {
		u := &s.unit
		cuda.NormStats(s.rows, u.Y)
		cuda.NormCoefficients(s.v, s.coefficients(p))
		cuda.NormCombine(u.Mean, u.Inv, u.Scale, u.Shift, s.rows, s.v, s.normTensors(), p.scalars.Momentum, u.Y)
	}
	cuda.UnitForward(&s.unit)
}

func (s *unitStep) compileBackward(p *Plan) {
	n := p.Graph.Nodes[s.u.out]
	s.grad.DA, s.grad.HasDA = p.grad[s.u.out], p.grad[s.u.out] != nil
	if !s.grad.HasDA && !p.dev.RecomputesUnits() {
		s.grad.DA = p.take(s.u.out, 0)
	}
	for i, c := range s.mixers {
		m := &s.unit.Mixes[i]
		m.Grad, m.Rows = c.dxq, p.keep(p.dev.New(cuda.Float32, p.dev.UnitRows(s.unit.Y), c.inputs.columns()))
		c.xrows = m.Rows
	}
	if s.unit.Shortcut.T != nil {
		s.grad.DShortcut = s.unit.Shortcut
		s.grad.DShortcut.T, s.grad.AddShortcut = p.addGrad(s.u.shortcut)
	}
	if s.params == nil {
		s.grad.DY, s.grad.AddDY = p.addGrad(s.u.src)
	} else {
		s.grad.Rows = p.keep(p.dev.New(cuda.Float32, p.dev.UnitRows(s.unit.Y), 2, n.C))
		s.grad.Coef = p.keep(p.dev.New(cuda.Float32, 3, n.C))
		if s.params.Gamma.Dim(0) > 1 {
			s.dv = p.keep(p.dev.New(cuda.Float32, s.params.Gamma.Dim(0)))
		}
		s.takeDY(p)
	}
	if s.grad.DA != nil {
		p.give(s.grad.DA)
	}
	for _, c := range s.mixers {
		p.give(c.dxq)
	}
	if s.addTo != nil {
		p.give(s.grad.DY)
	}
	p.grad[s.u.out] = nil
}

// takeDY gives the norm's input a gradient, which the norm writes. A convolution in front reads its output's gradient inside the
// border that its dgrad needs.
func (s *unitStep) takeDY(p *Plan) {
	border := 0
	for _, other := range p.steps {
		if c, ok := other.(*convStep); ok && c.node == s.u.src {
			border = c.filter.DyBorder()
		}
	}
	s.addTo = p.grad[s.u.src]
	if s.addTo != nil {
		border = 0
	}
	s.grad.DY = p.take(s.u.src, border)
	if s.addTo == nil {
		p.grad[s.u.src] = s.grad.DY
	}
}

func (s *unitStep) backward(p *Plan) {
	cuda.UnitGradReduce(&s.unit, &s.grad)
	for _, c := range slices.Backward(s.mixers) {
		p.pending = append(p.pending, func() { c.inputGradients(p) })
	}
	if s.params != nil {
		p.flush()
		u := &s.unit
		cuda.NormGradCombine(s.grad.Coef, s.dv, s.grad.Rows, s.v, s.normTensors(), u.Mean, u.Inv, u.Scale, p.scalars.GradScale, u.Y)
		if s.dv != nil {
			cuda.NormCoefficientsGrad(s.dv, s.coefficients(p))
		}
	}
	cuda.UnitGradApply(&s.unit, &s.grad)
	if s.addTo != nil {
		passGrad(s.addTo, s.grad.DY, s.unit.Y, true)
	}
}

// passGrad writes, or adds, dx = dy, both of x's shape.
func passGrad(dx, dy, x *cuda.Tensor, add bool) { cuda.MixInputGrad(dx, nil, dy, x, nil, add) }

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
