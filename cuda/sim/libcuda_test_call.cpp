// Cases: starting the driver, devices, contexts, failures on demand, results.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "libcuda_test.h"

namespace {

void set(const char *name, const std::string &value) { setenv(name, value.c_str(), 1); }

int attribute(int which, CUdevice device = 0) {
  int v = -1;
  OK(CU(cuDeviceGetAttribute)(&v, static_cast<CUdevice_attribute>(which), device));
  return v;
}

void before_init() {
  int n;
  WANT(CUDA_ERROR_NOT_INITIALIZED, CU(cuDeviceGetCount)(&n));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuInit)(1));
  WANT(CUDA_ERROR_NOT_INITIALIZED, CU(cuDeviceGetCount)(&n));
  OK(CU(cuInit)(0));
  OK(CU(cuDeviceGetCount)(&n));
  IS(n == 1);
}

void no_device() {
  set("VIMPS_SIM_DEVICES", "0");
  WANT(CUDA_ERROR_NO_DEVICE, CU(cuInit)(0));
  int n;
  WANT(CUDA_ERROR_NOT_INITIALIZED, CU(cuDeviceGetCount)(&n));
}

void several_devices() {
  set("VIMPS_SIM_DEVICES", "2");
  set("VIMPS_SIM_CC", "7.5,9.0");
  OK(CU(cuInit)(0));
  int n;
  OK(CU(cuDeviceGetCount)(&n));
  IS(n == 2);
  IS(attribute(75, 0) == 7 && attribute(76, 0) == 5 && attribute(75, 1) == 9 && attribute(76, 1) == 0);
  CUdevice d;
  WANT(CUDA_ERROR_INVALID_DEVICE, CU(cuDeviceGet)(&d, 2));
  WANT(CUDA_ERROR_INVALID_DEVICE, CU(cuDeviceGet)(&d, -1));
  CUcontext c;
  OK(CU(cuDevicePrimaryCtxRetain)(&c, 1));
  OK(CU(cuCtxSetCurrent)(c));
  OK(CU(cuCtxGetDevice)(&d));
  IS(d == 1);
  CUuuid a, b;
  OK(CU(cuDeviceGetUuid_v2)(&a, 0));
  OK(CU(cuDeviceGetUuid)(&b, 1));
  IS(memcmp(&a, &b, sizeof a) != 0);
}

void attributes() {
  OK(CU(cuInit)(0));
  IS(attribute(75) == 8 && attribute(76) == 0 && attribute(16) == 108);
  IS(attribute(8) == 48 << 10 && attribute(97) == 163 << 10 && attribute(10) == 32);
  IS(attribute(1) == 1024 && attribute(39) == 2048 && attribute(5) == 0x7FFFFFFF && attribute(6) == 65535);
  IS(attribute(38) > 0 && attribute(13) > 0 && attribute(36) > 0 && attribute(37) > 0 && attribute(33) >= 0);
  int v;
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuDeviceGetAttribute)(&v, static_cast<CUdevice_attribute>(100000), 0));
  char name[64], pci[16];
  OK(CU(cuDeviceGetName)(name, sizeof name, 0));
  OK(CU(cuDeviceGetPCIBusId)(pci, sizeof pci, 0));
  IS(std::string(name) == "Simulated GPU sm_80" && std::string(pci) == "0000:01:00.0");
  size_t bytes;
  OK(CU(cuDeviceTotalMem_v2)(&bytes, 0));
  IS(bytes == 4ull << 30);
  int version;
  OK(CU(cuDriverGetVersion)(&version));
  IS(version == 13000);
}

void no_context() {
  OK(CU(cuInit)(0));
  CUdeviceptr p;
  WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuMemAlloc_v2)(&p, 4));
  WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuCtxSynchronize)());
  IS(logged("cuMemAlloc_v2: no context is current"));
  Gpu g;
  std::thread([&] { WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuMemAlloc_v2)(&p, 4)); }).join();  // current on one thread only
  OK(CU(cuMemAlloc_v2)(&p, 4));
}

void context_stack() {
  Gpu g;
  CUcontext made, now;
  OK(CU(cuCtxCreate_v2)(&made, 0, 0));
  OK(CU(cuCtxGetCurrent)(&now));
  IS(now == made && made != g.context);
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuStreamSynchronize)(g.stream));  // of the other context
  OK(CU(cuCtxPushCurrent_v2)(g.context));
  OK(CU(cuStreamSynchronize)(g.stream));
  OK(CU(cuCtxPopCurrent_v2)(&now));
  IS(now == g.context);
  OK(CU(cuCtxDestroy_v2)(made));
  OK(CU(cuCtxGetCurrent)(&now));
  IS(now == g.context);
  WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuCtxSetCurrent)(made));
  WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuCtxDestroy_v2)(g.context));  // a primary one
}

void primary_context() {
  Gpu g;
  CUcontext again;
  unsigned flags;
  int active;
  OK(CU(cuDevicePrimaryCtxSetFlags_v2)(0, CU_CTX_SCHED_YIELD));
  OK(CU(cuDevicePrimaryCtxRetain)(&again, 0));
  IS(again == g.context);
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
  OK(CU(cuDevicePrimaryCtxGetState)(0, &flags, &active));
  IS(active == 1 && flags == CU_CTX_SCHED_YIELD);
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
  OK(CU(cuDevicePrimaryCtxGetState)(0, &flags, &active));
  IS(active == 0);
  CUdeviceptr p;
  WANT(CUDA_ERROR_CONTEXT_IS_DESTROYED, CU(cuMemAlloc_v2)(&p, 4));
  WANT(CUDA_ERROR_INVALID_CONTEXT, CU(cuDevicePrimaryCtxRelease_v2)(0));
  OK(CU(cuDevicePrimaryCtxRetain)(&again, 0));
  OK(CU(cuDevicePrimaryCtxReset_v2)(0));
}

void fail_on_demand() {
  set("VIMPS_SIM_FAIL", "cuMemAlloc_v2:3:2,cuStreamCreate:1:999");
  OK(CU(cuInit)(0));
  CUcontext c;
  OK(CU(cuDevicePrimaryCtxRetain)(&c, 0));
  OK(CU(cuCtxSetCurrent)(c));
  CUdeviceptr p;
  CUstream s;
  OK(CU(cuMemAlloc_v2)(&p, 4));
  OK(CU(cuMemAlloc_v2)(&p, 4));
  WANT(CUDA_ERROR_OUT_OF_MEMORY, CU(cuMemAlloc_v2)(&p, 4));
  OK(CU(cuMemAlloc_v2)(&p, 4));
  IS(counter("live_allocations") == 3);
  WANT(CUDA_ERROR_UNKNOWN, CU(cuStreamCreate)(&s, 0));
  OK(CU(cuStreamCreate)(&s, 0));
  set("VIMPS_SIM_FAIL", "cuMemAlloc:2:1");  // counts anew; the name without its version
  OK(CU(cuMemAlloc_v2)(&p, 4));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemAlloc_v2)(&p, 4));
  set("VIMPS_SIM_FAIL", "cuStreamQuery:0:600");  // every call
  for (int i = 0; i < 5; i++) WANT(CUDA_ERROR_NOT_READY, CU(cuStreamQuery)(s));
  set("VIMPS_SIM_FAIL", "cuStreamQuery:1:700");  // stays
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuStreamQuery)(s));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuMemAlloc_v2)(&p, 4));
}

// Every exported function can be made to fail. A call that is to fail looks at none of its arguments.
void fail_everywhere() {
  Gpu g;
  FILE *names = popen(("nm -D --defined-only " + library_file).c_str(), "r");
  char name[4000];
  int n = 0;
  while (fscanf(names, "%*s %*s %3999s", name) == 1) {
    if (strncmp(name, "cu", 2) != 0) continue;
    n++;
    set("VIMPS_SIM_FAIL", std::string(name) + ":1:999");
    CUresult got = symbol<CUresult(long, long, long, long, long, long, long, long, long, long, long)>(name)(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    if (got != CUDA_ERROR_UNKNOWN) throw Failure(std::string(name) + " cannot be made to fail");
  }
  pclose(names);
  IS(n >= 80);
}

void malformed_request() {
  set("VIMPS_SIM_FAIL", "cuInit:x");
  fclose(stderr);
  CU(cuInit)(0);
}

void wedge() {
  set("VIMPS_SIM_WEDGE", "cuCtxSynchronize:2");
  Gpu g;
  OK(CU(cuCtxSynchronize)());
  pid_t child = fork();
  if (!child) {
    alarm(1);
    CU(cuCtxSynchronize)();
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  IS(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

void trace() {
  std::string file = log_file + ".trace";
  Gpu g;
  set("VIMPS_SIM_TRACE", file);
  CUdeviceptr p = g.alloc(4096);
  OK(g.set(p, 0, 1, g.stream));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuMemFree_v2)(p + 4));
  CUfunction f;
  WANT(CUDA_ERROR_NOT_FOUND, CU(cuModuleGetFunction)(&f, g.module, "nosuch"));
  unsetenv("VIMPS_SIM_TRACE");
  g.alloc(77);
  std::string text = read_file(file);
  unlink(file.c_str());
  IS(text.find("cuMemAlloc_v2(4096) = 0\n") == 0);
  IS(text.find("cuLaunchKernel(set, 1, 1, 1, 32, 1, 1, 0, ") != std::string::npos);
  IS(text.find("\"nosuch\") = 500\n") != std::string::npos);
  IS(text.find("cuMemFree_v2(" + std::to_string(p + 4) + ") = 1\n") != std::string::npos);
  IS(text.find("cuMemAlloc_v2(77)") == std::string::npos);
}

void names_and_texts() {
  const char *s;
  OK(CU(cuGetErrorName)(CUDA_ERROR_ILLEGAL_ADDRESS, &s));
  IS(std::string(s) == "CUDA_ERROR_ILLEGAL_ADDRESS");
  OK(CU(cuGetErrorString)(CUDA_ERROR_ILLEGAL_ADDRESS, &s));
  IS(std::string(s) == "an illegal memory access was encountered");
  OK(CU(cuGetErrorString)(CUDA_ERROR_OUT_OF_MEMORY, &s));
  IS(std::string(s) == "out of memory");
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuGetErrorName)(static_cast<CUresult>(12345), &s));
  IS(!s);
}

}  // namespace

const std::vector<Case> call_cases = {
    {"calls before cuInit fail", before_init},
    {"a driver without a GPU", no_device},
    {"two devices of different capability", several_devices},
    {"attributes, name and memory", attributes},
    {"calls without a current context fail", no_context},
    {"contexts: stack, destruction, handles of another context", context_stack},
    {"the primary context is counted, and gone after its last release", primary_context},
    {"failure on demand: n-th call, every call, sticky codes", fail_on_demand},
    {"failure on demand reaches every entry point", fail_everywhere},
    {"a malformed request ends the program", malformed_request, SIGABRT},
    {"a wedged call never returns", wedge},
    {"trace: one line a call", trace},
    {"names and texts of results", names_and_texts},
};
