//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Error is a driver call that failed.
type Error struct {
	Code int    // CUresult; 0 where the driver never answered
	Name string // such as CUDA_ERROR_ILLEGAL_ADDRESS
	Call string // what was being done: the driver call, and for a launch the kernel and its shape
	Text string // one line: what went wrong
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Call + ": " + e.Text
	}
	return fmt.Sprintf("%s: %s (%s, %d)", e.Call, e.Text, e.Name, e.Code)
}

// OutOfMemory tells whether err is the driver's refusal of memory.
func OutOfMemory(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == C.CUDA_ERROR_OUT_OF_MEMORY
}

// Lost tells whether nothing can be done with a GPU after err: a kernel failed on it, it is gone, or it
// does not answer.
func Lost(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == 0 || sticky(e.Code))
}

// noAnswer is the error of a driver call that does not come back, or a wait that sees no progress.
func noAnswer(call string, after time.Duration) error {
	return &Error{Call: call, Text: fmt.Sprintf("the GPU does not answer: no progress for %v", after)}
}

// failure is a result of the driver as an error, nil for success.
func failure(call string, r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	e := &Error{Code: int(r), Call: call}
	if r == C.CUDA_ERROR_NOT_FOUND {
		if name := C.vimps_missing(); name != nil {
			e.Name, e.Text = "CUDA_ERROR_NOT_FOUND", "this driver has no function "+C.GoString(name)+"; a newer driver has it"
			return e
		}
	}
	var name, text *C.char
	C.cuGetErrorName(r, &name)
	C.cuGetErrorString(r, &text)
	e.Name, e.Text = C.GoString(name), C.GoString(text)
	if e.Name == "" {
		e.Name = "CUresult"
	}
	if e.Text == "" {
		e.Text = "the driver gives no text for this error"
	}
	return e
}

// failed is an error of gorgonia.org/cu, whose type is its own, as an [Error].
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(errors.Unwrap(err)); v.Kind() == reflect.Int {
		return failure(call, C.CUresult(v.Int()))
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return failure(call, C.CUresult(v.Int()))
	}
	return fmt.Errorf("%s: %w", call, err)
}

// sticky tells whether nothing can be done with a context after this error.
func sticky(code int) bool {
	switch code {
	case C.CUDA_ERROR_DEINITIALIZED, C.CUDA_ERROR_ECC_UNCORRECTABLE, C.CUDA_ERROR_NVLINK_UNCORRECTABLE, C.CUDA_ERROR_DEVICE_UNAVAILABLE,
		C.CUDA_ERROR_ILLEGAL_ADDRESS, C.CUDA_ERROR_LAUNCH_TIMEOUT, C.CUDA_ERROR_CONTEXT_IS_DESTROYED, C.CUDA_ERROR_ASSERT,
		C.CUDA_ERROR_HARDWARE_STACK_ERROR, C.CUDA_ERROR_ILLEGAL_INSTRUCTION, C.CUDA_ERROR_MISALIGNED_ADDRESS,
		C.CUDA_ERROR_INVALID_ADDRESS_SPACE, C.CUDA_ERROR_INVALID_PC, C.CUDA_ERROR_LAUNCH_FAILED,
		C.CUDA_ERROR_EXTERNAL_DEVICE, C.CUDA_ERROR_MPS_CLIENT_TERMINATED, C.CUDA_ERROR_UNKNOWN: // the last is what a card says that fell off its bus
		return true
	}
	return false
}

// noCode tells whether the driver found nothing in an image that it can run on the card: it is older than the
// compiler, or the card is newer.
func noCode(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case C.CUDA_ERROR_NO_BINARY_FOR_GPU, C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION, C.CUDA_ERROR_INVALID_IMAGE, C.CUDA_ERROR_INVALID_PTX,
		C.CUDA_ERROR_INVALID_SOURCE, C.CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
		return true
	}
	return false
}
