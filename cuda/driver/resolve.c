//go:build cuda

// Finds libcuda at run time. The driver is loaded and started by the first call of any of its functions.
#include "driver.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// slot is what a trampoline of driver_amd64.S jumps through.
struct slot {
	void *target;
	const char *name;
};

static struct {
	void *handle; // of libcuda, or NULL
	int status;
	const char *text;
} library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing;

static void start(void) {
	const char *path = getenv("VIMPS_LIBCUDA");
	library.status = VIMPS_NO_LIBRARY;
	library.handle = dlopen(path && *path ? path : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library.handle) {
		library.text = strdup(dlerror());
		return;
	}
	CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(library.handle, "cuInit");
	if (init)
		library.status = (int)init(0);
	else
		library.text = "it has no function cuInit";
}

int vimps_status(const char **text) {
	pthread_once(&once, start);
	*text = library.text;
	return library.status;
}

const char *vimps_missing(void) { return __atomic_exchange_n(&missing, NULL, __ATOMIC_ACQ_REL); }

static CUresult not_found(void) { return CUDA_ERROR_NOT_FOUND; }

// vimps_resolve returns where the slot's trampoline is to jump. A function that libcuda lacks is looked up again at each
// call, so that its name is always at hand.
__attribute__((visibility("hidden"))) void *vimps_resolve(struct slot *s) {
	pthread_once(&once, start);
	void *f = library.handle ? dlsym(library.handle, s->name) : NULL;
	if (!f) {
		__atomic_store_n(&missing, s->name, __ATOMIC_RELEASE);
		return (void *)not_found;
	}
	__atomic_store_n(&s->target, f, __ATOMIC_RELEASE);
	return f;
}

// cuInit stands in for the driver's: cu calls it in its init() and ends the program when it fails. The real one is
// called, and its result kept, when the driver starts.
__attribute__((visibility("hidden"))) CUresult cuInit(unsigned int flags) {
	(void)flags;
	return CUDA_SUCCESS;
}
