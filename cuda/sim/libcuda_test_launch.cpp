// Cases: modules, limits of launches, faults.
#include <cstring>

#include "libcuda_test.h"

namespace {

void images() {
  Gpu g;
  CUmodule m;
  CUfunction f;
  OK(CU(cuModuleLoadDataEx)(&m, ptx.c_str(), 0, nullptr, nullptr));
  OK(CU(cuModuleLoadFatBinary)(&m, ptx.c_str()));
  WANT(CUDA_ERROR_NOT_FOUND, CU(cuModuleGetFunction)(&f, m, "nosuch"));
  WANT(CUDA_ERROR_INVALID_IMAGE, CU(cuModuleLoadData)(&m, "no module at all"));
  WANT(CUDA_ERROR_INVALID_PTX, CU(cuModuleLoadData)(&m, (ptx + "\ngarbage\n").c_str()));
  const unsigned char fatbin[32] = {0x50, 0xED, 0x55, 0xBA, 1, 0, 16, 0};  // with nothing in it
  WANT(CUDA_ERROR_NO_BINARY_FOR_GPU, CU(cuModuleLoadData)(&m, fatbin));
  CUdeviceptr p;
  size_t bytes;
  WANT(CUDA_ERROR_NOT_FOUND, CU(cuModuleGetGlobal_v2)(&p, &bytes, g.module, "variable"));
  p = g.alloc(4);
  OK(g.set(p, 0, 1, g.stream));
  OK(CU(cuModuleUnload)(g.module));  // after its work
  IS(g.read(p, g.stream) == 1);
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuModuleGetFunction)(&f, g.module, "set"));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuModuleUnload)(g.module));
}

void no_code() {
  Gpu g;
  CUmodule m;
  setenv("VIMPS_SIM_NOCODE", "1", 1);
  WANT(CUDA_ERROR_NO_BINARY_FOR_GPU, CU(cuModuleLoadData)(&m, ptx.c_str()));
  unsetenv("VIMPS_SIM_NOCODE");
  setenv("VIMPS_SIM_CC", "7.5", 1);
  IS(CU(cuModuleLoadData)(&m, ptx.c_str()) != CUDA_SUCCESS && logged("code for sm_80, the card is sm_75"));
  setenv("VIMPS_SIM_CC", "9.0", 1);
  OK(CU(cuModuleLoadData)(&m, ptx.c_str()));
}

void both_ways() {
  Gpu g;
  CUdeviceptr p = g.alloc(12);
  OK(g.set(p, 2, -7, g.stream));       // by blob: a struct and an int
  OK(g.add(p, p + 8, -2, 1, g.stream));  // by array: pointers, a short and an int
  IS(g.read(p, g.stream) == -9 && counter("launches") == 2);
}

void blobs() {
  Gpu g;
  char blob[64] = {};
  for (size_t bytes : {0, 16, 19, 21, 24}) {
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, blob, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    WANT(CUDA_ERROR_INVALID_VALUE, CU(cuLaunchKernel)(g.function("set"), 1, 1, 1, 1, 1, 1, 0, g.stream, nullptr, extra));
  }
  IS(logged("set: a blob of 24 bytes, its parameters take 20"));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuLaunchKernel)(g.function("set"), 1, 1, 1, 1, 1, 1, 0, g.stream, nullptr, nullptr));
  IS(counter("queued") == 0);
}

void shapes() {
  Gpu g;
  CUdeviceptr p = g.alloc(4096);
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("fixed_shared", p, 0, 1, 1025, 0));
  IS(logged("fixed_shared: block x 1025, want 1 to 1024"));
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("fixed_shared", p, 0, 1, 0, 0));
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("fixed_shared", p, 0, 65536, 32, 0));
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("fixed_shared", p, 0, 0, 32, 0));
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("back_to_front", p, 64, 1, 65, 256));  // __launch_bounds__(64)
  IS(logged("back_to_front: threads a block 65, want 1 to 64"));
  OK(g.shaped("back_to_front", p, 64, 1, 64, 256));
  OK(g.shaped("fixed_shared", p, 0, 1, 1024, 0));
  OK(CU(cuStreamSynchronize)(g.stream));
}

void shared_opt_in() {
  Gpu g;
  CUdeviceptr p = g.alloc(256);
  CUfunction f = g.function("back_to_front"), fixed = g.function("fixed_shared");
  const auto opt_in = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  int v;
  OK(g.shaped("back_to_front", p, 12288, 1, 64, 48 << 10));
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("back_to_front", p, 12289, 1, 64, (48 << 10) + 4));
  IS(logged("above 48 KB only with CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"));
  OK(CU(cuFuncSetAttribute)(f, opt_in, 100 << 10));
  OK(CU(cuFuncGetAttribute)(&v, opt_in, f));
  IS(v == 100 << 10);
  OK(g.shaped("back_to_front", p, 25600, 1, 64, 100 << 10));
  IS(g.read(p, g.stream) == 63);
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("back_to_front", p, 25601, 1, 64, (100 << 10) + 4));
  OK(CU(cuFuncSetAttribute)(f, opt_in, 163 << 10));
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuFuncSetAttribute)(f, opt_in, (163 << 10) + 4));
  OK(CU(cuFuncGetAttribute)(&v, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, fixed));
  IS(v == 32 << 10);
  WANT(CUDA_ERROR_INVALID_VALUE, g.shaped("fixed_shared", p, 0, 1, 32, (16 << 10) + 4));  // static and dynamic together
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuFuncSetAttribute)(fixed, opt_in, 132 << 10));
  OK(CU(cuFuncSetAttribute)(fixed, opt_in, 131 << 10));
  OK(CU(cuFuncGetAttribute)(&v, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f));
  IS(v == 64);
  setenv("VIMPS_SIM_CC", "8.6", 1);  // has less
  WANT(CUDA_ERROR_INVALID_VALUE, CU(cuFuncSetAttribute)(f, opt_in, 100 << 10));
}

// A kernel's fault is met where the host waits, and from then on at every call, until the context is a new one.
void sticky_fault() {
  Gpu g;
  CUdeviceptr p = g.alloc(4), q;
  CUfunction f;
  OK(g.set(p, 1 << 20, 1, g.stream));
  OK(g.set(p, 0, 1, g.stream));  // not known yet
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuStreamSynchronize)(g.stream));
  IS(counter("launches") <= 1 && logged("set: ") && logged("out of bounds"));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuMemAlloc_v2)(&q, 4));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuMemFree_v2)(p));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuModuleGetFunction)(&f, g.module, "set"));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuCtxSynchronize)());
  OK(CU(cuCtxSetCurrent)(g.context));
  OK(CU(cuDevicePrimaryCtxRelease_v2)(0));
  Gpu again;
  IS(again.read_after_all());
}

void fault_at_a_query() {
  Gpu g;
  OK(g.set(g.alloc(4), 1 << 20, 1, g.stream));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuStreamQuery)(g.stream));
}

void misaligned() {
  Gpu g;
  CUdeviceptr p = g.alloc(8);
  OK(g.shaped("misaligned", p, 0, 1, 1, 0));
  WANT(CUDA_ERROR_MISALIGNED_ADDRESS, CU(cuStreamSynchronize)(g.stream));
}

// The module without its barrier: the mutation is loaded, and the fault is found.
void mutation() {
  Gpu g;
  CUdeviceptr p = g.alloc(256);
  OK(g.shaped("back_to_front", p, 64, 1, 64, 256));
  OK(CU(cuStreamSynchronize)(g.stream));
  size_t at = ptx.find("bar.sync");
  int line = 1;
  for (size_t i = 0; i < at; i++) line += ptx[i] == '\n';
  setenv("VIMPS_SIM_DELETE", ("back_to_front:" + std::to_string(line)).c_str(), 1);
  OK(CU(cuModuleLoadData)(&g.module, ptx.c_str()));
  OK(g.shaped("back_to_front", p, 64, 1, 64, 256));
  WANT(CUDA_ERROR_LAUNCH_FAILED, CU(cuStreamSynchronize)(g.stream));
  IS(logged("kernel back_to_front, "));
}

void other_module_is_whole() {
  setenv("VIMPS_SIM_DELETE", "nosuch:30", 1);
  Gpu g;
  IS(g.read_after_all());
}

void counters() {
  Gpu g;
  CUdeviceptr p = g.alloc(256);
  OK(g.shaped("back_to_front", p, 64, 1, 64, 256));
  OK(CU(cuStreamSynchronize)(g.stream));
  IS(counter("launches") == 1 && counter("global_store_sectors") == 8);
  IS(counter("shared_waves") == counter("shared_ideal_waves") && counter("shared_waves") == 4 && counter("mma") == 0);
  uint64_t v;
  IS((symbol<int(const char *, uint64_t *)>("vimps_sim_counter")("nosuch", &v)) == 1);
}

}  // namespace

const std::vector<Case> launch_cases = {
    {"images: PTX, fatbin, garbage", images},
    {"no code for the card", no_code},
    {"parameters by blob and by array", both_ways},
    {"a blob of the wrong size", blobs},
    {"limits of grid and block", shapes},
    {"shared memory above 48 KB is asked for", shared_opt_in},
    {"a fault is sticky, and gone with the context", sticky_fault},
    {"a fault is met at a query", fault_at_a_query},
    {"a misaligned access", misaligned},
    {"VIMPS_SIM_DELETE: a barrier less, a fault found", mutation},
    {"VIMPS_SIM_DELETE leaves other modules whole", other_module_is_whole},
    {"counters", counters},
};
