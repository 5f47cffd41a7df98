package nn

import (
	"math"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// convStep is input mix, weight mix and convolution.
type convStep struct {
	node, in        int
	params          *LayerParams
	filter          *cuda.Filter
	weights, inputs *operand     // nil in an fp32 net
	mixed           *cuda.Tensor // weights under the gates [K,R,S,C/groups]
	x, xq, y        *cuda.Tensor // input (nil where not kept), mixed input (x itself in an fp32 net), output
	mixedBy         *unitStep    // the unit that writes xq with its own output, or nil

	// backward
	dmixed, wrows, xrows *cuda.Tensor // gradient of mixed; sums of the mixes' gradients [K,columns], [N,columns]
	brows                *cuda.Tensor // bias gradients of the images [N,K]
	dy, dxq, dx          *cuda.Tensor
	dyFrom               *cuda.Tensor // gradient of the output where it must be copied into a border first
	addDx                bool
}

func codeRanges(bits []int, signed bool) (lo, hi []float32) {
	for _, b := range bits {
		r := quant.Unsigned
		if signed {
			r = quant.Signed
		}
		lo, hi = append(lo, float32(r(b).Min)), append(hi, float32(r(b).Max))
	}
	return lo, hi
}

func convGeom(g *Graph, n Node) cuda.ConvGeom {
	return cuda.ConvGeom{C: g.Nodes[n.In[0]].C, K: n.C, R: n.Conv.R, S: n.Conv.S, Stride: n.Conv.Stride, Pad: n.Conv.Pad, Dilation: n.Conv.Dilation, Groups: n.Conv.Groups}
}

func newConvStep(p *Plan, node int) *convStep {
	g := p.Graph
	n := g.Nodes[node]
	in := g.Nodes[n.In[0]]
	params, layer := p.Params.Layer(node)
	c := &convStep{node: node, in: n.In[0], params: params, x: p.value[n.In[0]]}
	c.filter = p.dev.NewFilter(convGeom(g, n), in.H, in.W, n.Conv.Bias, p.Options.Train)
	p.keep(c.filter.Forward)
	if c.filter.Backward != nil {
		p.keep(c.filter.Backward)
	}
	c.xq = c.x
	if p.Params.Quantized() {
		c.weights, c.inputs = p.operand(layer, quant.Weight), p.operand(layer, quant.Input)
		c.mixed = p.keep(p.dev.New(cuda.Float32, params.W.Shape()[1:]...))
		if c.xq = p.mixes[node]; c.xq == nil {
			c.xq = p.take(n.In[0], n.Conv.Pad)
		}
	} else {
		c.mixed = params.W.View(0, params.W.Shape()[1:]...)
	}
	c.y = p.take(node, p.valueBorder(node))
	if c.xq != c.x && !p.Options.Train {
		p.give(c.xq)
	}
	if u := p.unitAt(c.in); u != nil && p.mixes[node] != nil {
		c.mixedBy = u
		u.unit.Mixes = append(u.unit.Mixes, cuda.UnitMix{Mix: c.inputs.mix, Out: c.xq})
		u.mixers = append(u.mixers, c)
	}
	p.value[node] = c.y
	return c
}

func (c *convStep) pack(p *Plan) {
	if c.weights != nil {
		c.weights.weight(c.mixed, c.params.W, p.Params.Config.SharedWeights)
	}
	cuda.ConvPack(c.filter, c.mixed)
}

func (c *convStep) forward(*Plan) {
	if c.xq != c.x && c.mixedBy == nil {
		c.inputs.input(c.xq, c.x)
	}
	cuda.Conv(c.y, c.xq, c.filter, c.params.Bias)
}

func (c *convStep) compileBackward(p *Plan) {
	n := p.Graph.Nodes[c.node]
	dout := p.grad[c.node]
	border := c.filter.DyBorder()
	c.dy = dout
	if dout.Border() < border || dout.DType() != c.xq.DType() {
		c.dyFrom, c.dy = dout, p.takeAs(c.node, border, c.xq.DType())
	}
	need := c.filter.PartialLen(p.Options.Batch)
	if p.partial == nil || p.partial.Len() < need {
		p.partial = p.keep(p.dev.New(cuda.Float32, need))
	}
	if c.params.Bias != nil {
		c.brows = p.keep(p.dev.New(cuda.Float32, p.dev.BiasRows(c.dy), n.C))
	}
	if c.weights == nil {
		c.dmixed = p.keep(p.dev.New(cuda.Float32, c.mixed.Shape()...))
		if c.in != 0 {
			c.dx, c.addDx = p.addGrad(c.in)
			c.dxq = c.dx
			if c.addDx {
				c.dxq = p.take(c.in, 0)
			}
		}
	} else {
		c.dmixed = p.keep(p.dev.New(cuda.Float32, c.mixed.Shape()...))
		c.wrows = p.keep(p.dev.New(cuda.Float32, n.C, c.weights.columns()))
		c.dxq = p.take(c.in, 0)
		if c.mixedBy == nil {
			c.xrows = p.keep(p.dev.New(cuda.Float32, p.dev.MixRows(c.x), c.inputs.columns()))
			if c.in != 0 {
				c.dx, c.addDx = p.addGrad(c.in)
			}
		}
	}
	p.give(c.dy)
	if c.dxq != c.dx && c.mixedBy == nil { // else the unit reads dxq
		p.give(c.dxq)
	}
	if c.dyFrom != nil {
		p.give(c.dyFrom)
	}
	p.grad[c.node] = nil
}

func (c *convStep) backward(p *Plan) {
	if c.dyFrom != nil {
		cuda.CopyAct(c.dy, c.dyFrom)
	}
	if c.brows != nil {
		cuda.BiasGrad(c.brows, c.dy)
	}
	p.flush() // the chunks' buffer may hold another layer's
	cuda.ConvFilterGrad(p.partial, c.xq, c.dy, c.filter)
	if c.dxq != nil {
		cuda.ConvInputGrad(c.dxq, c.dy, c.filter)
	}
	if c.dxq != c.dx && c.mixedBy == nil {
		c.inputs.inputGrad(c.dx, c.xrows, c.dxq, c.x, c.addDx)
	}
	p.pending = append(p.pending, func() { c.parameterGradients(p) })
}

// parameterGradients emits what follows once all images are through: sums over chunks and images.
func (c *convStep) parameterGradients(p *Plan) {
	scale := p.scalars.GradScale
	cuda.ConvFilterGradReduce(c.dmixed, p.partial, c.filter, p.Options.Batch)
	if c.brows != nil {
		cuda.SumRows(c.params.DBias, c.brows, scale, true)
	}
	if c.weights == nil {
		cuda.AddScaled(c.params.DW, c.dmixed, scale)
		return
	}
	c.weights.weightGrad(c.params.DW, c.wrows, c.dmixed, c.params.W, p.Params.Config.SharedWeights, scale)
	c.weights.reduce(c.wrows, c.weightsPerStep(), scale)
	if c.mixedBy == nil {
		c.inputGradients(p)
	}
}

// inputGradients emits the sums over the images of the input mix's gradients, once whoever writes its rows has been emitted.
func (c *convStep) inputGradients(p *Plan) {
	c.inputs.reduce(c.xrows, c.xq.Len()/p.Options.Batch, p.scalars.GradScale)
}

func (c *convStep) weightsPerStep() int {
	if len(c.params.WStep.Shape()) == 2 {
		return c.mixed.Len() / c.mixed.Dim(0)
	}
	return c.mixed.Len()
}

// stepScale is LSQ's gradient scale of a step, 1/sqrt(n*qmax), n the values that share it
// (Esser et al. 2020, section 2.2).
func stepScale(qmax []float32, n int) []float32 {
	g := make([]float32, len(qmax))
	for i, q := range qmax {
		g[i] = float32(1 / math.Sqrt(float64(n)*float64(q)))
	}
	return g
}
