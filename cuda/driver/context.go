//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unsafe"

	"gorgonia.org/cu"
)

// Context is one GPU, opened: its primary context, its modules and two streams.
type Context struct {
	Info
	n        int // gpu:n
	device   cu.Device
	calls    calls
	cu       cu.CUContext
	ctx      C.CUcontext // the same as cu
	modules  []cu.Module
	home     map[string]cu.Module // of each kernel
	funcs    map[string]*Function // those asked for
	compute  stream
	prefetch stream
	fence    cu.Event // orders the streams, see prefetch.go
	stage    staging
	marks    marks
	comms    []*Comm // with the GPUs of other processes
	patience time.Duration
	capture  bool  // inside [Context.Capture]
	fresh    bool  // memory has been allocated since the last ConsumedMark
	dead     error // the first error after which the GPU does no more for this process, in the end errClosed
}

// stream is a stream as cu and as our own C know it.
type stream struct {
	cu cu.Stream
	s  C.CUstream
}

// Function is a kernel of one of a Context's images.
type Function struct {
	name   string
	f      C.CUfunction
	shared int // dynamic shared memory that it may use, bytes
}

// sharedWithoutOptIn is the dynamic shared memory in bytes that a kernel may use without asking.
const sharedWithoutOptIn = 48 << 10

// Open makes GPU n ready and loads the images, fatbins or PTX by any name, into it. It fails, naming the card, when
// there is no such GPU or an image has no code for it.
func Open(n int, images map[string][]byte) (*Context, error) {
	c, err := open(n, images, defaultPatience)
	if err != nil {
		return nil, fmt.Errorf("gpu:%d: %w", n, err)
	}
	return c, nil
}

func open(n int, images map[string][]byte, patience time.Duration) (*Context, error) {
	limit := callPatience * patience
	if _, err := start(limit); err != nil {
		return nil, err
	}
	count, err := numDevices(limit)
	if err != nil {
		return nil, err
	}
	if n < 0 || n >= count {
		return nil, fmt.Errorf("the driver sees %d GPU(s), numbered from 0", count)
	}
	c := &Context{n: n, home: map[string]cu.Module{}, funcs: map[string]*Function{}, patience: patience}
	if c.device, c.Info, err = describe(limit, n); err != nil {
		return nil, err
	}
	c.cu, err = within(limit, "cuDevicePrimaryCtxRetain", func() (cu.CUContext, error) {
		primary, err := c.device.RetainPrimaryCtx()
		return primary, failed("cuDevicePrimaryCtxRetain", err)
	})
	if err != nil {
		return nil, err
	}
	c.calls = newCalls() // from here on Close ends them
	c.ctx = C.CUcontext(handle(&c.cu))
	if err := c.makeStreams(); err != nil {
		return nil, cmp.Or(err, c.Close())
	}
	if err := c.load(images); err != nil {
		return nil, cmp.Or(err, c.Close())
	}
	return c, nil
}

// handle is the driver's handle inside one of cu's types.
func handle[T cu.CUContext | cu.Stream | cu.Event | cu.Function](v *T) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(v))
}

func event(e *cu.Event) C.CUevent { return C.CUevent(handle(e)) }

func (c *Context) makeStreams() error {
	for _, s := range []*stream{&c.compute, &c.prefetch} {
		if err := c.makeStream(s); err != nil {
			return err
		}
	}
	return c.makeEvent(&c.fence)
}

func (c *Context) makeStream(s *stream) error {
	err := c.current("cuStreamCreate", func() (err error) {
		s.cu, err = cu.MakeStream(cu.NonBlocking)
		return err
	})
	if err != nil {
		return err
	}
	s.s = C.CUstream(handle(&s.cu))
	return nil
}

func (c *Context) makeEvent(e *cu.Event) error {
	return c.current("cuEventCreate", func() (err error) {
		*e, err = cu.MakeEvent(cu.DisableTiming)
		return err
	})
}

// headerVersion is that of the cuda.h of this build, and so of its compiler, as in [Info].
const headerVersion = C.CUDA_VERSION

// load loads every image, in the order of their names.
func (c *Context) load(images map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(images)) {
		err := c.current("loading the kernels of "+name, func() error {
			m, err := cu.LoadData(string(images[name]))
			if err == nil {
				c.modules = append(c.modules, m)
				for _, kernel := range kernels(images[name]) {
					c.home[kernel] = m
				}
			}
			return err
		})
		if noCode(err) {
			return fmt.Errorf("no code for %s (compute capability %d.%d, driver for CUDA %d.%d) in this program, which carries %s, made by CUDA %d.%d: %w", c.Name,
				c.ComputeCapability[0], c.ComputeCapability[1], c.DriverVersion/1000, c.DriverVersion%1000/10, inventory(images),
				headerVersion/1000, headerVersion%1000/10, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Function finds a kernel by its name in any of the images.
func (c *Context) Function(name string) (*Function, error) {
	if f := c.funcs[name]; f != nil {
		return f, nil
	}
	m, ok := c.home[name]
	if !ok {
		return nil, fmt.Errorf("no kernel %s in this program", name)
	}
	var fn cu.Function
	err := c.current("cuModuleGetFunction of "+name, func() (err error) {
		fn, err = m.Function(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := &Function{name: name, f: C.CUfunction(handle(&fn)), shared: sharedWithoutOptIn}
	c.funcs[name] = f
	return f, nil
}

// Close gives back the communicators, modules, streams, staging memory and the primary context. Memory from [Context.Alloc] is the
// caller's to free before. Of a lost GPU nothing is given back: the driver has freed it, or does not answer. Every later
// call on c fails, but Close itself, which then does nothing.
func (c *Context) Close() error {
	if c.dead == errClosed {
		return nil
	}
	var err error
	if c.dead == nil {
		err = cmp.Or(c.freeComms(), c.stage.free(c), c.marks.free(c), c.free())
		err = cmp.Or(err, c.current("cuDevicePrimaryCtxRelease", c.device.ReleasePrimaryCtx))
	}
	c.calls.stop()
	c.dead = errClosed
	return err
}

var errClosed = errors.New("the GPU has been closed")

func (c *Context) free() error {
	var errs []error
	for _, m := range c.modules {
		errs = append(errs, c.current("cuModuleUnload", m.Unload))
	}
	for _, s := range []*stream{&c.compute, &c.prefetch} {
		errs = append(errs, c.freeStream(s))
	}
	return cmp.Or(append(errs, c.freeEvent(&c.fence))...)
}

func (c *Context) freeStream(s *stream) error {
	if s.s == nil {
		return nil
	}
	s.s = nil
	return c.current("cuStreamDestroy", s.cu.Destroy)
}

func (c *Context) freeEvent(e *cu.Event) error {
	if handle(e) == nil {
		return nil
	}
	return c.current("cuEventDestroy", func() error { return cu.DestroyEvent(e) })
}
