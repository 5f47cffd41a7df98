package kernels

// #include "kernels.h"
import "C"

import "unsafe"

// Launch is how a GPU runs a [Call]: a kernel's name in the fatbins, a grid of blocks of Block threads, and bytes of
// dynamic shared memory a block. The kernel takes the call's argument struct by value and, behind it, the number
// of units as an int.
type Launch struct {
	Kernel string
	Grid   [3]int
	Block  int
	Shared int
}

// gpu says how a GPU runs the call over so many units. Grids follow from shapes alone, so that the order of every
// sum is the same on every card.
func (c Call) gpu(launch func(units int) Launch) Call {
	c.launch = launch
	return c
}

// newGPUCall is newCall for an op that only a GPU does in one kernel.
func newGPUCall[T any](args T, launch func(units int) Launch) Call {
	return newCall(nil, args).gpu(launch)
}

// Launch is how a GPU runs the call over units, and the argument struct's bytes, which stay with the call. ok is false
// where no CUDA kernel does the op.
func (c Call) Launch(units int) (l Launch, args []byte, ok bool) {
	if c.launch == nil {
		return Launch{}, nil, false
	}
	return c.launch(units), unsafe.Slice((*byte)(unsafe.Pointer(c.c.args)), c.size), true
}

// elementwise is the launch of a kernel that gives each of n values a thread.
func elementwise(kernel string, n int) Launch {
	return Launch{Kernel: kernel, Grid: [3]int{ceilDiv(n, elementwiseBlock), 1, 1}, Block: elementwiseBlock}
}

const elementwiseBlock = 256

// oneBlock is the launch of a kernel whose work one block does.
func oneBlock(kernel string, threads int) func(int) Launch {
	return func(int) Launch { return Launch{Kernel: kernel, Grid: [3]int{1, 1, 1}, Block: threads} }
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// Storage is the type of activations in memory.
type Storage int

// The storage types.
const (
	F32 Storage = iota
	BF16
)

// Size is the bytes of one value.
func (s Storage) Size() int { return [...]int{4, 2}[s] }

// suffix ends the names of the kernels for this storage.
func (s Storage) suffix() string { return [...]string{"_f32", "_bf16"}[s] }
