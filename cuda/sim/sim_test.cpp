// Tests of the PTX interpreter. Build and run (nvcc of CUDA 13, any g++ of C++17):
//   for t in faults arithmetic tensor; do nvcc -ptx -arch=compute_80 -fmad=false -std=c++17 testdata/$t.cu -o $t.ptx; done
//   g++ -std=c++17 -O3 -march=x86-64-v3 -ffp-contract=off -fno-math-errno -fno-trapping-math sim_test*.cpp
//     lexer.cpp parser.cpp fatbin.cpp memory.cpp module.cpp decode.cpp registers.cpp integer.cpp compare.cpp float.cpp convert.cpp move.cpp
//     loadstore.cpp access.cpp atomic.cpp async.cpp warp_ops.cpp tensor.cpp control.cpp shared.cpp run.cpp -o sim_test
//   ./sim_test faults.ptx arithmetic.ptx tensor.ptx
// A fatbin (nvcc -fatbin --no-compress) serves as well as PTX. With further files, these are only loaded: every instruction of
// every kernel in them must be known.
#include "sim_test.h"

#include <fstream>
#include <sstream>

#include "fatbin.h"

namespace {

std::string read_ptx(const char *path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  std::string image = text.str() + std::string(16, '\0');  // ptx_of looks at the first bytes even of an empty file
  return sim::ptx_of(image.data());
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: sim_test FAULTS ARITHMETIC TENSOR [FILE...]\n");
    return 2;
  }
  simtest::Report r;
  try {
    simtest::test_memory(r);
    simtest::test_load_errors(r);
    simtest::test_faults(r, read_ptx(argv[1]));
    simtest::test_arithmetic(r, *sim::Module::parse(read_ptx(argv[2])));
    simtest::test_tensor(r, *sim::Module::parse(read_ptx(argv[3])));
    for (int k = 4; k < argc; k++) {
      std::string found;
      size_t kernels = 0;
      try {
        kernels = sim::Module::parse(read_ptx(argv[k]))->kernels().size();
      } catch (const std::exception &e) {
        found = e.what();
      }
      r.check(std::string("load ") + argv[k], found.empty(), found.empty() ? std::to_string(kernels) + " kernels" : found);
    }
  } catch (const std::exception &e) {
    r.check("test program", false, e.what());
  }
  std::printf("%d passed, %d failed\n", r.passed, r.failed);
  return r.failed != 0;
}
