//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"gorgonia.org/cu"
)

// calls carries driver calls to a goroutine of their own, so that a call that never comes back, as on a GPU that hangs,
// is an error and not the end of everything.
type calls struct {
	jobs    chan func() C.CUresult
	results chan C.CUresult
	timer   *time.Timer
}

const (
	// defaultPatience is how long a wait may see no progress unless [Context.SetPatience] says otherwise.
	defaultPatience = time.Minute
	// callPatience is how much longer than that a single driver call may take: some wait for all that is on the GPU.
	callPatience = 10
)

func newCalls() calls {
	// A result has room to be left behind by a call that comes back after all.
	k := calls{jobs: make(chan func() C.CUresult), results: make(chan C.CUresult, 1), timer: time.NewTimer(time.Hour)}
	go func() {
		for job := range k.jobs {
			k.results <- job()
		}
	}()
	return k
}

// stop ends the goroutine, after the call that it is in if that ever comes back.
func (k *calls) stop() {
	close(k.jobs)
	k.timer.Stop()
}

// within makes driver calls that need no context, for what comes before there is one. It leaves them behind when they
// do not come back within the limit.
func within[T any](limit time.Duration, call string, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1) // room to be left behind
	go func() {
		value, err := f()
		answers <- answer{value, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.C:
		var none T
		return none, noAnswer(call, limit)
	}
}

// ask makes a driver call, and fails when the context is lost or the call does not come back.
func (c *Context) ask(call string, f func() C.CUresult) (C.CUresult, error) {
	if c.dead != nil {
		return 0, c.dead
	}
	c.calls.jobs <- f
	c.calls.timer.Reset(callPatience * c.patience)
	select {
	case r := <-c.calls.results:
		return r, nil
	case <-c.calls.timer.C:
		return 0, c.silent(call, callPatience*c.patience)
	}
}

// do is ask, and fails with the call.
func (c *Context) do(call string, f func() C.CUresult) error {
	r, err := c.ask(call, f)
	if err != nil {
		return err
	}
	return c.note(failure(call, r))
}

// current is do for a call through cu, which needs a thread on which c is current.
func (c *Context) current(call string, f func() error) error {
	var err error
	_, lost := c.ask(call, func() C.CUresult {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err = cu.SetCurrentContext(c.cu); err == nil {
			err = f()
		}
		return C.CUDA_SUCCESS
	})
	if lost != nil {
		return lost
	}
	return c.note(failed(call, err))
}

// silent gives the GPU up.
func (c *Context) silent(call string, after time.Duration) error {
	c.dead = noAnswer(fmt.Sprintf("gpu:%d: %s", c.n, call), after)
	return c.dead
}

// note keeps an error after which every call on c fails.
func (c *Context) note(err error) error {
	var e *Error
	if c.dead == nil && errors.As(err, &e) && sticky(e.Code) {
		c.dead = fmt.Errorf("gpu:%d is lost: %w", c.n, err)
		return c.dead
	}
	return err
}
