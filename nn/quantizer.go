package nn

import (
	"fmt"

	"vimps-gpu/cuda"
	"vimps-gpu/kernels"
	"vimps-gpu/quant"
)

// Quantizer is how a tensor is quantized at the bit widths of its gate.
type Quantizer int

// The quantizers. The nested ones want SharedWeights, and have one parameter for all bit widths.
const (
	// LSQ (Esser et al. 2020): a step a width, mixed with the gate's row as weights.
	LSQ Quantizer = iota
	// Residual (Bayesian Bits, van Baalen et al. 2020): each width adds a level to those below it, and the gate's row holds the
	// levels' gates. The parameter is the upper end of the range. Candidates double.
	Residual
	// Truncate (after FN3, Cui et al. 2020): the most significant bits of the widest candidate's code; the gate's row is one-hot.
	// The parameter is the step of the widest.
	Truncate
)

func (q Quantizer) String() string { return [...]string{"lsq", "residual", "truncate"}[q] }

// CheckBits tells why a gate's candidates do not suit the quantizer of a tensor.
func (q Quantizer) CheckBits(bits []int, signed bool) error {
	switch q {
	case Residual:
		return kernels.CheckNested(kernels.NestedResidual, bits, signed)
	case Truncate:
		return kernels.CheckNested(kernels.NestedTruncate, bits, signed)
	}
	return nil
}

// check panics where a net cannot have the quantizer that its Config asks for.
func (c Config) check() {
	if c.Quantizer == LSQ {
		return
	}
	switch {
	case c.Space == nil || !c.SharedWeights:
		panic(fmt.Sprintf("nn.NewParams: a %v net needs a space and SharedWeights", c.Quantizer))
	case c.Quantizer == Residual && c.Norm != NormPlain && c.Norm != NormEta:
		panic(fmt.Sprintf("nn.NewParams: norm %q wants one-hot gates, those of a residual net are thermometers", c.Norm))
	}
	for i, l := range c.Space.Layers {
		for _, err := range []error{c.Quantizer.CheckBits(c.Space.Weight[i], true), c.Quantizer.CheckBits(c.Space.Input[i], l.SignedInput)} {
			if err != nil {
				panic(fmt.Sprintf("nn.NewParams: layer %s: %v", l.Name, err))
			}
		}
	}
}

// parameters are how many parameters a tensor has for B widths, and what they are called.
func (q Quantizer) parameters(bits int) (count int, name string) {
	switch q {
	case Residual:
		return 1, "range"
	case Truncate:
		return 1, "step"
	}
	return bits, "step"
}

// searched are the code ranges for which a step is searched, and what turns the step into the parameter.
func (q Quantizer) searched(bits []int, signed bool) (lo, hi []float32, factor float32) {
	if q != LSQ {
		bits = bits[len(bits)-1:]
	}
	lo, hi = codeRanges(bits, signed)
	if q != Residual {
		return lo, hi, 1
	}
	factor = float32(int(1)<<bits[0] - 1) // steps in the range
	if signed {
		lo[0]++ // symmetric
		factor /= 2
	}
	return lo, hi, factor
}

// operand quantizes one operand of a convolution, its filters or its input, under a gate.
type operand struct {
	mix       *cuda.Mix    // LSQ
	nested    *cuda.Nested // else
	qmax      []float32    // largest code of each parameter's width, for LSQ's gradient scale
	dz, dstep *cuda.Tensor
}

func (p *Plan) operand(layer int, k quant.Kind) *operand {
	l := &p.Params.Layers[layer]
	bits, signed, step, dstep := l.WeightBits, true, l.WStep, l.DWStep
	if k == quant.Input {
		bits, signed, step, dstep = l.InputBits, l.Signed, l.XStep, l.DXStep
	}
	z := p.gates.view(p.gates.Z, layer, k)
	lo, hi := codeRanges(bits, signed)
	o := &operand{qmax: hi, dz: p.gates.view(p.gates.DZ, layer, k), dstep: dstep}
	if l.Quantizer == LSQ {
		o.mix = &cuda.Mix{Min: lo, Max: hi, Z: z, Step: step}
		return o
	}
	o.qmax = hi[len(hi)-1:]
	o.nested = &cuda.Nested{Truncate: l.Quantizer == Truncate, Bits: bits, Signed: signed, Z: z, Param: step}
	if k == quant.Weight {
		o.nested.Prune, o.nested.DPrune = l.Prune, l.DPrune
	}
	return o
}

// CodeUnits are the filters of all layers for training in units of their steps. It panics where filters have no steps of their own: in an
// fp32 net, under nested quantizers, and where several widths share one.
func (p *Params) CodeUnits() []*cuda.CodeUnits {
	var list []*cuda.CodeUnits
	for i := range p.Layers {
		l := &p.Layers[i]
		if l.WStep == nil || l.Quantizer != LSQ || l.W.Dim(0) != len(l.WeightBits) {
			panic(fmt.Sprintf("nn.Params.CodeUnits: layer %s: filters %v of a %v net for %d widths", l.Name, l.W, l.Quantizer, len(l.WeightBits)))
		}
		lo, hi := codeRanges(l.WeightBits, true)
		list = append(list, &cuda.CodeUnits{Min: lo, Max: hi, Factor: stepScale(hi, l.W.Len()/l.WStep.Len()), W: l.W, DW: l.DW, Step: l.WStep, StepGrad: l.DWStep})
	}
	return list
}

// columns is the length of the rows of partial gradients.
func (o *operand) columns() int {
	if o.nested != nil {
		return len(o.nested.Bits) + 1
	}
	return 2 * len(o.mix.Min)
}

func (o *operand) input(y, x *cuda.Tensor) {
	if o.nested != nil {
		cuda.NestedInput(y, x, o.nested)
		return
	}
	cuda.MixInput(y, x, o.mix)
}

// inputGrad passes dy through where o is nil: nothing is quantized.
func (o *operand) inputGrad(dx, rows, dy, x *cuda.Tensor, add bool) {
	switch {
	case o == nil:
		cuda.MixInputGrad(dx, rows, dy, x, nil, add)
	case o.nested != nil:
		cuda.NestedInputGrad(dx, rows, dy, x, o.nested, add)
	default:
		cuda.MixInputGrad(dx, rows, dy, x, o.mix, add)
	}
}

func (o *operand) weight(y, w *cuda.Tensor, shared bool) {
	if o.nested != nil {
		cuda.NestedWeight(y, w, o.nested)
		return
	}
	cuda.MixWeight(y, w, o.mix, shared)
}

func (o *operand) weightGrad(dw, rows, dy, w *cuda.Tensor, shared bool, scale *cuda.Tensor) {
	if o.nested != nil {
		cuda.NestedWeightGrad(dw, rows, dy, w, o.nested, scale)
		return
	}
	cuda.MixWeightGrad(dw, rows, dy, w, o.mix, shared, scale)
}

// reduce adds the rows to the gradients of the gate and of the parameters; n values share a parameter.
func (o *operand) reduce(rows *cuda.Tensor, n int, scale *cuda.Tensor) {
	g := stepScale(o.qmax, n)
	if o.nested != nil {
		cuda.NestedReduce(o.dz, o.dstep, rows, g[0], scale)
		return
	}
	cuda.MixReduce(o.dz, o.dstep, rows, g, scale)
}
