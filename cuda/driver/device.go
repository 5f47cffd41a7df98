//go:build cuda

package driver

// #cgo CFLAGS: -O2 -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror -I${SRCDIR}/compat
// #cgo LDFLAGS: -Wl,--as-needed -L${SRCDIR} -ldl -lpthread
// #include "driver.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"time"

	"gorgonia.org/cu"
)

// Status tells whether the driver answers. Where it does not, the text says why: no library, or cuInit's answer; where
// it does, the text names the version of CUDA that it can run. The first call starts the driver.
func Status() (text string, ok bool) {
	v, err := start(callPatience * defaultPatience)
	if err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("driver for CUDA %d.%d", v/1000, v%1000/10), true
}

// start starts the driver unless that has been done, and is its version.
func start(limit time.Duration) (int, error) {
	return within(limit, "cuInit", func() (int, error) {
		var why *C.char
		r := C.vimps_status(&why)
		switch {
		case r == C.VIMPS_NO_LIBRARY:
			return 0, errors.New(library() + " cannot be loaded: " + C.GoString(why))
		case r != C.CUDA_SUCCESS:
			return 0, failure("cuInit", C.CUresult(r))
		}
		return version()
	})
}

// version is not cu.Version, which keeps the error to itself.
func version() (int, error) {
	var v C.int
	r := C.cuDriverGetVersion(&v)
	return int(v), failure("cuDriverGetVersion", r)
}

// LibraryVariable is the environment variable that names another driver to load; resolve.c reads it too.
const LibraryVariable = "VIMPS_LIBCUDA"

func library() string {
	if path := os.Getenv(LibraryVariable); path != "" {
		return path
	}
	return "libcuda.so.1"
}

// Info describes one GPU.
type Info struct {
	Name              string
	ComputeCapability [2]int // major, minor
	SMs               int    // streaming multiprocessors
	Memory            int64  // bytes in all
	DriverVersion     int    // the newest CUDA that the driver runs: 13000 is 13.0
}

// Devices lists the GPUs in the driver's order. It fails when [Status] does.
func Devices() ([]Info, error) { return devices(callPatience * defaultPatience) }

func devices(limit time.Duration) ([]Info, error) {
	if _, err := start(limit); err != nil {
		return nil, err
	}
	n, err := numDevices(limit)
	if err != nil {
		return nil, err
	}
	list := make([]Info, n)
	for i := range list {
		if _, list[i], err = describe(limit, i); err != nil {
			return nil, fmt.Errorf("gpu:%d: %w", i, err)
		}
	}
	return list, nil
}

func numDevices(limit time.Duration) (int, error) {
	return within(limit, "cuDeviceGetCount", func() (int, error) {
		n, err := cu.NumDevices()
		return n, failed("cuDeviceGetCount", err)
	})
}

// describe is GPU n as the driver names it and what the driver says of it.
func describe(limit time.Duration, n int) (cu.Device, Info, error) {
	var info Info
	d, err := within(limit, "cuDeviceGet and its attributes", func() (d cu.Device, err error) {
		d, info, err = attributes(n)
		return d, err
	})
	if err != nil {
		return 0, Info{}, err
	}
	return d, info, nil
}

func attributes(n int) (d cu.Device, info Info, err error) {
	if d, err = cu.GetDevice(n); err != nil {
		return d, info, failed("cuDeviceGet", err)
	}
	if info.DriverVersion, err = version(); err != nil {
		return d, info, err
	}
	if info.Name, err = d.Name(); err != nil {
		return d, info, failed("cuDeviceGetName", err)
	}
	if info.Memory, err = d.TotalMem(); err != nil {
		return d, info, failed("cuDeviceTotalMem", err)
	}
	for _, a := range []struct {
		to   *int
		what cu.DeviceAttribute
	}{
		{&info.ComputeCapability[0], cu.ComputeCapabilityMajor},
		{&info.ComputeCapability[1], cu.ComputeCapabilityMinor},
		{&info.SMs, cu.MultiprocessorCount},
	} {
		if *a.to, err = d.Attribute(a.what); err != nil {
			return d, info, failed("cuDeviceGetAttribute", err)
		}
	}
	return d, info, nil
}
