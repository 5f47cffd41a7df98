package kernels

// #include "kernels.h"
import "C"

import "fmt"

// IntConvLen is the most products R*S*C/Groups that always fit the int32 sum of [IntConv]: u8 times s8.
const IntConvLen = C.VK_INT_CONV_LEN

// Codes are the integer codes of an activation [N,H,W,C] in a border of zeros: a byte each, int8 where Signed,
// else uint8.
type Codes struct {
	P       Ptr
	H, W, C int
	Border  int
	Signed  bool
}

func (a Codes) c() C.vk_codes {
	return C.vk_codes{p: (*C.uint8_t)(a.P), h: C.int(a.H), w: C.int(a.W), c: C.int(a.C), border: C.int(a.Border), is_signed: cbool(a.Signed)}
}

// Act is the shape of the codes, as of the activation that they stand for.
func (a Codes) Act() Act { return Act{H: a.H, W: a.W, C: a.C, Border: a.Border} }

// InputCodesArgs are those of [InputCodes]. Units: images.
type InputCodesArgs struct {
	Mix   Mix // of one child: the candidate with Z != 0 is the one
	X     Act
	Codes Codes // of the shape of X; borders may differ
}

// InputCodes writes rint(clamp(x/step, qmin, qmax)), the codes whose multiples [MixInputForward] writes. NaN has
// code 0.
func InputCodes(isa ISA, a InputCodesArgs) Call {
	sameShape("InputCodes", a.X, a.Codes.Act())
	if a.X.Storage != F32 {
		panic("InputCodes: activations must be stored as f32")
	}
	return newCall(C.vk_input_codes[isa], C.vk_input_codes_args{m: a.Mix.child("InputCodes", a.Codes.Signed), x: a.X.c(), codes: a.Codes.c()}).
		gpu(func(units int) Launch {
			rows := ceilDiv(codesBlock, a.X.W*a.X.C)
			return Launch{Kernel: actKernel("input_codes", 0, a.X), Grid: [3]int{ceilDiv(units*a.X.H, rows), 1, 1}, Block: partBlock}
		})
}

// codesBlock is about how many codes a block of a GPU makes.
const codesBlock = 8192

// child checks that every candidate has codes of one byte.
func (m Mix) child(op string, signed bool) C.vk_mix {
	c := m.c(op)
	lo, hi := float32(0), float32(255)
	if signed {
		lo, hi = -128, 127
	}
	if len(m.QMin) == 0 {
		panic(op + ": no candidates, so no codes")
	}
	for b := range m.QMin {
		if m.QMin[b] < lo || m.QMax[b] > hi {
			panic(fmt.Sprintf("%s: codes %g..%g, want them within %g..%g", op, m.QMin[b], m.QMax[b], lo, hi))
		}
	}
	return c
}

// WeightCodesArgs are those of [WeightCodes]. Units: filters (output channels).
type WeightCodesArgs struct {
	Geom                  ConvGeom
	Weights, Inputs       Mix // of one child
	W                     Ptr // f32 [B][K,R,S,C/Groups], or one filter where Shared
	Packed                Ptr // IntPackedSize bytes
	Scale                 Ptr // f32 [K]
	Shared, StepPerTensor bool
}

// WeightCodes packs the child's filter codes for [IntConv], in the order of the device that runs it, and writes
// Scale = weight step * input step of each output channel.
func WeightCodes(isa ISA, a WeightCodesArgs) Call {
	return newCall(C.vk_weight_codes[isa], C.vk_weight_codes_args{g: a.Geom.c(), weights: a.Weights.child("WeightCodes", true),
		inputs: a.Inputs.c("WeightCodes"), w: f32(a.W), packed: (*C.int8_t)(a.Packed), scale: f32(a.Scale),
		shared: cbool(a.Shared), step_per_tensor: cbool(a.StepPerTensor)}).
		gpu(byFilters("weight_codes", a.Geom.C/a.Geom.Groups, a.W))
}

// IntPackedSize is the bytes of packed filter codes, enough for the host's order and for the GPU's.
func IntPackedSize(g ConvGeom) int {
	segments, length := g.R*g.S, g.C/g.Groups
	gpu := g.K * segments * up16(length)
	if g.depthwise() {
		return max(gpu, 4*segments*up16(g.C))
	}
	if g.Dilation == 1 && g.Groups == 1 {
		segments, length = g.R, g.S*length
	}
	quads := (length + 3) / 4
	return max(gpu, g.Groups*4*up16(g.K/g.Groups)*(1+segments*quads))
}

// IntConvArgs: Y[n,p,q,k] = float32(sum of X[n, p*stride+r*dilation-pad, ...] * w[k,r,s,c]) * Scale[k] + Bias[k]. X has
// a border of at least ConvXBorder; Packed and Scale are from [WeightCodes]; Bias f32 [K] or nil.
type IntConvArgs struct {
	Geom                ConvGeom
	X                   Codes
	Y                   Act
	Packed, Scale, Bias Ptr
}

// IntConv convolves codes, with sums in int32, exact for filters of IntConvLen codes and fewer; the conversion to
// float32, the product and the addition of the bias are each rounded. Units: images. All instruction sets give
// the same bits.
func IntConv(isa ISA, a IntConvArgs) Call {
	a.Geom.check("IntConv", a.X.Act(), a.Y)
	checkBorder("IntConv", "input", a.X.Act(), ConvXBorder(a.Geom, a.X.H, a.X.W, a.Y.H, a.Y.W))
	if n := a.Geom.FilterLen(); n > IntConvLen {
		panic(fmt.Sprintf("IntConv: %d products an output, want %d at most, or int32 overflows", n, IntConvLen))
	}
	if isa == AVX512 && C.vk_int_conv_supported(C.int(isa)) == 0 {
		isa = AVX2 // no VNNI
	}
	return newCall(C.vk_int_conv[isa], C.vk_int_conv_args{g: a.Geom.c(), x: a.X.c(), y: a.Y.c(), packed: (*C.int8_t)(a.Packed),
		scale: f32(a.Scale), bias: f32(a.Bias)}).gpu(intConvLaunch(a))
}
