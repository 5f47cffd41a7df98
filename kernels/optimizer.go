package kernels

// #include "kernels.h"
import "C"

// optimizerLaunch is the launch of an optimizer's kernel: 256 threads do four values each.
func optimizerLaunch(kernel string) func(int) Launch {
	const block = 256
	return func(units int) Launch {
		return Launch{Kernel: kernel, Grid: [3]int{max(1, units*C.VK_OPT_BLOCK/(4*block)), 1, 1}, Block: block}
	}
}

// OptimizerUnits is the number of units, blocks of values, of an optimizer over n values.
func OptimizerUnits(n int) int { return (n + C.VK_OPT_BLOCK - 1) / C.VK_OPT_BLOCK }

// SGDArgs: M = Momentum*M + (G + Decay*P); P -= LR*M; G = 0. P, G and M are f32 [Len], LR f32 [1].
// Neither Nesterov nor dampening, as torch.optim.SGD.
type SGDArgs struct {
	P, G, M         Ptr
	Len             int
	LR              Ptr
	Momentum, Decay float32
}

// SGD makes a step. Units: OptimizerUnits(Len).
func SGD(isa ISA, a SGDArgs) Call {
	return newCall(C.vk_sgd[isa], C.vk_optimizer_args{p: f32(a.P), g: f32(a.G), m: f32(a.M), len: C.int64_t(a.Len),
		lr: f32(a.LR), momentum: C.float(a.Momentum), decay: C.float(a.Decay)}).gpu(optimizerLaunch("sgd"))
}

// AdamArgs: M = Beta1*M + (1-Beta1)*g and V = Beta2*V + (1-Beta2)*g^2, then a step of LR times
// (M/Bias[0]) / (sqrt(V/Bias[1]) + Eps); G = 0. P, G, M, V are f32 [Len], LR f32 [1], Bias f32 [2]:
// 1-Beta1^t and 1-Beta2^t with t = 1 for the first step.
type AdamArgs struct {
	P, G, M, V   Ptr
	Len          int
	LR, Bias     Ptr
	Beta1, Beta2 float64
	Eps          float32
}

func (a AdamArgs) c() C.vk_optimizer_args {
	return C.vk_optimizer_args{p: f32(a.P), g: f32(a.G), m: f32(a.M), v: f32(a.V), len: C.int64_t(a.Len), lr: f32(a.LR),
		beta1: C.double(a.Beta1), beta2: C.double(a.Beta2), eps: C.float(a.Eps), bias: f32(a.Bias)}
}

// Adam makes a step of P with g = G (Kingma and Ba 2015, without weight decay). Units: OptimizerUnits(Len).
func Adam(a AdamArgs) Call { return newCall(C.vk_adam, a.c()).gpu(optimizerLaunch("adam")) }

// LogAdam makes a step of Adam on ln P, with g = P*G, and keeps P at 1e-6 or more: for LSQ steps, on which SGD
// diverges (method.md section 4, trap 1). Units: OptimizerUnits(Len).
func LogAdam(a AdamArgs) Call {
	return newCall(C.vk_logadam, a.c()).gpu(optimizerLaunch("logadam"))
}
