//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"errors"
	"unsafe"

	"gorgonia.org/cu"
)

// staging is a ring of pinned memory through which every copy from and to ordinary memory goes, so that the compute
// stream, and with it the order of things, never depends on when the driver gets round to pageable memory.
type staging struct {
	slots [stagingSlots]slot
	next  int
}

type slot struct {
	mem  []byte
	free cu.Event // passes when the last copy has been done
	used bool     // free has been recorded
}

const (
	stagingSlots = 16
	stagingMin   = 64 << 10 // bytes
	stagingMax   = 8 << 20
)

// CopyIn copies from the host to the device on the compute stream. src may be changed when it returns; it waits for the
// GPU only when the ring of staging memory is full.
func (c *Context) CopyIn(dst, src unsafe.Pointer, bytes int) error {
	if err := c.mayCopy("copy to the GPU"); err != nil {
		return err
	}
	for from := unsafe.Slice((*byte)(src), bytes); len(from) > 0; {
		s, err := c.stage.take(c, len(from))
		if err != nil {
			return err
		}
		n := copy(s.mem, from)
		err = s.start(c, "cuMemcpyHtoDAsync", func() C.CUresult {
			return C.vimps_copy_in(c.ctx, c.compute.s, dst, unsafe.Pointer(&s.mem[0]), C.size_t(n))
		})
		if err != nil {
			return err
		}
		from, dst = from[n:], unsafe.Add(dst, n)
	}
	return nil
}

// CopyOut copies from the device to the host, after all that is on the compute stream, and waits for it as
// [Context.Synchronize] does.
func (c *Context) CopyOut(dst, src unsafe.Pointer, bytes int) error {
	if err := c.mayCopy("copy from the GPU"); err != nil {
		return err
	}
	var last *slot // a copy on its way while the one before is moved to dst
	var to []byte
	for rest := unsafe.Slice((*byte)(dst), bytes); len(rest) > 0 || last != nil; {
		before, beforeTo := last, to
		last = nil
		if len(rest) > 0 {
			s, err := c.stage.take(c, len(rest))
			if err != nil {
				return err
			}
			n := min(len(rest), len(s.mem))
			err = s.start(c, "cuMemcpyDtoHAsync", func() C.CUresult {
				return C.vimps_copy_out(c.ctx, c.compute.s, unsafe.Pointer(&s.mem[0]), src, C.size_t(n))
			})
			if err != nil {
				return err
			}
			last, to, rest, src = s, rest[:n], rest[n:], unsafe.Add(src, n)
		}
		if before != nil {
			if err := before.wait(c); err != nil {
				return err
			}
			copy(beforeTo, before.mem)
		}
	}
	return nil
}

// CopyOnDevice copies within the device, on the compute stream.
func (c *Context) CopyOnDevice(dst, src unsafe.Pointer, bytes int) error {
	if c.dead != nil || bytes == 0 {
		return c.dead
	}
	return c.do("cuMemcpyDtoDAsync", func() C.CUresult { return C.vimps_copy(c.ctx, c.compute.s, dst, src, C.size_t(bytes)) })
}

func (c *Context) mayCopy(what string) error {
	if c.capture {
		return errors.New(what + ": not while a graph is being captured")
	}
	return c.dead
}

// take is the next slot, free and with room for bytes or stagingMax.
func (t *staging) take(c *Context, bytes int) (*slot, error) {
	s := &t.slots[t.next]
	t.next = (t.next + 1) % stagingSlots
	if err := s.wait(c); err != nil {
		return nil, err
	}
	want := stagingMin
	for want < min(bytes, stagingMax) {
		want *= 2
	}
	if len(s.mem) >= want {
		return s, nil
	}
	if handle(&s.free) == nil {
		if err := c.makeEvent(&s.free); err != nil {
			return nil, err
		}
	}
	mem, err := c.Pinned(want)
	if err != nil {
		return nil, err
	}
	old := s.mem
	s.mem = mem
	return s, c.FreePinned(old)
}

// start puts a copy to or from the slot on the compute stream.
func (s *slot) start(c *Context, call string, f func() C.CUresult) error {
	if err := c.do(call, f); err != nil {
		return err
	}
	s.used = true
	return c.do("cuEventRecord", func() C.CUresult { return C.vimps_record(c.ctx, event(&s.free), c.compute.s) })
}

func (s *slot) wait(c *Context) error {
	if !s.used {
		return nil
	}
	s.used = false
	return c.wait("waiting for a copy", func() C.CUresult { return C.vimps_query_event(c.ctx, event(&s.free)) })
}

func (t *staging) free(c *Context) error {
	var errs []error
	for i := range t.slots {
		errs = append(errs, t.slots[i].wait(c), c.FreePinned(t.slots[i].mem), c.freeEvent(&t.slots[i].free))
	}
	*t = staging{}
	return cmp.Or(errs...)
}
