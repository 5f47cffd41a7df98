// Package kernels holds the hand-written kernels and nothing else: for each family of ops a C file
// (the CPU), a CUDA file (GPUs) and, beside them, the Go function that binds the arguments of both into a
// [Call]. kernels.h is the contract; read it first. Packages above see only Go types.
package kernels

// #cgo CFLAGS: -O3 -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "kernels.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// MaxBits is the largest number of candidate bit widths of one gate: the row length of gate matrices.
const MaxBits = C.VK_MAX_BITS

// Ptr is the address of memory from [Alloc]; nil means "not given".
type Ptr = unsafe.Pointer

// ISA is an instruction set of the CPU kernels. AVX2 and AVX512 give the same bits.
type ISA int

// The instruction sets, slowest first.
const (
	Portable ISA = C.VK_PORTABLE
	AVX2     ISA = C.VK_AVX2
	AVX512   ISA = C.VK_AVX512
)

func (i ISA) String() string { return [...]string{"portable", "avx2", "avx512"}[i] }

// Supported tells whether this machine can run the instruction set.
func (i ISA) Supported() bool { return C.vk_isa_supported(C.int(i)) != 0 }

// BestISA is the fastest instruction set of this machine.
func BestISA() ISA {
	for _, i := range []ISA{AVX512, AVX2} {
		if i.Supported() {
			return i
		}
	}
	return Portable
}

// Act is an activation tensor [N,H,W,C] inside a border of zeros; P points at its first byte.
type Act struct {
	P       Ptr
	H, W, C int
	Border  int
	Storage Storage // F32 on the host
}

// Elems is the number of values that n images take, border included.
func (a Act) Elems(n int) int { return n * (a.H + 2*a.Border) * (a.W + 2*a.Border) * a.C }

func (a Act) c() C.vk_act {
	return C.vk_act{p: (*C.float)(a.P), h: C.int(a.H), w: C.int(a.W), c: C.int(a.C), border: C.int(a.Border)}
}

// Call is one kernel with its arguments bound, ready to run over any range of its units: on the host by its C
// function, on a GPU as its [Launch] says.
type Call struct {
	c      C.vk_call
	size   int                    // bytes of the argument struct
	launch func(units int) Launch // nil: no CUDA kernel
}

// HostCall is the C function and arguments of a [Call].
type HostCall struct{ c C.vk_call }

// Host is the call in the form that [Run] takes.
func (c Call) Host() HostCall {
	if c.c.fn == nil {
		panic("kernels.Host: a call that only a GPU does")
	}
	return HostCall{c.c}
}

// newCall copies the argument struct *args, of the given C type, to memory that C may keep.
func newCall[T any](fn C.vk_fn, args T) Call {
	p := (*T)(C.vk_alloc(C.int64_t(unsafe.Sizeof(args))))
	*p = args
	return Call{c: C.vk_call{fn: fn, args: unsafe.Pointer(p)}, size: int(unsafe.Sizeof(args))}
}

// Free returns the memory of the arguments.
func (c Call) Free() { C.vk_free(unsafe.Pointer(c.c.args)) }

// Free is [Call.Free].
func (c HostCall) Free() { C.vk_free(unsafe.Pointer(c.c.args)) }

// Run does units begin..end-1 of each call, block units at a time: call by call within a block, so
// that a block's data stays in cache. ns, where not nil, has an entry a call to which its time is added.
func Run(calls []HostCall, begin, end, block int, ns []int64) {
	if len(calls) == 0 {
		return
	}
	var t *C.int64_t
	if ns != nil {
		t = (*C.int64_t)(unsafe.Pointer(&ns[0]))
	}
	C.vk_run(&calls[0].c, C.int(len(calls)), C.int(begin), C.int(end), C.int(block), t)
}

// Alloc returns zeroed memory aligned to 64 bytes, outside the Go heap.
func Alloc(bytes int) (Ptr, error) {
	p := C.vk_alloc(C.int64_t(bytes))
	if p == nil {
		return nil, fmt.Errorf("out of memory: %d bytes wanted", bytes)
	}
	return p, nil
}

// Free returns memory from Alloc.
func Free(p Ptr) { C.vk_free(p) }

// Zero sets n floats at p to 0. Units: 1.
func Zero(p Ptr, n int) Call {
	return newCall(C.vk_zero, C.vk_zero_args{p: f32(p), len: C.int64_t(n)}).
		gpu(func(int) Launch { return elementwise("zero", max(1, ceilDiv(n, 4))) })
}

func f32(p Ptr) *C.float   { return (*C.float)(p) }
func i32(p Ptr) *C.int32_t { return (*C.int32_t)(p) }
