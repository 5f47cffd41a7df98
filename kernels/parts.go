package kernels

import "fmt"

// On a GPU a block of partBlock threads does a part of an image, some rows of pixels with all channels (pixels.h), and
// where the op sums over pixels it writes a row of partial sums for its part.
const (
	partBlock  = 256
	partBlocks = 1024 // enough to fill a large GPU
	partValues = 4096 // least worth a block
)

// imageRows is how many parts n images of a are cut into: n times a divisor of a.H.
func imageRows(a Act, n int) int {
	parts := 1
	for d := 2; d <= a.H && n*parts < partBlocks; d++ {
		if a.H%d == 0 && a.H/d*a.W*a.C >= partValues {
			parts = d
		}
	}
	return n * parts
}

// NormRows is R, the rows that [NormStats] writes on a GPU for n images of y. Each stands for n*H*W/R pixels.
func NormRows(y Act, n int) int { return imageRows(y, n) }

// MixRows is R, the rows that [MixInputBackward] writes on a GPU for n images of x.
func MixRows(x Act, n int) int { return imageRows(x, n) }

// UnitRows is R, the rows that [UnitBackwardReduce] writes for n images of y, for the norm and for each mix.
func UnitRows(y Act, n int) int { return imageRows(y, n) }

// byParts launches a kernel over the parts of a.
func byParts(kernel string, a Act) func(int) Launch {
	return func(units int) Launch {
		return Launch{Kernel: kernel, Grid: [3]int{imageRows(a, units), 1, 1}, Block: partBlock}
	}
}

// actKernel names a kernel's form for the storage of the tensors that are given: 16 bytes at a time where that divides
// channels and offset, else value by value.
func actKernel(kernel string, offset int, acts ...Act) string {
	s := acts[0].Storage
	wide := offset%(16/s.Size()) == 0
	for _, a := range acts {
		if a.P == nil {
			continue
		}
		if a.Storage != s {
			panic(fmt.Sprintf("kernels.%s: tensors of different storage", kernel))
		}
		wide = wide && a.C%(16/s.Size()) == 0 && aligned(a.P)
	}
	if wide {
		return kernel + s.suffix()
	}
	return kernel + s.suffix() + scalarSuffix
}

const scalarSuffix = "_scalar"

// aligned tells whether 16 bytes may be moved at once from each of the addresses on.
func aligned(ptrs ...Ptr) bool {
	for _, p := range ptrs {
		if uintptr(p)%16 != 0 {
			return false
		}
	}
	return true
}
