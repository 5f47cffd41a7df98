//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"errors"
	"runtime"
	"time"

	"gorgonia.org/cu"
)

// SetPatience sets how long a wait may see no progress of the GPU before it gives up; the default is a minute.
func (c *Context) SetPatience(d time.Duration) { c.patience = d }

// Synchronize waits until the compute stream has done all that was put on it, and returns the error that any of it
// met. A GPU that makes no progress for the patience of [Context.SetPatience] is given up: it "does not answer".
func (c *Context) Synchronize() error {
	return c.wait("waiting for the GPU", func() C.CUresult { return C.vimps_query_stream(c.ctx, c.compute.s) })
}

// wait polls done until it is, less and less often, up to once a millisecond.
func (c *Context) wait(what string, done func() C.CUresult) error {
	if c.capture {
		return errors.New(what + ": not while a graph is being captured")
	}
	if len(c.comms) > 0 {
		what += ", or for another process in an all-reduce"
	}
	var asleep time.Duration // since the last progress
	for tries := 0; ; tries++ {
		r, err := c.ask(what, done)
		if err != nil {
			return err
		}
		if r != C.CUDA_ERROR_NOT_READY {
			return cmp.Or(c.note(failure(what, r)), c.checkComms())
		}
		if tries < 100 {
			runtime.Gosched()
			continue
		}
		if err := c.checkComms(); err != nil {
			return err
		}
		if c.marks.advance(c) {
			asleep = 0
		}
		if asleep >= c.patience {
			return c.silent(what, c.patience)
		}
		pause := min(10*time.Microsecond+asleep/16, time.Millisecond)
		time.Sleep(pause)
		asleep += pause
	}
}

// marks are events put on the compute stream between launches, oldest first: as one passes, the GPU has made progress.
type marks struct {
	launches int        // since the last mark
	pending  []cu.Event // recorded, not seen to pass
	spare    []cu.Event
	made     int
}

const (
	launchesPerMark = 64
	maxMarks        = 256
)

// launched counts a launch or a graph's, and marks the stream now and then.
func (c *Context) launched() error {
	m := &c.marks
	if m.launches++; m.launches < launchesPerMark || c.capture {
		return nil
	}
	m.launches = 0
	if len(m.spare) == 0 && !m.advance(c) {
		if m.made == maxMarks {
			return nil
		}
		var e cu.Event
		if err := c.makeEvent(&e); err != nil {
			return err
		}
		m.made++
		m.spare = append(m.spare, e)
	}
	e := m.spare[len(m.spare)-1]
	if err := c.do("cuEventRecord", func() C.CUresult { return C.vimps_record(c.ctx, event(&e), c.compute.s) }); err != nil {
		return err
	}
	m.spare = m.spare[:len(m.spare)-1]
	m.pending = append(m.pending, e)
	return nil
}

// advance tells whether any mark has passed since it was last called.
func (m *marks) advance(c *Context) bool {
	passed := 0
	for ; passed < len(m.pending); passed++ {
		e := event(&m.pending[passed])
		r, err := c.ask("cuEventQuery", func() C.CUresult { return C.vimps_query_event(c.ctx, e) })
		if err != nil || r != C.CUDA_SUCCESS {
			break
		}
	}
	m.spare = append(m.spare, m.pending[:passed]...)
	m.pending = append(m.pending[:0], m.pending[passed:]...)
	return passed > 0
}

func (m *marks) free(c *Context) error {
	var errs []error
	for _, e := range append(m.pending, m.spare...) {
		errs = append(errs, c.freeEvent(&e))
	}
	*m = marks{}
	return cmp.Or(errs...)
}
