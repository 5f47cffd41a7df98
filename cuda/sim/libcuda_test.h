// What the cases of libcuda_test.cpp share: the library's entry points, and small helpers around them.
#pragma once
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline std::string library_file;  // the libcuda.so.1 under test
inline void *library;
inline std::string ptx;  // of testdata/driver.cu
inline std::string log_file;

template <class F>
F *symbol(const char *name) {
  void *f = dlsym(library, name);
  if (!f) throw Failure(std::string("no entry point ") + name);
  return reinterpret_cast<F *>(f);
}
#define CU(name) (symbol<decltype(name)>(#name))

// WANT(code, call) and OK(call) are a case's assertions about results, IS those about values.
#define WANT(code, call)                                                                                                  \
  do {                                                                                                                    \
    int got_ = (call);                                                                                                    \
    if (got_ != (code)) throw Failure(std::to_string(__LINE__) + ": " #call " = " + std::to_string(got_) + ", want " #code); \
  } while (0)
#define OK(call) WANT(0, call)
#define IS(condition)                                                                     \
  do {                                                                                    \
    if (!(condition)) throw Failure(std::to_string(__LINE__) + ": not true: " #condition); \
  } while (0)

inline std::string read_file(const std::string &name) {
  std::ifstream in(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// logged tells whether the simulator's log holds a text.
inline bool logged(const std::string &text) { return read_file(log_file).find(text) != std::string::npos; }

inline uint64_t counter(const char *name) {
  uint64_t value;
  OK(symbol<int(const char *, uint64_t *)>("vimps_sim_counter")(name, &value));
  return value;
}

// Gpu is device 0 with its primary context current, the test's module, and a stream of its own.
struct Gpu {
  CUcontext context;
  CUmodule module;
  CUstream stream;

  Gpu() {
    OK(CU(cuInit)(0));
    OK(CU(cuDevicePrimaryCtxRetain)(&context, 0));
    OK(CU(cuCtxSetCurrent)(context));
    OK(CU(cuModuleLoadData)(&module, ptx.c_str()));
    OK(CU(cuStreamCreate)(&stream, CU_STREAM_NON_BLOCKING));
  }
  CUfunction function(const char *name) {
    CUfunction f;
    OK(CU(cuModuleGetFunction)(&f, module, name));
    return f;
  }
  CUdeviceptr alloc(size_t bytes) {
    CUdeviceptr p;
    OK(CU(cuMemAlloc_v2)(&p, bytes));
    return p;
  }
  int *pinned(size_t n) {
    void *p;
    OK(CU(cuMemHostAlloc)(&p, 4 * n, CU_MEMHOSTALLOC_PORTABLE));
    return static_cast<int *>(p);
  }
  CUevent event(unsigned flags = CU_EVENT_DISABLE_TIMING) {
    CUevent e;
    OK(CU(cuEventCreate)(&e, flags));
    return e;
  }
  CUstream other(unsigned flags = CU_STREAM_NON_BLOCKING) {
    CUstream s;
    OK(CU(cuStreamCreate)(&s, flags));
    return s;
  }

  // set launches p[index] = value on a stream, by blob.
  CUresult set(CUdeviceptr p, int index, int value, CUstream on) {
    struct {
      CUdeviceptr p;
      int index, value, units;
    } blob = {p, index, value, 0};
    size_t bytes = 20;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &blob, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    return CU(cuLaunchKernel)(function("set"), 1, 1, 1, 32, 1, 1, 0, on, nullptr, extra);
  }
  // add launches dst[i] = src[i] + value for i < n on a stream, by array.
  CUresult add(CUdeviceptr dst, CUdeviceptr src, short value, int n, CUstream on) {
    void *params[] = {&dst, &src, &value, &n};
    return CU(cuLaunchKernel)(function("add"), (n + 63) / 64, 1, 1, 64, 1, 1, 0, on, params, nullptr);
  }
  CUresult shaped(const char *kernel, CUdeviceptr p, int n, unsigned grid_y, unsigned threads, unsigned shared) {
    void *params[] = {&p, &n};
    return CU(cuLaunchKernel)(function(kernel), 1, grid_y, 1, threads, 1, 1, shared, stream, params, nullptr);
  }
  int read(CUdeviceptr p, CUstream after) {
    int v = -1;
    OK(CU(cuStreamSynchronize)(after));
    OK(CU(cuMemcpyDtoH_v2)(&v, p, 4));
    return v;
  }
  CUgraphExec instantiate(CUgraph graph) {
    CUgraphExec x;
    OK(CU(cuGraphInstantiateWithFlags)(&x, graph, 0));
    return x;
  }
  void begin(CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) { OK(CU(cuStreamBeginCapture_v2)(stream, mode)); }
  CUgraph end() {
    CUgraph g;
    OK(CU(cuStreamEndCapture)(stream, &g));
    return g;
  }
  // spoiled ends a capture that must have been spoiled.
  void spoiled() {
    CUgraph g;
    WANT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, CU(cuStreamEndCapture)(stream, &g));
    IS(!g);
    IS(read_after_all());
  }
  bool read_after_all() {  // the stream works again
    CUdeviceptr p = alloc(4);
    OK(set(p, 0, 77, stream));
    return read(p, stream) == 77;
  }
};

// Cases of one file, by name. signal: the case is to die of it.
struct Case {
  const char *name;
  void (*run)();
  int signal = 0;
};
extern const std::vector<Case> call_cases, memory_cases, stream_cases, graph_cases, launch_cases, mutate_cases;
