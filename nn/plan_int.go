package nn

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/quant"
)

// intStep is a convolution of a child in exact integer arithmetic: codes of the input, codes of the filters, and
// their convolution. It computes what a convStep does under one-hot gates, but for rounding.
type intStep struct {
	params          *LayerParams
	filter          *cuda.IntFilter
	weights, inputs *cuda.Mix
	x, codes, y     *cuda.Tensor
}

func newConv(p *Plan, node int) step {
	if p.Options.Integer {
		return newIntStep(p, node)
	}
	return newConvStep(p, node)
}

func newIntStep(p *Plan, node int) *intStep {
	g := p.Graph
	n := g.Nodes[node]
	params, layer := p.Params.Layer(node)
	s := &intStep{params: params, x: p.value[n.In[0]]}
	s.weights, s.inputs = p.operand(layer, quant.Weight).mix, p.operand(layer, quant.Input).mix
	geom := convGeom(g, n)
	if !cuda.IntConvFits(geom) {
		panic(cuda.Failure{Err: fmt.Errorf("layer %s: the sums of products of its codes do not fit int32, so that it has no exact integer arithmetic", n.Name)})
	}
	s.filter = p.dev.NewIntFilter(geom)
	p.keep(s.filter.Packed)
	p.keep(s.filter.Scale)
	dtype := cuda.Uint8
	if params.Signed {
		dtype = cuda.Int8
	}
	s.codes = p.takeAs(n.In[0], n.Conv.Pad, dtype)
	s.y = p.take(node, 0)
	p.give(s.codes)
	p.value[node] = s.y
	return s
}

func (s *intStep) pack(p *Plan) {
	cuda.WeightCodes(s.filter, s.params.W, s.weights, s.inputs, p.Params.Config.SharedWeights)
}

func (s *intStep) forward(*Plan) {
	cuda.InputCodes(s.codes, s.x, s.inputs)
	cuda.IntConv(s.y, s.codes, s.filter, s.params.Bias)
}

func (s *intStep) compileBackward(*Plan) { panic("nn: integer arithmetic has no backward pass") }
func (s *intStep) backward(*Plan)        { panic("nn: integer arithmetic has no backward pass") }

func checkInteger(params *Params, o PlanOptions) {
	if o.Integer && (o.Train || !params.Quantized()) {
		panic("nn.NewPlan: integer arithmetic is for evaluating a quantized net")
	}
	if q := params.Config.Quantizer; o.Integer && q != LSQ {
		panic(fmt.Sprintf("nn.NewPlan: a %v net has no integer arithmetic", q))
	}
}
