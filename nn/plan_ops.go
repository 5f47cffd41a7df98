package nn

import "vimps-gpu/cuda"

// opStep is an op that runs alone: activation, product, concatenation, pool over windows, shuffle, resize or padding.
type opStep struct {
	n          Node
	out        int
	x          []*cuda.Tensor // of n.In
	y          *cuda.Tensor
	act        cuda.Activation
	slope      *SlopeParams // of a PReLU
	rows, cols *cuda.Taps   // OpResize

	// backward
	dy      *cuda.Tensor
	dx      []*cuda.Tensor
	add     []bool
	partial *cuda.Tensor // of the slopes' gradient
	own     *cuda.Tensor // gradient of a product's second factor where it is the first too
}

func newOpStep(p *Plan, node int) *opStep {
	n := p.Graph.Nodes[node]
	s := &opStep{n: n, out: node}
	for _, in := range n.In {
		s.x = append(s.x, p.value[in])
	}
	s.y = p.take(node, p.valueBorder(node))
	p.value[node] = s.y
	switch n.Op {
	case OpAct:
		s.act = cuda.Activation{Kind: n.Act.Kind, Alpha: n.Act.Alpha, Beta: n.Act.Beta}
		if i, ok := p.Params.slope[node]; ok {
			s.slope = &p.Params.Slopes[i]
			s.act.Slope = s.slope.Slope
		}
	case OpResize:
		in, r := p.Graph.Nodes[n.In[0]], n.Resize.kernel()
		s.rows, s.cols = p.dev.NewTaps(in.H, n.H, r), p.dev.NewTaps(in.W, n.W, r)
		p.taps = append(p.taps, s.rows, s.cols)
	}
	return s
}

func (r Resize) kernel() cuda.Resampling {
	return cuda.Resampling{
		Interpolation: map[ResizeMode]cuda.Interpolation{ResizeNearest: cuda.Nearest, ResizeLinear: cuda.Linear, ResizeCubic: cuda.Cubic}[r.Mode],
		Coordinates:   map[Coordinates]cuda.Coordinates{HalfPixel: cuda.HalfPixel, Asymmetric: cuda.Asymmetric, AlignCorners: cuda.AlignCorners}[r.Coordinates],
		Floor:         r.Floor,
	}
}

func (w Window) kernel() cuda.Window {
	return cuda.Window{Max: w.Max, R: w.R, S: w.S, Stride: w.Stride, PadTop: w.PadTop, PadLeft: w.PadLeft, CountPad: w.CountPad}
}

func (s *opStep) forward(*Plan) {
	n, x := s.n, s.x[0]
	switch n.Op {
	case OpAct:
		cuda.Activate(s.y, x, s.act)
	case OpMul:
		cuda.Multiply(s.y, x, s.x[1])
	case OpConcat:
		channel := 0
		for _, x := range s.x {
			cuda.Place(s.y, x, 0, 0, channel, false)
			channel += x.Dim(3)
		}
	case OpPool:
		cuda.Pool(s.y, x, n.Pool.kernel())
	case OpShuffle:
		cuda.DepthToSpace(s.y, x, n.Shuffle.Block, n.Shuffle.DCR)
	case OpResize:
		cuda.Resample(s.y, x, s.rows, s.cols, false)
	case OpPad:
		cuda.Place(s.y, x, n.Pads.Top, n.Pads.Left, 0, true)
	}
}

func (s *opStep) compileBackward(p *Plan) {
	s.dy = p.grad[s.out]
	for _, in := range s.n.In {
		dx, add := p.addGrad(in)
		s.dx, s.add = append(s.dx, dx), append(s.add, add)
	}
	if s.n.Op == OpMul && s.dx[0] == s.dx[1] {
		s.own = p.take(s.n.In[1], 0)
		p.give(s.own)
	}
	if s.slope != nil {
		s.partial = p.keep(p.dev.New(cuda.Float32, p.dev.ActivateRows(s.x[0]), s.n.C))
	}
	p.give(s.dy)
	p.grad[s.out] = nil
}

func (s *opStep) backward(p *Plan) {
	n, x, dx, add := s.n, s.x[0], s.dx[0], s.add[0]
	switch n.Op {
	case OpAct:
		cuda.ActivateGrad(dx, s.partial, s.dy, x, s.act, add)
		if s.slope != nil {
			p.pending = append(p.pending, func() { cuda.SumRows(s.slope.DSlope, s.partial, p.scalars.GradScale, true) })
		}
	case OpMul:
		s.productGrad()
	case OpConcat:
		channel := 0
		for i, dx := range s.dx {
			cuda.PlaceGrad(dx, s.dy, 0, 0, channel, s.add[i])
			channel += dx.Dim(3)
		}
	case OpPool:
		cuda.PoolGrad(dx, s.dy, x, n.Pool.kernel(), add)
	case OpShuffle:
		cuda.DepthToSpaceGrad(dx, s.dy, n.Shuffle.Block, n.Shuffle.DCR, add)
	case OpResize:
		cuda.ResampleGrad(dx, s.dy, s.rows, s.cols, add)
	case OpPad:
		cuda.PlaceGrad(dx, s.dy, n.Pads.Top, n.Pads.Left, 0, add)
	}
}

func (s *opStep) productGrad() {
	a, b := s.x[0], s.x[1]
	if s.own == nil {
		cuda.MultiplyGrad(s.dx[0], s.dx[1], s.dy, a, b, s.add[0], s.add[1])
		return
	}
	cuda.MultiplyGrad(s.dx[0], s.own, s.dy, a, b, s.add[0], false)
	passGrad(s.dx[0], s.own, b, true)
}
