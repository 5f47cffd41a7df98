// A libcuda.so.1 that does next to nothing, for the tests of what goes wrong: INIT is what cuInit returns, its stream is
// never done, cuMemGetInfo never returns, nor does the call that VIMPS_STUB_HANGS names, and it has no function beyond
// these.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void maybe_hang(const char *call) {
	const char *name = getenv("VIMPS_STUB_HANGS");
	while (name && !strcmp(name, call))
		pause();
}

int cuInit(unsigned flags) { return maybe_hang(__func__), INIT; }
int cuGetErrorName(int r, const char **s) { return *s = r == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR", 0; }
int cuGetErrorString(int r, const char **s) { return *s = r == 100 ? "no CUDA-capable device is detected" : "some error", 0; }
int cuDriverGetVersion(int *v) { return *v = 12080, 0; }
int cuDeviceGetCount(int *n) { return maybe_hang(__func__), *n = 1, 0; }
int cuDeviceGet(int *d, int n) { return *d = n, 0; }
int cuDeviceGetName(char *s, int n, int d) { return maybe_hang(__func__), s[0] = 'S', s[1] = 0, 0; }
int cuDeviceTotalMem_v2(unsigned long *n, int d) { return *n = 1 << 20, 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { return *v = 9, 0; }
int cuDevicePrimaryCtxRetain(void **c, int d) { return maybe_hang(__func__), *c = (void *)1, 0; }
int cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
int cuCtxSetCurrent(void *c) { return 0; }
int cuStreamCreate(void **s, unsigned flags) { return *s = (void *)2, 0; }
int cuStreamDestroy_v2(void *s) { return 0; }
int cuStreamQuery(void *s) { return 600; }
int cuEventCreate(void **e, unsigned flags) { return *e = (void *)3, 0; }
int cuEventDestroy_v2(void *e) { return 0; }
int cuMemGetInfo_v2(unsigned long *free, unsigned long *total) { for (;;) pause(); }
int cuModuleLoadData(void **m, const void *image) { return 209; }
