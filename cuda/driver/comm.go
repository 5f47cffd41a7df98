//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"fmt"
	"slices"
	"unsafe"
)

// Comm is this GPU's place among those of several processes, on a stream of its own.
type Comm struct {
	c      *Context
	comm   C.vimps_comm
	stream stream
	failed error // the first error of NCCL, which was then told to stop; every later call gives it again
}

// NewComm waits for every other rank of the id to call it too, each with a GPU of its own.
func (c *Context) NewComm(id []byte, rank, size int) (*Comm, error) {
	if err := startNCCL(); err != nil {
		return nil, err
	}
	m := &Comm{c: c}
	c.comms = append(c.comms, m) // from here on Close frees it
	if err := c.makeStream(&m.stream); err != nil {
		return nil, err
	}
	err := m.call("ncclCommInitRank", func() C.vimps_nccl_answer {
		return C.vimps_nccl_join(c.ctx, &m.comm, C.int(size), unsafe.Pointer(unsafe.SliceData(id)), C.int(rank))
	})
	if err != nil {
		m.Free()
		return nil, err
	}
	return m, nil
}

// call makes a call of NCCL. After its first failure NCCL is stopped at once, since a kernel of it that waits for another process
// would keep the GPU from whatever is done on the way out.
func (m *Comm) call(name string, f func() C.vimps_nccl_answer) error {
	if m.failed != nil {
		return m.failed
	}
	var a C.vimps_nccl_answer
	err := m.c.do(name, func() C.CUresult {
		a = f()
		return a.driver
	})
	if err != nil {
		return err
	}
	if err := ncclFailure(a); err != nil {
		m.failed = fmt.Errorf("gpu:%d: %w", m.c.n, err)
		m.abort()
	}
	return m.failed
}

// abort says nothing of errors: the one that led here is told.
func (m *Comm) abort() {
	if m.comm == nil {
		return
	}
	comm := m.comm
	m.comm = nil
	_, _ = m.c.ask("ncclCommAbort", func() C.CUresult { return C.vimps_nccl_abort(m.c.ctx, comm).driver })
}

// check is the failure of what was started before, where NCCL has noticed one.
func (m *Comm) check() error {
	if m.comm == nil {
		return m.failed
	}
	return m.call("ncclCommGetAsyncError", func() C.vimps_nccl_answer { return C.vimps_nccl_state(m.c.ctx, m.comm) })
}

func (c *Context) checkComms() error {
	for _, m := range c.comms {
		if err := m.check(); err != nil {
			return err
		}
	}
	return nil
}

// Floats is a place on the device.
type Floats struct {
	P unsafe.Pointer
	N int
}

// AllReduce sums over the ranks, in place, on the stream of the communicator and after all that is on the compute stream now; the host
// does not wait. Every rank calls it with the same lengths in the same order.
func (m *Comm) AllReduce(buffers ...Floats) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := m.c.order(&m.c.compute, &m.stream); err != nil {
		return err
	}
	p, n := make([]unsafe.Pointer, len(buffers)), make([]C.size_t, len(buffers))
	for i, b := range buffers {
		p[i], n[i] = b.P, C.size_t(b.N)
	}
	return m.call("ncclAllReduce", func() C.vimps_nccl_answer {
		return C.vimps_nccl_sum(m.c.ctx, m.comm, m.stream.s, unsafe.SliceData(p), unsafe.SliceData(n), C.int(len(buffers)))
	})
}

// Join makes what comes next on the compute stream wait for every AllReduce so far. The host does not wait.
func (m *Comm) Join() error {
	if err := m.check(); err != nil {
		return err
	}
	return m.c.order(&m.stream, &m.c.compute)
}

// Free waits for what was started, as [Context.Synchronize] does, and gives the communicator and its stream back. After a failure
// nothing is waited for.
func (m *Comm) Free() error {
	if !slices.Contains(m.c.comms, m) {
		return nil
	}
	defer func() { m.c.comms = slices.DeleteFunc(m.c.comms, func(o *Comm) bool { return o == m }) }()
	if m.c.dead != nil {
		return m.c.dead
	}
	err := m.failed
	if m.comm != nil {
		err = m.c.wait("waiting for the last all-reduce", func() C.CUresult { return C.vimps_query_stream(m.c.ctx, m.stream.s) })
	}
	if m.comm != nil && err == nil {
		comm := m.comm
		m.comm = nil
		err = m.call("ncclCommDestroy", func() C.vimps_nccl_answer { return C.vimps_nccl_destroy(m.c.ctx, comm) })
	}
	return cmp.Or(err, m.c.freeStream(&m.stream))
}

func (c *Context) freeComms() error {
	var errs []error
	for _, m := range slices.Clone(c.comms) {
		errs = append(errs, m.Free())
	}
	return cmp.Or(errs...)
}
