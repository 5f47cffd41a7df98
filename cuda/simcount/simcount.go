//go:build cuda

// Package simcount reads the counters of the simulated GPU of cuda/sim. It is for tests.
package simcount

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdint.h>
// #include <stdlib.h>
//
// static int counter(const char *library, const char *name, uint64_t *value) {
// 	void *loaded = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
// 	if (!loaded) return 1;
// 	int (*get)(const char *, uint64_t *) = (int (*)(const char *, uint64_t *))dlsym(loaded, "vimps_sim_counter");
// 	dlclose(loaded);
// 	return get ? get(name, value) : 1;
// }
import "C"

import (
	"os"
	"unsafe"
)

// Counter is a counter by its name in cuda/sim/driver_call.cpp. ok is false where the driver in use is not the simulator,
// or does not know the name.
func Counter(name string) (value uint64, ok bool) {
	library, counter := C.CString(os.Getenv("VIMPS_LIBCUDA")), C.CString(name)
	defer C.free(unsafe.Pointer(library))
	defer C.free(unsafe.Pointer(counter))
	var v C.uint64_t
	if C.counter(library, counter, &v) != 0 {
		return 0, false
	}
	return uint64(v), true
}
