package cuda

import (
	"fmt"

	"vimps-gpu/kernels"
)

// IntFilter is a layer's filters as integer codes, in the form in which the device's kernels read them; [WeightCodes]
// writes them.
type IntFilter struct {
	Packed *Tensor // codes
	Scale  *Tensor // f32 [K]: weight step * input step
	geom   ConvGeom
}

// NewIntFilter allocates the codes of a convolution's filters.
func (d *Device) NewIntFilter(g ConvGeom) *IntFilter {
	return &IntFilter{Packed: d.New(Int8, kernels.IntPackedSize(g.kernel())), Scale: d.New(Float32, g.K), geom: g}
}

// IntConvFits tells whether the sums of a convolution of codes always fit int32.
func IntConvFits(g ConvGeom) bool { return g.kernel().FilterLen() <= kernels.IntConvLen }

// WeightCodes packs the codes of w [B,K,R,S,C/groups] under the child that the gates choose: at each of weights and
// inputs the candidate whose z is not 0. shared as in [MixWeight].
func WeightCodes(f *IntFilter, w *Tensor, weights, inputs *Mix, shared bool) {
	k, n, candidates := f.geom.K, f.geom.kernel().FilterLen(), len(weights.Min)
	if shared {
		candidates = 1
	}
	if w.Len() != candidates*k*n {
		panic(fmt.Sprintf("cuda.WeightCodes: filters %v for %+v and %d candidates", w, f.geom, candidates))
	}
	w.dev.emit("weight codes", channels, k, 4*n, kernels.WeightCodes(w.dev.isa, kernels.WeightCodesArgs{
		Geom: f.geom.kernel(), Weights: weights.kernel(), Inputs: inputs.kernel(), W: w.p, Packed: f.Packed.p, Scale: f.Scale.p,
		Shared: shared, StepPerTensor: weights.perTensor()}))
}

// InputCodes writes codes u8 or i8 [N,H,W,C] of x f32 [N,H,W,C] under the child that the gate of m chooses; borders
// of their own. Their multiples by the step are what [MixInput] writes.
func InputCodes(codes, x *Tensor, m *Mix) {
	codes.emitImages("input codes", x, kernels.InputCodes(x.dev.isa, kernels.InputCodesArgs{Mix: m.kernel(), X: x.act(), Codes: codes.codes()}))
}

// IntConv writes y f32 [N,P,Q,K]: the int32 sum of the products of codes, as f32, times Scale, plus bias [K] (nil: none),
// each rounded. Every device gives the same bits. codes has a border of Pad or more.
func IntConv(y, codes *Tensor, f *IntFilter, bias *Tensor) {
	y.emitImages("int conv", codes, kernels.IntConv(y.dev.isa, kernels.IntConvArgs{
		Geom: f.geom.kernel(), X: codes.codes(), Y: y.act(), Packed: f.Packed.p, Scale: f.Scale.p, Bias: bias.ptr()}))
}

func (t *Tensor) codes() kernels.Codes {
	if t.dtype != Uint8 && t.dtype != Int8 {
		panic(fmt.Sprintf("cuda: %v holds no codes, want u8 or i8", t))
	}
	a := t.act()
	return kernels.Codes{P: a.P, H: a.H, W: a.W, C: a.C, Border: a.Border, Signed: t.dtype == Int8}
}
