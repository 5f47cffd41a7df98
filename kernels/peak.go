package kernels

// #include "peak.h"
import "C"

// Peak does nothing but multiply-adds on registers, for out f32 [units,16]. Units: any number; each is [PeakFLOP]
// floating-point operations.
func Peak(isa ISA, out Ptr) Call {
	return newCall(C.vk_peak[isa], C.vk_peak_args{out: f32(out)})
}

// PeakFLOP is the floating-point operations of one unit of [Peak]; a multiply-add is two.
func PeakFLOP(isa ISA) float64 { return float64(C.vk_peak_flop[isa]) }
