package kernels

// #include "kernels.h"
import "C"

// HardConcreteMode is how a row of hard-concrete gates becomes z, as stored in device memory.
type HardConcreteMode int32

// The modes.
const (
	HardConcreteSample HardConcreteMode = C.VK_CONCRETE_SAMPLE // a draw of each gate
	HardConcreteChild  HardConcreteMode = C.VK_CONCRETE_CHILD  // 1 or 0, no gradient: P(z = 0) < 0.34 here and in all gates below
)

// HardConcreteArgs: from Phi [gates, MaxBits], whose column 0 is not used (gate 0 is always open), to Z, to Slope = dZ/dPhi,
// and to Pi, the probability that candidate i is the widest of those whose gates, and all below, are open (z > 0), with
// its logarithm LogP: a law over the candidates as that of GateSample. Mode is i32 [1], Noise u32 [4] as in GateSample.
// Louizos et al. 2018, "Learning sparse neural networks through L0 regularization", with beta 2/3, gamma -0.1, zeta 1.1;
// the nest is that of van Baalen et al. 2020, "Bayesian Bits".
type HardConcreteArgs struct {
	Gates              int
	Bits, Phi          Ptr
	LogP, Pi, Z, Slope Ptr
	Mode, Noise        Ptr
}

// HardConcrete draws the gates, with the words of [Philox] that [GateSample] takes.
func HardConcrete(a HardConcreteArgs) Call {
	return newCall(C.vk_hard_concrete, C.vk_hard_concrete_args{gates: C.int(a.Gates), bits: i32(a.Bits), phi: f32(a.Phi),
		logp: f32(a.LogP), pi: f32(a.Pi), z: f32(a.Z), slope: f32(a.Slope), mode: i32(a.Mode), noise: (*C.uint32_t)(a.Noise)}).
		gpu(eachGate("hard_concrete", a.Gates))
}

// HardConcreteGradArgs: DPhi = Slope * DZ + Mu * dPenalty/dPhi [gates, MaxBits], overwritten, with Penalty f32 [1] the sum
// over gates and candidates l of Cost[gate, l] times the probability that gates 0..l are open (Bayesian Bits, section 2.3).
// Mu is f32 [1]; Penalty does not contain it. Phi and Slope are those of HardConcrete.
type HardConcreteGradArgs struct {
	Gates           int
	Bits, Phi, Cost Ptr
	DZ, Slope, DPhi Ptr
	Penalty, Mu     Ptr
}

// HardConcreteGrad takes the gradients of z and of the penalty back to Phi.
func HardConcreteGrad(a HardConcreteGradArgs) Call {
	return newCall(C.vk_hard_concrete_grad, C.vk_hard_concrete_grad_args{gates: C.int(a.Gates), bits: i32(a.Bits), phi: f32(a.Phi),
		cost: f32(a.Cost), dz: f32(a.DZ), slope: f32(a.Slope), dphi: f32(a.DPhi), penalty: f32(a.Penalty), mu: f32(a.Mu)}).
		gpu(oneBlock("hard_concrete_grad", 64))
}

// ChannelGatesArgs are the gates of output channels of some layers (pruning; Bayesian Bits' z_2): layer i has channels First[i]
// to First[i+1]-1, and Row[i] is the row of HardConcrete that its filters have. From Phi [channels] to Z and Slope = dZ/dPhi; and row
// Row[i] of Shared [gates, MaxBits] becomes Cost times the mean over the layer's channels of P(z > 0), for HardConcreteGrad. First is
// i32 [Layers+1], Row i32 [Layers], Mode and Noise are those of HardConcrete.
type ChannelGatesArgs struct {
	Layers       int
	First, Row   Ptr
	Phi          Ptr
	Z, Slope     Ptr
	Cost, Shared Ptr
	Mode, Noise  Ptr
}

// ChannelGates draws the gates: channel k takes word 0 of [Philox] with key (Noise[0], Noise[1]) and counter (Noise[2],
// Noise[3], k, 0xC4).
func ChannelGates(a ChannelGatesArgs) Call {
	return newCall(C.vk_channel_gates, C.vk_channel_gates_args{layers: C.int(a.Layers), first: i32(a.First), row: i32(a.Row), phi: f32(a.Phi),
		z: f32(a.Z), slope: f32(a.Slope), cost: f32(a.Cost), shared: f32(a.Shared), mode: i32(a.Mode), noise: (*C.uint32_t)(a.Noise)}).
		gpu(eachLayer("channel_gates", a.Layers))
}

// ChannelGatesGradArgs: DPhi = Slope * DZ + Mu * dPenalty/dPhi [channels], overwritten. Bits and Pi are those of HardConcrete, the
// rest those of ChannelGates.
type ChannelGatesGradArgs struct {
	Layers               int
	First, Row, Bits     Ptr
	Phi, Slope, Cost, Pi Ptr
	DZ, DPhi, Mu         Ptr
}

// ChannelGatesGrad takes the gradients of z and of the penalty back to Phi.
func ChannelGatesGrad(a ChannelGatesGradArgs) Call {
	return newCall(C.vk_channel_gates_grad, C.vk_channel_gates_grad_args{layers: C.int(a.Layers), first: i32(a.First), row: i32(a.Row),
		bits: i32(a.Bits), phi: f32(a.Phi), slope: f32(a.Slope), dz: f32(a.DZ), cost: f32(a.Cost), pi: f32(a.Pi), dphi: f32(a.DPhi), mu: f32(a.Mu)}).
		gpu(eachLayer("channel_gates_grad", a.Layers))
}

// eachLayer is the launch of a kernel that gives each layer a block of as many threads as it has lanes.
func eachLayer(kernel string, layers int) func(int) Launch {
	return func(int) Launch { return Launch{Kernel: kernel, Grid: [3]int{layers, 1, 1}, Block: 32} }
}
