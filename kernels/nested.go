package kernels

// #include "kernels.h"
import "C"

import "fmt"

// NestedMode is how the narrower widths of a [Nested] quantizer follow from the widest. nested.h has the formulas and their
// gradients.
type NestedMode int

// The modes.
const (
	// NestedResidual (Bayesian Bits, van Baalen et al. 2020): the level of each width rounds what those before left, and
	// has a gate: y = z_1 (r_1 + z_2 (r_2 + ...)). Widths double; at most NestedLevels, the widest at most 16. Signed grids are symmetric:
	// 2^b - 1 codes.
	NestedResidual NestedMode = C.VK_NESTED_RESIDUAL
	// NestedTruncate (after FN3, Cui et al. 2020): the most significant bits of the widest code. The first z that is not 0 is on;
	// without one y = 0.
	NestedTruncate NestedMode = C.VK_NESTED_TRUNCATE
)

// NestedLevels is the largest number of widths of [NestedResidual].
const NestedLevels = C.VK_NESTED_LEVELS

// Nested is a quantizer with one parameter for all its widths.
type Nested struct {
	Mode   NestedMode
	Bits   []int // widths, rising, at most MaxBits of them
	Signed bool
	Z      Ptr // f32 [len(Bits)]
	Param  Ptr // f32 [1] or, for filters, [K]: residual the upper end of the range, truncate the step of the widest
}

// CheckNested tells what is wrong with the widths of a quantizer.
func CheckNested(mode NestedMode, bits []int, signed bool) error {
	if len(bits) == 0 || len(bits) > MaxBits || bits[0] < 1 || bits[len(bits)-1] > C.VK_NESTED_BITS {
		return fmt.Errorf("bit widths %v: want 1 to %d of them from 1 to %d", bits, MaxBits, C.VK_NESTED_BITS)
	}
	if mode == NestedResidual && signed && bits[0] < 2 {
		return fmt.Errorf("bit widths %v: a signed residual quantizer of 1 bit has no code but 0", bits)
	}
	for i, b := range bits {
		switch {
		case i > 0 && b <= bits[i-1]:
			return fmt.Errorf("bit widths %v: not rising", bits)
		case mode == NestedResidual && (i >= NestedLevels || i > 0 && b != 2*bits[i-1]):
			return fmt.Errorf("bit widths %v: those of a residual quantizer double, and there are at most %d", bits, NestedLevels)
		}
	}
	return nil
}

func (n Nested) c(op string) C.vk_nested {
	if err := CheckNested(n.Mode, n.Bits, n.Signed); err != nil {
		panic(op + ": " + err.Error())
	}
	c := C.vk_nested{mode: C.int(n.Mode), is_signed: cbool(n.Signed), widths: C.int(len(n.Bits)), z: f32(n.Z), param: f32(n.Param)}
	for i, b := range n.Bits {
		c.bits[i] = C.int(b)
	}
	return c
}

// NestedInputForwardArgs are those of [NestedInputForward]. Units: images.
type NestedInputForwardArgs struct {
	Nested Nested
	X, Y   Act // of one shape; borders may differ
}

// NestedInputForward is y = Q(x). NaN stays NaN.
func NestedInputForward(isa ISA, a NestedInputForwardArgs) Call {
	sameShape("nested input forward", a.X, a.Y)
	return newCall(C.vk_nested_input_fwd[isa], C.vk_nested_input_fwd_args{n: a.Nested.c("nested input forward"), x: a.X.c(), y: a.Y.c()}).
		gpu(byParts(actKernel("nested_input_fwd", 0, a.X, a.Y), a.X))
}

// NestedInputBackwardArgs are those of [NestedInputBackward]. Units: images.
type NestedInputBackwardArgs struct {
	Nested     Nested
	X, DY, DX  Act  // DX.P nil: not wanted
	Partial    Ptr  // f32 [N][L+1], on a GPU [R][L+1] with R of MixRows, L = len(Bits): dz, then the parameter's gradient; nil: not wanted
	Accumulate bool // DX += instead of =
}

// NestedInputBackward is dx = dy z_1 where x is not clipped (truncate: dy), and the parts of dz and of the parameter's gradient, without
// LSQ's scale. Truncate has dz 0.
func NestedInputBackward(isa ISA, a NestedInputBackwardArgs) Call {
	sameShape("nested input backward", a.X, a.DY)
	if a.DX.P != nil {
		sameShape("nested input backward", a.X, a.DX)
	}
	return newCall(C.vk_nested_input_bwd[isa], C.vk_nested_input_bwd_args{n: a.Nested.c("nested input backward"), x: a.X.c(),
		dy: a.DY.c(), dx: a.DX.c(), partial: f32(a.Partial), accumulate: cbool(a.Accumulate)}).
		gpu(byParts(actKernel("nested_input_bwd", 0, a.X, a.DY, a.DX), a.X))
}

// NestedWeightForwardArgs are those of [NestedWeightForward]. Units: filters.
type NestedWeightForwardArgs struct {
	Nested    Nested
	W, Y      Ptr // f32 [K][Len]
	Prune     Ptr // f32 [K]: a gate an output channel; nil: 1
	K, Len    int
	PerTensor bool // Nested.Param is [1], else [K]
}

// NestedWeightForward is y_k = prune_k Q(w_k).
func NestedWeightForward(isa ISA, a NestedWeightForwardArgs) Call {
	return newCall(C.vk_nested_weight_fwd[isa], C.vk_nested_weight_fwd_args{n: a.Nested.c("nested weight forward"), w: f32(a.W), prune: f32(a.Prune),
		y: f32(a.Y), k: C.int(a.K), len: C.int(a.Len), per_tensor: cbool(a.PerTensor)}).
		gpu(byFilters("nested_weight_fwd", a.Len, a.W, a.Y))
}

// NestedWeightBackwardArgs are those of [NestedWeightBackward]. Units: filters.
type NestedWeightBackwardArgs struct {
	Nested        Nested
	W, DY, DW     Ptr // f32 [K][Len]; DW is added to, times GradScale
	Prune, DPrune Ptr // f32 [K]; DPrune is added to, without GradScale; nil: none
	Partial       Ptr // f32 [K][L+1], as in [NestedInputBackwardArgs], without GradScale; nil: not wanted, nor is DPrune
	K, Len        int
	PerTensor     bool
	GradScale     Ptr // f32 scalar
}

// NestedWeightBackward is the gradient of [NestedWeightForward].
func NestedWeightBackward(isa ISA, a NestedWeightBackwardArgs) Call {
	return newCall(C.vk_nested_weight_bwd[isa], C.vk_nested_weight_bwd_args{n: a.Nested.c("nested weight backward"), w: f32(a.W), prune: f32(a.Prune),
		dy: f32(a.DY), dw: f32(a.DW), dprune: f32(a.DPrune), partial: f32(a.Partial), k: C.int(a.K), len: C.int(a.Len),
		per_tensor: cbool(a.PerTensor), grad_scale: f32(a.GradScale)}).
		gpu(byFilters("nested_weight_bwd", a.Len, a.W, a.DY, a.DW))
}

// NestedReduceArgs are those of [NestedReduce]. Serial: one unit.
type NestedReduceArgs struct {
	Partial      Ptr     // f32 [Rows][Widths+1]
	DZ, DParam   Ptr     // f32 [Widths]; [1], or [Rows] where PerRow; added to
	Factor       float32 // LSQ's gradient scale
	Rows, Widths int
	PerRow       bool // each row has a parameter of its own
	GradScale    Ptr  // f32 scalar
}

// NestedReduce sums the partial gradients over the rows, in order (a GPU: in another, fixed one), in float64: dz += sum,
// dparam += GradScale Factor sum.
func NestedReduce(a NestedReduceArgs) Call {
	if a.Widths < 1 || a.Widths > MaxBits {
		panic(fmt.Sprintf("nested reduce: %d widths, want 1 to %d", a.Widths, MaxBits))
	}
	return newCall(C.vk_nested_reduce, C.vk_nested_reduce_args{partial: f32(a.Partial), dz: f32(a.DZ), dparam: f32(a.DParam), g: C.float(a.Factor),
		rows: C.int(a.Rows), widths: C.int(a.Widths), per_row: cbool(a.PerRow), grad_scale: f32(a.GradScale)}).
		gpu(oneBlock("nested_reduce", (MaxBits+1)*32))
}
