//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Launch puts a kernel on the compute stream: a grid of blocks of so many threads with so many bytes of dynamic shared
// memory. The blob holds the kernel's parameters as it lays them out, and is free again when Launch returns.
func (c *Context) Launch(f *Function, grid [3]int, block, shared int, blob []byte) error {
	shape := C.vimps_shape{block: C.uint(block), shared: C.uint(shared)}
	for i, n := range grid {
		shape.grid[i] = C.uint(n)
	}
	if shared > f.shared {
		shape.opt_in = 1
	}
	r, err := c.ask("cuLaunchKernel", func() C.CUresult {
		return C.vimps_launch(c.ctx, c.compute.s, f.f, shape, unsafe.Pointer(unsafe.SliceData(blob)), C.size_t(len(blob)))
	})
	if err != nil {
		return err
	}
	if r != C.CUDA_SUCCESS {
		return c.note(failure(fmt.Sprintf("launch of %s, grid %dx%dx%d, %d threads, %d bytes of shared memory, %d of arguments",
			f.name, grid[0], grid[1], grid[2], block, shared, len(blob)), r))
	}
	f.shared = max(f.shared, shared)
	return c.launched()
}
