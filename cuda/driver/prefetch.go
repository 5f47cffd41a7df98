//go:build cuda

package driver

// #include "driver.h"
import "C"

import "unsafe"

// The next batch is copied on a stream of its own while the compute stream works on the one before. For each batch:
//
//	Prefetch(dst, src, n)  copy it                        PrefetchWait()  before src is written again
//	PrefetchDone()         before the first launch that reads dst
//	ConsumedMark()         after the last launch that reads dst, before dst's next Prefetch

// Prefetch copies from memory of [Context.Pinned] to the device on the second stream and returns at once.
func (c *Context) Prefetch(dst, srcPinned unsafe.Pointer, bytes int) error {
	if c.dead != nil || bytes == 0 {
		return c.dead
	}
	if c.fresh { // dst may be new, and not zeroed yet
		if err := c.ConsumedMark(); err != nil {
			return err
		}
		c.fresh = false
	}
	return c.do("cuMemcpyHtoDAsync of the next batch", func() C.CUresult { return C.vimps_copy_in(c.ctx, c.prefetch.s, dst, srcPinned, C.size_t(bytes)) })
}

// PrefetchDone makes what comes next on the compute stream wait for every Prefetch so far. The host does not wait.
func (c *Context) PrefetchDone() error { return c.order(&c.prefetch, &c.compute) }

// ConsumedMark makes the next Prefetch wait for all that is on the compute stream now. The host does not wait.
func (c *Context) ConsumedMark() error { return c.order(&c.compute, &c.prefetch) }

func (c *Context) order(before, after *stream) error {
	if err := c.mayCopy("ordering of the streams"); err != nil {
		return err
	}
	return c.do("cuStreamWaitEvent", func() C.CUresult { return C.vimps_order(c.ctx, event(&c.fence), before.s, after.s) })
}

// PrefetchWait makes the host wait for every Prefetch so far, after which its pinned memory may be written again.
func (c *Context) PrefetchWait() error {
	return c.wait("waiting for the next batch", func() C.CUresult { return C.vimps_query_stream(c.ctx, c.prefetch.s) })
}
