// Cases: device memory, pinned memory, copies, leaks.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda_test.h"

namespace {

void host_touch() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  OK(CU(cuMemsetD8_v2)(p, 0, 4));
  OK(CU(cuCtxSynchronize)());
  volatile int v = *reinterpret_cast<int *>(p);
  (void)v;
}

void accounts() {
  setenv("VIMPS_SIM_MEMORY", "1048576", 1);
  Gpu g;
  size_t free0, free1, total;
  OK(CU(cuMemGetInfo_v2)(&free0, &total));
  IS(total == 1 << 20 && free0 == total);
  CUdeviceptr p = g.alloc(1000), q;
  IS(p % 256 == 0);
  OK(CU(cuMemGetInfo_v2)(&free1, &total));
  IS(free1 + 1000 <= free0 && counter("live_allocations") == 1 && counter("live_bytes") == 1000);
  WANT(CUDA_ERROR_OUT_OF_MEMORY, CU(cuMemAlloc_v2)(&q, 1 << 20));
  IS(logged("1048576 bytes wanted"));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemAlloc_v2)(&q, 0));
  OK(CU(cuMemFree_v2)(p));
  OK(CU(cuMemGetInfo_v2)(&free1, &total));
  IS(free1 == free0 && counter("live_allocations") == 0);
}

void bad_frees() {
  Gpu g;
  CUdeviceptr p = g.alloc(8);
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFree_v2)(p + 4));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFree_v2)(0));
  OK(CU(cuMemFree_v2)(p));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFree_v2)(p));
  IS(logged("was freed before"));
  int v;
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFreeHost)(&v));
  WANT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, CU(cuMemHostUnregister)(&v));
}

void free_waits() {
  Gpu g;
  CUdeviceptr p = g.alloc(4), q = g.alloc(4);
  OK(g.set(p, 0, 5, g.stream));
  OK(g.add(q, p, 1, 1, g.stream));
  OK(CU(cuMemFree_v2)(p));  // the work that uses it is done first
  IS(counter("queued") == 0 && g.read(q, g.stream) == 6);
}

void copies_outside() {
  Gpu g;
  CUdeviceptr p = g.alloc(8);
  int v[4] = {};
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemcpyHtoD_v2)(p, v, 12));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemcpyHtoDAsync_v2)(p + 4, v, 8, g.stream));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemcpyDtoH_v2)(v, p - 4, 4));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemcpyDtoD_v2)(p, 4096, 4));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemsetD8_v2)(p, 0, 9));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemsetD32_v2)(p + 2, 0, 1));
  IS(logged("outside every allocation"));
}

void never_written() {
  Gpu g;
  int v;
  IS(CU(cuMemcpyDtoH_v2)(&v, g.alloc(4), 4) != CUDA_SUCCESS);
  IS(logged("never written"));
}

void pinned_is_read_late() {
  Gpu g;
  int *src = g.pinned(1), *dst = g.pinned(1);
  CUdeviceptr p = g.alloc(4);
  src[0] = 1, dst[0] = -1;
  OK(CU(cuMemcpyHtoDAsync_v2)(p, src, 4, g.stream));
  OK(CU(cuMemcpyDtoHAsync_v2)(dst, p, 4, g.stream));
  src[0] = 2;
  IS(dst[0] == -1);  // nothing has happened yet
  OK(CU(cuStreamSynchronize)(g.stream));
  IS(dst[0] == 2);  // the copy saw what was there when its turn came
}

void pageable_is_staged() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  int v = 1, out = -1;
  OK(CU(cuMemcpyHtoDAsync_v2)(p, &v, 4, g.stream));
  v = 2;
  OK(CU(cuMemcpyDtoHAsync_v2)(&out, p, 4, g.stream));
  IS(out == 1);  // read at the call, and a copy to pageable memory is waited for
}

void registered_is_pinned() {
  Gpu g;
  CUdeviceptr p = g.alloc(8);
  int v[2] = {1, 1};
  OK(CU(cuMemHostRegister_v2)(v, 8, 0));
  WANT(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, CU(cuMemHostRegister_v2)(v, 8, 0));
  OK(CU(cuMemcpyHtoDAsync_v2)(p, v, 8, g.stream));
  v[0] = 2;
  IS(g.read(p, g.stream) == 2);
  OK(CU(cuMemHostUnregister)(v));
  OK(CU(cuMemHostRegister_v2)(v, 4, 0));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemcpyHtoDAsync_v2)(p, v, 8, g.stream));  // half of it is pinned
  OK(CU(cuMemHostUnregister)(v));
  OK(CU(cuMemcpyHtoDAsync_v2)(p, v, 8, g.stream));
  v[0] = 3;
  IS(g.read(p, g.stream) == 2);
}

void past_pinned() {
  Gpu g;
  g.pinned(1024)[1024] = 1;
}

void after_pinned_free() {
  Gpu g;
  int *p = g.pinned(4);
  OK(CU(cuMemFreeHost)(p));
  p[0] = 1;
}

void free_host_waits() {
  Gpu g;
  int *src = g.pinned(1);
  CUdeviceptr p = g.alloc(4);
  src[0] = 9;
  OK(CU(cuMemcpyHtoDAsync_v2)(p, src, 4, g.stream));
  OK(CU(cuMemFreeHost)(src));
  IS(g.read(p, g.stream) == 9);
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFreeHost)(src));
}

void fills_and_moves() {
  Gpu g;
  CUdeviceptr p = g.alloc(16), q = g.alloc(16);
  int v[4];
  OK(CU(cuMemsetD32Async)(p, 0x01020304, 4, g.stream));
  OK(CU(cuMemsetD8Async)(p + 8, 7, 4, g.stream));
  OK(CU(cuMemcpyDtoDAsync_v2)(q, p, 16, g.stream));
  OK(CU(cuMemcpyDtoHAsync_v2)(v, q, 16, g.stream));
  IS(v[0] == 0x01020304 && v[1] == v[0] && v[2] == 0x07070707 && v[3] == v[0]);
  OK(CU(cuMemsetD8_v2)(p, 1, 16));
  OK(CU(cuMemcpyDtoD_v2)(q, p, 4));
  OK(CU(cuMemsetD32_v2)(q + 4, 5, 1));
  OK(CU(cuMemcpyDtoH_v2)(v, q, 8));
  IS(v[0] == 0x01010101 && v[1] == 5);
}

void leaks_at_release() {
  setenv("VIMPS_SIM_LEAKS", "1", 1);
  Gpu g;
  g.alloc(100);
  g.alloc(28);
  g.pinned(4);
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
  IS(logged("leak: 2 allocations, 128 bytes") && logged("leak: 1 blocks of pinned memory") && logged("leak: 1 streams") && logged("leak: 1 modules"));
}

void no_leaks() {
  setenv("VIMPS_SIM_LEAKS", "1", 1);
  Gpu g;
  OK(CU(cuMemFree_v2)(g.alloc(100)));
  OK(CU(cuStreamDestroy_v2)(g.stream));
  OK(CU(cuModuleUnload)(g.module));
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
  IS(!logged("leak"));
}

void leaks_at_exit() {
  pid_t child = fork();
  if (!child) {
    setenv("VIMPS_SIM_LEAKS", "1", 1);
    Gpu g;
    g.alloc(5);
    exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  IS(logged("exit: leak: 1 allocations, 5 bytes"));
}

}  // namespace

const std::vector<Case> memory_cases = {
    {"host code that reads device memory dies", host_touch, SIGSEGV},
    {"memory: amount, alignment, out of memory", accounts},
    {"bad frees and double frees", bad_frees},
    {"cuMemFree waits for the work that is queued", free_waits},
    {"copies and fills outside an allocation", copies_outside},
    {"copying out what was never written", never_written},
    {"asynchronous copies are late, pinned memory is read when their turn comes", pinned_is_read_late},
    {"pageable memory is staged at the call", pageable_is_staged},
    {"registered memory is pinned", registered_is_pinned},
    {"writing behind pinned memory dies", past_pinned, SIGSEGV},
    {"writing to freed pinned memory dies", after_pinned_free, SIGSEGV},
    {"cuMemFreeHost waits for the work that is queued", free_host_waits},
    {"fills and copies on the device", fills_and_moves},
    {"leaks are told when the context goes", leaks_at_release},
    {"no leak, no word", no_leaks},
    {"leaks are told at exit", leaks_at_exit},
};
