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
