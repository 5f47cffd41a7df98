// A PTX module: text in, kernels ready to run out.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sim {

struct Program;  // decoded instructions, program.h

// Param is the place of one kernel parameter in the launch blob.
struct Param {
  std::string name;
  size_t offset, size;
};

struct Kernel {
  std::string name;
  std::vector<Param> params;
  size_t param_bytes = 0;       // bytes of the launch blob, no padding after the last parameter
  unsigned max_threads = 1024;  // .maxntid, threads a block
  unsigned static_shared = 0;   // bytes of shared memory declared in the kernel, without the dynamic part
  std::shared_ptr<const Program> program;
};

class Module {
 public:
  // parse throws std::runtime_error naming kernel, line and text of the first thing it does not know. Nothing is skipped in
  // silence: an instruction that is not modelled exactly is an error here, not a wrong number later.
  static std::shared_ptr<Module> parse(const std::string &ptx);
  const Kernel *find(const std::string &name) const;  // nullptr when there is none
  const std::map<std::string, Kernel> &kernels() const { return kernels_; }

 private:
  std::map<std::string, Kernel> kernels_;
};

// Mutation tests: every barrier (bar.sync, barrier.sync, bar.warp.sync) and cp.async wait of a module, and the module without
// the ones on a line. A kernel whose synchronisation can be deleted unnoticed is not tested.
struct SyncPoint {
  std::string kernel;
  int line;  // from 1
  std::string text;
};
std::vector<SyncPoint> sync_points(const std::string &ptx);
std::string without_line(const std::string &ptx, int line);  // other lines keep their numbers

}  // namespace sim
