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

	"gorgonia.org/cu"
)

// Status tells whether the driver answers. Where it does not, the text says why: no library, or cuInit's answer; where
// it does, the text names the version of CUDA that it can run. The first call starts the driver.
func Status() (text string, ok bool) {
	var why *C.char
	r := C.vimps_status(&why)
	switch {
	case r == C.VIMPS_NO_LIBRARY:
		return library() + " cannot be loaded: " + C.GoString(why), false
	case r != C.CUDA_SUCCESS:
		return failure("cuInit", C.CUresult(r)).Error(), false
	}
	v, err := version()
	if err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("driver for CUDA %d.%d", v/1000, v%1000/10), true
}

// version is not cu.Version, which keeps the error to itself.
func version() (int, error) {
	var v C.int
	r := C.cuDriverGetVersion(&v)
	return int(v), failure("cuDriverGetVersion", r)
}

func library() string {
	if path := os.Getenv("VIMPS_LIBCUDA"); path != "" {
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
func Devices() ([]Info, error) {
	if text, ok := Status(); !ok {
		return nil, errors.New(text)
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, failed("cuDeviceGetCount", err)
	}
	list := make([]Info, n)
	for i := range list {
		if _, list[i], err = describe(i); err != nil {
			return nil, fmt.Errorf("gpu:%d: %w", i, err)
		}
	}
	return list, nil
}

func describe(n int) (d cu.Device, info Info, err error) {
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
