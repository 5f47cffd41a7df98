package cuda

import "vimps-gpu/kernels"

// HardConcreteMode says how [HardConcrete] makes z.
type HardConcreteMode int

// The modes.
const (
	HardConcreteSample HardConcreteMode = HardConcreteMode(kernels.HardConcreteSample) // a draw
	HardConcreteChild  HardConcreteMode = HardConcreteMode(kernels.HardConcreteChild)  // 1 or 0: the most likely child, a thermometer
)

// HardConcreteTensors are the gates of residual quantizers, f32 [gates,MaxBits] each; Bits i32 [gates] counts the
// candidates. Gate l of a row lets level l through where all below it are open. Cost f32 [gates,MaxBits] is what level l
// adds to the penalty.
type HardConcreteTensors struct {
	Bits, Phi, LogP, Pi, Slope, Z, DZ, Cost *Tensor
}

// HardConcrete writes z, its slope dz/dphi, and the law over the candidates that phi stands for, pi and its logarithm.
// mode i32 [1], noise u32 [4]: seed low, seed high, step, micro-batch.
func HardConcrete(t HardConcreteTensors, mode, noise *Tensor) {
	t.Z.dev.emit("gates", serial, 1, 0, kernels.HardConcrete(kernels.HardConcreteArgs{
		Gates: t.Bits.Len(), Bits: t.Bits.p, Phi: t.Phi.p, LogP: t.LogP.p, Pi: t.Pi.p, Z: t.Z.p, Slope: t.Slope.p,
		Mode: mode.p, Noise: noise.p}))
}

// HardConcreteGrad writes dphi from the gradient of z, in t.DZ, and mu f32 [1] times that of penalty f32 [1], the sum of
// Cost of every level times the probability that it counts.
func HardConcreteGrad(dphi, penalty *Tensor, t HardConcreteTensors, mu *Tensor) {
	dphi.dev.emit("gates", serial, 1, 0, kernels.HardConcreteGrad(kernels.HardConcreteGradArgs{
		Gates: t.Bits.Len(), Bits: t.Bits.p, Phi: t.Phi.p, Cost: t.Cost.p, DZ: t.DZ.p, Slope: t.Slope.p, DPhi: dphi.p,
		Penalty: penalty.p, Mu: mu.p}))
}

// ChannelGateTensors are gates of output channels of some layers: layer i has channels First[i] to First[i+1]-1, and row Row[i] of
// the residual quantizers' gates. First i32 [layers+1], Row i32 [layers]; Phi, Z, Slope, DZ f32 [channels]; Cost f32 [gates,MaxBits] is
// what each level would add to the penalty if all channels were open.
type ChannelGateTensors struct {
	First, Row, Phi, Z, Slope, DZ, Cost *Tensor
}

// ChannelGates writes z and its slope dz/dphi, and to the layers' rows of shared the cost times the mean probability that a
// channel is open. mode and noise are those of [HardConcrete].
func ChannelGates(shared *Tensor, t ChannelGateTensors, mode, noise *Tensor) {
	shared.dev.emit("gates", serial, 1, 0, kernels.ChannelGates(kernels.ChannelGatesArgs{
		Layers: t.Row.Len(), First: t.First.p, Row: t.Row.p, Phi: t.Phi.p, Z: t.Z.p, Slope: t.Slope.p, Cost: t.Cost.p, Shared: shared.p,
		Mode: mode.p, Noise: noise.p}))
}

// ChannelGatesGrad writes dphi [channels] from the gradient of z, in t.DZ, and mu f32 [1] times that of the penalty. rows are the residual
// quantizers' gates after [HardConcrete].
func ChannelGatesGrad(dphi *Tensor, t ChannelGateTensors, rows HardConcreteTensors, mu *Tensor) {
	dphi.dev.emit("gates", serial, 1, 0, kernels.ChannelGatesGrad(kernels.ChannelGatesGradArgs{
		Layers: t.Row.Len(), First: t.First.p, Row: t.Row.p, Bits: rows.Bits.p, Phi: t.Phi.p, Slope: t.Slope.p, DZ: t.DZ.p, Cost: t.Cost.p,
		Pi: rows.Pi.p, DPhi: dphi.p, Mu: mu.p}))
}
