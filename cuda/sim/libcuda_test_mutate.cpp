// Cases: VIMPS_SIM_MUTATE, which synchronisations of a kernel are needed.
#include <unistd.h>

#include "libcuda_test.h"

namespace {

// p[64 + i] = p[63 - i] = 63 - i by way of global memory, where no race is reported. The first barrier is needed; the
// second orders nothing, and the third is met in no launch of 64 threads.
const char *const through_global = R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry through_global(.param .u64 p)
{
.reg .pred %q;
.reg .b32 %r<4>;
.reg .b64 %a<4>;
ld.param.u64 %a1, [p];
mov.u32 %r1, %tid.x;
mul.wide.u32 %a2, %r1, 4;
add.s64 %a3, %a1, %a2;
st.global.u32 [%a3], %r1;
bar.sync 0;
sub.s64 %a2, %a1, %a2;
ld.global.u32 %r2, [%a2+252];
bar.sync 0;
st.global.u32 [%a3+256], %r2;
mov.u32 %r3, %ntid.x;
setp.eq.u32 %q, %r3, 64;
@%q bra END;
bar.sync 0;
END:
ret;
}
.visible .entry idle()
{
ret;
}
)";

struct Report {
  std::string file = log_file + ".mutants";
  Report() {
    unlink(file.c_str());
    setenv("VIMPS_SIM_MUTATE", file.c_str(), 1);
  }
  ~Report() { unlink(file.c_str()); }
  bool says(const std::string &line) const { return read_file(file).find(line) != std::string::npos; }
};

void needed_and_redundant() {
  Report report;
  Gpu g;
  OK(CU(cuModuleLoadData)(&g.module, through_global));
  IS(report.says("through_global\t0\tkernel\tnever run\n") && report.says("through_global\t14\tbar.sync 0\tmissed: never run\n"));
  CUdeviceptr p = g.alloc(512);
  OK(CU(cuMemsetD8_v2)(p, 0, 512));
  OK(CU(cuCtxSynchronize)());
  void *params[] = {&p};
  for (int i = 0; i < 2; i++) OK(CU(cuLaunchKernel)(g.function("through_global"), 1, 1, 1, 64, 1, 1, 0, g.stream, params, nullptr));
  OK(CU(cuStreamSynchronize)(g.stream));
  int v[128];
  OK(CU(cuMemcpyDtoH_v2)(v, p, sizeof v));
  for (int i = 0; i < 64; i++) IS(v[i] == i && v[64 + i] == 63 - i);  // the mutants left no trace
  IS(counter("launches") == 2 && counter("thread_instructions") == 2 * 64 * 14);
  IS(report.says("through_global\t0\tkernel\trun\n"));
  IS(report.says("through_global\t14\tbar.sync 0\tcaught by result\n"));
  IS(report.says("through_global\t17\tbar.sync 0\tmissed: nothing changes without it in 1 launches\n"));
  IS(report.says("through_global\t22\tbar.sync 0\tmissed: 1 launches never come to it\n"));
  IS(report.says("idle\t0\tkernel\tnever run\n") && !report.says("idle\t0\tkernel\trun\n"));
  IS(!report.says("caught by fault"));
}

// A barrier of shared memory: its mutant is a race. The one behind the last access is redundant.
void race() {
  Report report;
  Gpu g;
  std::string twice = ptx;
  size_t at = ptx.find("ret;", ptx.find("bar.sync"));
  OK(CU(cuModuleLoadData)(&g.module, twice.insert(at, "bar.sync 0; ").c_str()));
  CUdeviceptr p = g.alloc(256);
  OK(g.shaped("back_to_front", p, 64, 1, 64, 256));
  IS(g.read(p, g.stream) == 63);
  IS(report.says("caught by fault: kernel back_to_front, "));
  IS(report.says("bar.sync 0\tmissed: nothing changes without it in 1 launches\n"));
}

// A kernel that fails as it is says nothing about its mutants, and its fault is told as ever.
void fault_without_mutation() {
  Report report;
  Gpu g;
  OK(g.shaped("back_to_front", g.alloc(128), 64, 1, 64, 256));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuStreamSynchronize)(g.stream));
  IS(report.says("back_to_front\t0\tkernel\tnever run\n") && !report.says("caught"));
}

}  // namespace

const std::vector<Case> mutate_cases = {
    {"VIMPS_SIM_MUTATE: caught by the result, redundant, never met", needed_and_redundant},
    {"VIMPS_SIM_MUTATE: caught by a fault", race},
    {"VIMPS_SIM_MUTATE: a kernel that fails as it is", fault_without_mutation},
};
