package cuda

import "vimps-gpu/kernels"

// GateMode says how [GateSample] draws z.
type GateMode int

// The gate modes.
const (
	GateSoftmax GateMode = GateMode(kernels.GateSoftmax) // z = pi
	GateGumbel  GateMode = GateMode(kernels.GateGumbel)  // Gumbel-softmax
	GateHard    GateMode = GateMode(kernels.GateHard)    // one-hot of it forward, its gradient backward (straight-through)
	GateFixed   GateMode = GateMode(kernels.GateFixed)   // z stays as it is
)

// GateTensors are the gates of a space, f32 [gates,MaxBits] each; Bits i32 [gates] counts the candidates.
type GateTensors struct {
	Bits, Logits, LogP, Pi, Soft, Z, DZ *Tensor
}

// GateSample writes log softmax, pi, the sample z and the soft sample behind it. temperature f32 [1], mode i32
// [1], noise u32 [4]: seed low, seed high, step, micro-batch.
func GateSample(t GateTensors, temperature, mode, noise *Tensor) {
	t.Z.dev.emit("gates", serial, 1, 0, kernels.GateSample(kernels.GateSampleArgs{
		Gates: t.Bits.Len(), Bits: t.Bits.p, Logits: t.Logits.p, LogP: t.LogP.p, Pi: t.Pi.p, Z: t.Z.p, Soft: t.Soft.p,
		Temperature: temperature.p, Mode: mode.p, Noise: noise.p}))
}

// GateGrad writes dlogits from the gradients of z, in t.DZ, and of pi.
func GateGrad(dlogits *Tensor, t GateTensors, dpi, temperature, mode *Tensor) {
	dlogits.dev.emit("gates", serial, 1, 0, kernels.GateGrad(kernels.GateGradArgs{
		Gates: t.Bits.Len(), Bits: t.Bits.p, Pi: t.Pi.p, Soft: t.Soft.p, DZ: t.DZ.p, DPi: dpi.p, DLogits: dlogits.p,
		Temperature: temperature.p, Mode: mode.p}))
}

// CostTensors are a normalised cost table on the device: for each layer the rows of its gates, i32 [layers] (-1:
// pinned), and Table f32 [layers,MaxBits,MaxBits].
type CostTensors struct{ WeightGate, InputGate, Bits, Table *Tensor }

// ExpectedCost writes cost f32 [1] = sum_k <p_k^w, T_k p_k^x> for gate rows p and adds weight f32 [1] times its
// gradient to dp (nil: not wanted).
func ExpectedCost(cost, dp, p *Tensor, c CostTensors, weight *Tensor) {
	cost.dev.emit("gates", serial, 1, 0, kernels.ExpectedCost(kernels.CostArgs{
		Layers: c.WeightGate.Len(), WeightGate: c.WeightGate.p, InputGate: c.InputGate.p, Bits: c.Bits.p, Table: c.Table.p,
		Pi: p.p, DPi: dp.ptr(), Cost: cost.p, Weight: weight.ptr()}))
}

// CostFactor writes DNAS's factor f32 [1] on the task loss, (ln c / ln cmax)^gamma for a cost c = cost*cmax.
func CostFactor(factor, cost *Tensor, logMax, gamma float64) {
	cost.dev.emit("gates", serial, 1, 0, kernels.CostFactor(kernels.CostFactorArgs{
		Cost: cost.p, Factor: factor.p, LogMax: logMax, Gamma: gamma}))
}

// CostFactorGrad writes weight f32 [1], the derivative by cost of factor times the mean of the batch's loss, whose
// sum over n images is loss[0].
func CostFactorGrad(weight, loss *Tensor, n int, cost *Tensor, logMax, gamma float64) {
	cost.dev.emit("gates", serial, 1, 0, kernels.CostFactorGrad(kernels.CostFactorArgs{
		Cost: cost.p, Weight: weight.p, Loss: loss.p, N: n, LogMax: logMax, Gamma: gamma}))
}

// Prior writes value and entropy f32 [1] and adds weight f32 [1] times the gradient of value to dpi. kind: kl
// (to softmax(tilt)), entropy (value = -H) or none.
func Prior(kind string, value, entropy, dpi *Tensor, t GateTensors, tilt, weight *Tensor) {
	k := map[string]kernels.PriorKind{"none": kernels.PriorNone, "entropy": kernels.PriorEntropy, "kl": kernels.PriorKL}[kind]
	value.dev.emit("gates", serial, 1, 0, kernels.Prior(kernels.PriorArgs{
		Gates: t.Bits.Len(), Prior: k, Bits: t.Bits.p, Pi: t.Pi.p, LogP: t.LogP.p, Tilt: tilt.p, DPi: dpi.p,
		Value: value.p, Entropy: entropy.p, Weight: weight.p}))
}

// BitModel is f_theta(eta) (method.md, section 5): Theta holds, layer by layer, W [hidden,in] and b [hidden], then
// W [gates*MaxBits,hidden] and b; H f32 [depth,hidden].
type BitModel struct {
	Depth, Hidden, Gates     int
	Bits, Theta, DTheta      *Tensor
	U, KappaRank             *Tensor
	H, Logits, Tilt, DLogits *Tensor
}

func (m BitModel) kernel(scale *Tensor) kernels.BitModelArgs {
	return kernels.BitModelArgs{Depth: m.Depth, Hidden: m.Hidden, Gates: m.Gates, Bits: m.Bits.p, Theta: m.Theta.p, U: m.U.p,
		KappaRank: m.KappaRank.p, H: m.H.p, Logits: m.Logits.p, Tilt: m.Tilt.p, DLogits: m.DLogits.p, DTheta: m.DTheta.p, GradScale: scale.ptr()}
}

// BitModelForward writes Logits and Tilt.
func BitModelForward(m BitModel) {
	m.Logits.dev.emit("bit model", serial, 1, 0, kernels.BitModelForward(m.kernel(nil)))
}

// BitModelBackward adds scale f32 [1] times the gradient to DTheta.
func BitModelBackward(m BitModel, scale *Tensor) {
	m.Logits.dev.emit("bit model", serial, 1, 0, kernels.BitModelBackward(m.kernel(scale)))
}

// SimilarityPartialLen is how many floats [Similarity] needs for filters w [B,...] beside its results; 0 on the host.
func SimilarityPartialLen(w *Tensor) int {
	if !w.dev.gpu {
		return 0
	}
	return kernels.SimilarityPartialLen(w.Dim(0), w.Len()/w.Dim(0))
}

// Similarity writes value f32 [1], the sum over pairs of bit widths of the distance between their filters w
// [B,...], and adds weight f32 [1] times its gradient to dw. partial has [SimilarityPartialLen] floats or more, which
// it uses while it runs.
func Similarity(value, dw, partial, w, weight *Tensor) {
	args := kernels.SimilarityArgs{W: w.p, DW: dw.p, Value: value.p, Bits: w.Dim(0), Len: w.Len() / w.Dim(0), Weight: weight.p, Partial: partial.p}
	if w.dev.gpu {
		w.dev.emit("similarity", serial, 1, 0, kernels.SimilarityDistances(args))
	}
	w.dev.emit("similarity", serial, 1, 0, kernels.Similarity(w.dev.isa, args))
}
