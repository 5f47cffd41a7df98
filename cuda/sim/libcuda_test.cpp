// Tests of the simulated driver: loads libcuda.so.1 as a program would, and runs each case in a process of its own.
//
//   F="-std=c++17 -O2 -march=x86-64-v3 -ffp-contract=off -Wall -Wextra -I$CUDA_HOME/include"; cd cuda/sim
//   g++ $F -fPIC -shared -Wl,-soname,libcuda.so.1 -Wl,-Bsymbolic $(ls *.cpp | grep -v _test) -o $OUT/libcuda.so.1 -pthread
//   g++ $F libcuda_test*.cpp -o $OUT/libcuda_test -ldl -pthread
//   nvcc -std=c++17 -fmad=false -ptx -arch=compute_80 testdata/driver.cu -o $OUT/driver.ptx
//   $OUT/libcuda_test $OUT/libcuda.so.1 $OUT/driver.ptx [case]
#include <sys/wait.h>
#include <unistd.h>

#include "libcuda_test.h"

namespace {

int run_child(const Case &c) {
  alarm(60);
  setenv("VIMPS_SIM_LOG", log_file.c_str(), 1);
  try {
    c.run();
    return 0;
  } catch (const std::exception &e) {
    printf("     %s\n%s", e.what(), read_file(log_file).c_str());
    return 1;
  }
}

bool passes(const Case &c) {
  std::ofstream(log_file).close();
  fflush(stdout);
  pid_t child = fork();
  if (!child) exit(run_child(c));
  int status;
  waitpid(child, &status, 0);
  if (c.signal) return WIFSIGNALED(status) && WTERMSIG(status) == c.signal;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: libcuda_test libcuda.so.1 driver.ptx [case]\n");
    return 2;
  }
  library_file = argv[1];
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  ptx = read_file(argv[2]);
  if (!library || ptx.empty()) {
    fprintf(stderr, "libcuda_test: %s\n", library ? "no PTX" : dlerror());
    return 2;
  }
  log_file = "/tmp/libcuda_test." + std::to_string(getpid());
  int run = 0, failed = 0;
  for (const auto *cases : {&call_cases, &memory_cases, &stream_cases, &graph_cases, &launch_cases, &mutate_cases})
    for (const Case &c : *cases) {
      if (argc > 3 && c.name != std::string(argv[3])) continue;
      bool good = passes(c);
      printf("%s %s\n", good ? "ok  " : "FAIL", c.name);
      run++;
      failed += !good;
    }
  unlink(log_file.c_str());
  printf("%d cases, %d failed\n", run, failed);
  return failed || !run ? 1 : 0;
}
