package kernels

// #include "kernels.h"
import "C"

import "fmt"

// The gates of a net are rows of matrices f32 [gates, MaxBits]; Bits is i32 [gates], the number of
// candidates of each, and a gate uses the first Bits[g] columns of its row. The others are neither
// read nor written. All ops here are serial: 1 unit.

// GateMode is how a gate becomes a sample z, as stored in device memory.
type GateMode int32

// The modes.
const (
	GateSoftmax GateMode = C.VK_GATE_SOFTMAX // z = pi
	GateGumbel  GateMode = C.VK_GATE_GUMBEL  // z = softmax((ln pi + Gumbel noise)/temperature)
	GateHard    GateMode = C.VK_GATE_HARD    // z = one_hot(argmax of the Gumbel sample), gradient of the soft sample
	GateFixed   GateMode = C.VK_GATE_FIXED   // z stays what it is and has no gradient: a child, or a one-hot gate
)

// eachGate is the launch of a kernel that gives each gate a thread.
func eachGate(kernel string, gates int) func(int) Launch {
	const block = 32
	return func(int) Launch {
		return Launch{Kernel: kernel, Grid: [3]int{max(1, ceilDiv(gates, block)), 1, 1}, Block: block}
	}
}

// GateSampleArgs: from Logits [gates, MaxBits] to LogP and Pi (log softmax and softmax), the sample Z
// and Soft, what the gradient of Z is taken of. Temperature is f32 [1], Mode i32 [1] (a GateMode),
// Noise u32 [4]: seed low and high, step, micro-batch. Jang et al. 2017, "Categorical reparameterization
// with Gumbel-softmax"; one draw a gate and micro-batch.
type GateSampleArgs struct {
	Gates                    int
	Bits, Logits             Ptr
	LogP, Pi, Z, Soft        Ptr
	Temperature, Mode, Noise Ptr
}

// GateSample draws the gates. Candidate i of gate g takes word i%4 of [Philox] with key (Noise[0],
// Noise[1]) and counter (Noise[2], Noise[3], g, i/4).
func GateSample(a GateSampleArgs) Call {
	return newCall(C.vk_gate_sample, C.vk_gate_sample_args{gates: C.int(a.Gates), bits: i32(a.Bits), logits: f32(a.Logits),
		logp: f32(a.LogP), pi: f32(a.Pi), z: f32(a.Z), soft: f32(a.Soft), temperature: f32(a.Temperature),
		mode: i32(a.Mode), noise: (*C.uint32_t)(a.Noise)}).gpu(eachGate("gate_sample", a.Gates))
}

// GateGradArgs: DLogits = J_z' DZ + J_pi' DPi, all [gates, MaxBits]; DLogits is overwritten. Pi, Soft,
// Temperature and Mode are those of GateSample.
type GateGradArgs struct {
	Gates             int
	Bits, Pi, Soft    Ptr
	DZ, DPi, DLogits  Ptr
	Temperature, Mode Ptr
}

// GateGrad takes the gradient back from samples and probabilities to logits.
func GateGrad(a GateGradArgs) Call {
	return newCall(C.vk_gate_grad, C.vk_gate_grad_args{gates: C.int(a.Gates), bits: i32(a.Bits), pi: f32(a.Pi),
		soft: f32(a.Soft), dz: f32(a.DZ), dpi: f32(a.DPi), dlogits: f32(a.DLogits), temperature: f32(a.Temperature), mode: i32(a.Mode)}).
		gpu(eachGate("gate_grad", a.Gates))
}

// CostArgs: Cost [1] = sum over layers of <pi^w, T pi^x>, the expected cost; DPi += Weight * dCost/dPi.
// WeightGate and InputGate are i32 [layers]: the row of the gate, or -1 for a pinned one, which has the
// first row or column of T for itself. Table is f32 [layers, MaxBits, MaxBits], weight bits first.
// Weight is f32 [1]: eta. The value does not contain Weight.
type CostArgs struct {
	Layers                      int
	WeightGate, InputGate, Bits Ptr
	Table, Pi, DPi              Ptr
	Cost, Weight                Ptr
}

// ExpectedCost adds the hardware term; it uses pi, never the sample z.
func ExpectedCost(a CostArgs) Call {
	return newCall(C.vk_cost, C.vk_cost_args{layers: C.int(a.Layers), weight_gate: i32(a.WeightGate), input_gate: i32(a.InputGate),
		bits: i32(a.Bits), table: f32(a.Table), pi: f32(a.Pi), dpi: f32(a.DPi), cost: f32(a.Cost), weight: f32(a.Weight)}).
		gpu(oneBlock("cost", 256))
}

// CostFactorArgs are those of [CostFactor] and [CostFactorGrad]; all pointers f32 [1].
type CostFactorArgs struct {
	Cost, Factor  Ptr
	Loss, Weight  Ptr // backward: the loss summed over N images
	N             int
	LogMax, Gamma float64 // ln of the cost in its unit where Cost is 1; exponent
}

func (a CostFactorArgs) c() C.vk_cost_factor_args {
	return C.vk_cost_factor_args{cost: f32(a.Cost), factor: f32(a.Factor), loss: f32(a.Loss), weight: f32(a.Weight),
		n: C.int(a.N), log_max: C.double(a.LogMax), gamma: C.double(a.Gamma)}
}

// CostFactor is DNAS's multiplicative cost: Factor = (ln c / ln cmax)^Gamma, c = Cost * cmax (Wu et al. 2018, with
// the ratio of logarithms of method.md, trap 7).
func CostFactor(a CostFactorArgs) Call {
	return newCall(C.vk_cost_factor, a.c()).gpu(oneBlock("cost_factor", 1))
}

// CostFactorGrad writes Weight = d(Factor * Loss/N)/dCost.
func CostFactorGrad(a CostFactorArgs) Call {
	return newCall(C.vk_cost_factor_grad, a.c()).gpu(oneBlock("cost_factor_grad", 1))
}

// PriorKind is what lambda weighs.
type PriorKind int

// The priors.
const (
	PriorNone    PriorKind = C.VK_PRIOR_NONE
	PriorEntropy PriorKind = C.VK_PRIOR_ENTROPY // value = -sum of H(pi)
	PriorKL      PriorKind = C.VK_PRIOR_KL      // value = sum of KL(pi || softmax(Tilt))
)

// PriorArgs: Value [1] and Entropy [1] (the sum of H(pi), whatever the prior; nats); DPi += Weight *
// dValue/dPi, with every pi taken as free. LogP and Pi come from GateSample; Tilt [gates, MaxBits] is read for
// PriorKL only. Weight is f32 [1]: lambda. The value does not contain Weight.
type PriorArgs struct {
	Gates                int
	Prior                PriorKind
	Bits, Pi, LogP, Tilt Ptr
	DPi, Value, Entropy  Ptr
	Weight               Ptr
}

// Prior adds the entropy or KL term.
func Prior(a PriorArgs) Call {
	if a.Prior < PriorNone || a.Prior > PriorKL {
		panic(fmt.Sprintf("kernels.Prior: no prior %d", a.Prior))
	}
	return newCall(C.vk_prior, C.vk_prior_args{gates: C.int(a.Gates), prior: C.int(a.Prior), bits: i32(a.Bits), pi: f32(a.Pi),
		logp: f32(a.LogP), tilt: f32(a.Tilt), dpi: f32(a.DPi), value: f32(a.Value), entropy: f32(a.Entropy), weight: f32(a.Weight)}).
		gpu(oneBlock("prior", 64))
}

// NormKind is how a batch norm depends on the gates (method.md, Conditional batch norm).
type NormKind int

// The kinds. A pinned gate has no axis and no entries.
const (
	NormPlain NormKind = C.VK_NORM_PLAIN // one set
	NormPair  NormKind = C.VK_NORM_PAIR  // one set a pair (weight bits, input bits), input bits run fastest
	NormGate  NormKind = C.VK_NORM_GATE  // a base and one a candidate: 1, z^w, z^x
	NormEta   NormKind = C.VK_NORM_ETA   // 1, u, u^2, u^3
)

// Sets is the number of (gamma, beta) sets: the length of V. A pinned gate has 1 candidate.
func (k NormKind) Sets(weightBits, inputBits int) int {
	switch k {
	case NormPair:
		return weightBits * inputBits
	case NormGate:
		sets := 1
		for _, bits := range []int{weightBits, inputBits} {
			if bits > 1 {
				sets += bits
			}
		}
		return sets
	case NormEta:
		return 4
	}
	return 1
}

// NormCoefArgs: V f32 [Sets] from the rows ZW and ZX of the gates of the convolution in front, nil where
// pinned, with WeightBits and InputBits candidates, 1 where pinned. U is f32 [1], for NormEta. Backward:
// DZW and DZX += J' DV, nil where pinned.
type NormCoefArgs struct {
	Kind                  NormKind
	WeightBits, InputBits int
	ZW, ZX, U, V          Ptr
	DV, DZW, DZX          Ptr
}

func (a NormCoefArgs) c(op string) C.vk_norm_coef_args {
	for _, gate := range []struct {
		bits int
		z    Ptr
	}{{a.WeightBits, a.ZW}, {a.InputBits, a.ZX}} {
		if gate.bits < 1 || gate.bits > MaxBits || (gate.z == nil) != (gate.bits == 1) {
			panic(fmt.Sprintf("kernels.%s: %d candidates of a gate; pinned: %t", op, gate.bits, gate.z == nil))
		}
	}
	return C.vk_norm_coef_args{kind: C.int(a.Kind), weight_bits: C.int(a.WeightBits), input_bits: C.int(a.InputBits),
		zw: f32(a.ZW), zx: f32(a.ZX), u: f32(a.U), v: f32(a.V), dv: f32(a.DV), dzw: f32(a.DZW), dzx: f32(a.DZX)}
}

// NormCoefForward writes V.
func NormCoefForward(a NormCoefArgs) Call {
	return newCall(C.vk_norm_coef_fwd, a.c("NormCoefForward")).gpu(oneBlock("norm_coef_fwd", MaxBits*MaxBits))
}

// NormCoefBackward adds to DZW and DZX. Eta is no parameter, so NormEta and NormPlain add nothing.
func NormCoefBackward(a NormCoefArgs) Call {
	return newCall(C.vk_norm_coef_bwd, a.c("NormCoefBackward")).gpu(oneBlock("norm_coef_bwd", 2*32))
}
