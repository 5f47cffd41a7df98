//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// Alloc returns the device address of so many bytes, all zero for what comes later on the compute stream. The host must
// not read or write there. When memory runs out the error says how much there is; see [OutOfMemory].
func (c *Context) Alloc(bytes int64) (unsafe.Pointer, error) {
	var p cu.DevicePtr
	bytes = max(bytes, 1)
	err := c.current(fmt.Sprintf("cuMemAlloc of %d bytes", bytes), func() (err error) {
		p, err = cu.MemAlloc(bytes)
		return err
	})
	if OutOfMemory(err) {
		if free, total, infoErr := c.MemInfo(); infoErr == nil {
			return nil, fmt.Errorf("gpu:%d has %d of %d bytes free: %w", c.n, free, total, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := c.current("cuMemsetD8Async", func() error { return cu.MemsetD8Async(p, 0, bytes, c.compute.cu) }); err != nil {
		return nil, cmp.Or(err, c.Free(C.vimps_pointer(C.uintptr_t(p))))
	}
	c.fresh = true
	return C.vimps_pointer(C.uintptr_t(p)), nil
}

// Free gives back memory from [Context.Alloc]. It waits for what is on the GPU.
func (c *Context) Free(p unsafe.Pointer) error {
	if c.dead != nil || p == nil {
		return c.dead
	}
	return c.current("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(uintptr(p))) })
}

// MemInfo is the GPU's free memory and all its memory, in bytes.
func (c *Context) MemInfo() (free, total int64, err error) {
	var room [2]int64 // not the results, which a call that comes back too late must not write
	err = c.current("cuMemGetInfo", func() (err error) {
		room[0], room[1], err = cu.MemInfo()
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return room[0], room[1], nil
}

// Pinned returns host memory that the GPU reads and writes without the processor's help, for [Context.Prefetch].
func (c *Context) Pinned(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := c.do(fmt.Sprintf("cuMemHostAlloc of %d bytes", bytes), func() C.CUresult { return C.vimps_host_alloc(c.ctx, C.size_t(bytes), &p) }); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

// FreePinned gives back memory from [Context.Pinned].
func (c *Context) FreePinned(b []byte) error {
	if c.dead != nil || b == nil {
		return c.dead
	}
	return c.current("cuMemFreeHost", func() error { return cu.MemFreeHost(unsafe.Pointer(unsafe.SliceData(b))) })
}
