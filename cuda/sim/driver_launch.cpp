// Kernel launches: the limits of a launch, and both ways to pass its parameters.
#include <cstring>

#include "driver.h"

namespace sim {
namespace {

void need(bool right, const Kernel &kernel, const char *what, uint64_t value, uint64_t most) {
  if (!right)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %s %llu, want 1 to %llu", kernel.name.c_str(), what, static_cast<unsigned long long>(value),
           static_cast<unsigned long long>(most));
}

void check_shape(const CUfunc_st &f, const LaunchConfig &c) {
  const Kernel &k = *f.kernel;
  const uint64_t most_grid[] = {0x7FFFFFFF, 65535, 65535}, most_block[] = {1024, 1024, 64};
  const char *const grid[] = {"grid x", "grid y", "grid z"}, *const block[] = {"block x", "block y", "block z"};
  for (int i = 0; i < 3; i++) {
    need(c.grid[i] >= 1 && c.grid[i] <= most_grid[i], k, grid[i], c.grid[i], most_grid[i]);
    need(c.block[i] >= 1 && c.block[i] <= most_block[i], k, block[i], c.block[i], most_block[i]);
  }
  uint64_t threads = uint64_t(c.block[0]) * c.block[1] * c.block[2], most = std::min(1024u, k.max_threads);
  need(threads <= most, k, "threads a block", threads, most);
}

void check_shared(const CUfunc_st &f, uint64_t dynamic) {
  const Kernel &k = *f.kernel;
  int most = f.max_dynamic_shared;
  if (most < 0 && dynamic + k.static_shared > shared_default)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %llu bytes of dynamic and %u of static shared memory: above 48 KB only with CU_FUNC_ATTRIBUTE_%s",
           k.name.c_str(), static_cast<unsigned long long>(dynamic), k.static_shared, "MAX_DYNAMIC_SHARED_SIZE_BYTES");
  if (most >= 0 && dynamic > static_cast<uint64_t>(std::max(most, shared_default - static_cast<int>(k.static_shared))))
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: %llu bytes of dynamic shared memory, it may use %d", k.name.c_str(),
           static_cast<unsigned long long>(dynamic), most);
}

std::vector<uint8_t> from_array(const Kernel &kernel, void **params) {
  std::vector<uint8_t> blob(kernel.param_bytes);
  for (size_t i = 0; i < kernel.params.size(); i++) {
    if (!params[i]) refuse(CUDA_ERROR_INVALID_VALUE, "%s: parameter %zu is missing", kernel.name.c_str(), i);
    memcpy(&blob[kernel.params[i].offset], params[i], kernel.params[i].size);
  }
  return blob;
}

std::vector<uint8_t> from_blob(const Kernel &kernel, void **extra) {
  const uint8_t *bytes = nullptr;
  size_t size = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (extra[0] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      bytes = static_cast<const uint8_t *>(extra[1]);
    else if (extra[0] == CU_LAUNCH_PARAM_BUFFER_SIZE)
      size = *static_cast<const size_t *>(extra[1]);
    else
      refuse(CUDA_ERROR_INVALID_VALUE, "%s: extra holds %p, which is no CU_LAUNCH_PARAM", kernel.name.c_str(), extra[0]);
  }
  if (!bytes || size != kernel.param_bytes)
    refuse(CUDA_ERROR_INVALID_VALUE, "%s: a blob of %zu bytes, its parameters take %zu", kernel.name.c_str(), size, kernel.param_bytes);
  return {bytes, bytes + size};
}

std::vector<uint8_t> parameters(const Kernel &kernel, void **params, void **extra) {
  if (params && extra) refuse(CUDA_ERROR_INVALID_VALUE, "%s: parameters given both ways", kernel.name.c_str());
  if (params) return from_array(kernel, params);
  if (extra) return from_blob(kernel, extra);
  if (kernel.param_bytes) refuse(CUDA_ERROR_INVALID_VALUE, "%s: no parameters, it takes %zu bytes", kernel.name.c_str(), kernel.param_bytes);
  return {};
}

}  // namespace
}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuLaunchKernel(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                        unsigned shared, CUstream handle, void **params, void **extra) {
  std::string name;
  return call(__func__, Needs::healthy, tie(name, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, handle), [&] {
    known(f, "function");
    name = f->kernel->name;
    CUstream stream = stream_of(handle);
    if (f->module->context != current_context()) refuse(CUDA_ERROR_INVALID_HANDLE, "the function belongs to another context");
    auto config = std::make_shared<LaunchConfig>();
    *config = {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, {}};
    check_shape(*f, *config);
    check_shared(*f, shared);
    config->params = parameters(*f->kernel, params, extra);
    put(stream, {CU_GRAPH_NODE_TYPE_KERNEL, "launch of " + name, [f, config] {
      if (!f->alive) throw Fault(f->kernel->name + ": launched from a graph after its module was unloaded");
      run_with_mutants(*f->kernel, *config, *f->module->context->device);
    }});
  });
}

}  // extern "C"
