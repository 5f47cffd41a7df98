// Modules and kernels.
#include <cstring>

#include "driver.h"
#include "fatbin.h"

namespace sim {
namespace {

constexpr uint32_t fatbin_magic = 0xBA55ED50;

bool is_fatbin(const void *image) {
  uint32_t magic;
  memcpy(&magic, image, sizeof magic);
  return magic == fatbin_magic;
}

std::string text_of(const void *image) {
  try {
    return ptx_of(image);
  } catch (const std::exception &e) {
    refuse(is_fatbin(image) ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_IMAGE, "%s", e.what());
  }
}

// The card must have at least the capability that the PTX asks for.
void need_capability(const std::string &ptx, bool fatbin) {
  const Capability have = capability(current_context()->device->number);
  size_t at = ptx.find(".target sm_");
  if (at == std::string::npos) return;
  int want = atoi(ptx.c_str() + at + strlen(".target sm_"));
  if (want > have.major * 10 + have.minor)
    refuse(fatbin ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_PTX, "code for sm_%d, the card is sm_%d%d", want, have.major, have.minor);
}

// Modules are read once for each text: tests load the same images again and again.
std::shared_ptr<Module> parsed(const std::string &ptx) {
  static auto *known_texts = new std::map<std::string, std::shared_ptr<Module>>;
  std::shared_ptr<Module> &module = (*known_texts)[ptx];
  if (module) return module;
  try {
    module = Module::parse(ptx);
  } catch (const std::exception &e) {
    refuse(CUDA_ERROR_INVALID_PTX, "%s", e.what());
  }
  return module;
}

std::shared_ptr<Module> parsed_and_mutated(const std::string &ptx) {
  std::shared_ptr<Module> module = parsed(ptx);
  std::string mutation = env("VIMPS_SIM_DELETE");
  size_t colon = mutation.rfind(':');
  if (mutation.empty()) return module;
  if (colon == std::string::npos || atoi(mutation.c_str() + colon + 1) <= 0)
    refuse(CUDA_ERROR_UNKNOWN, "VIMPS_SIM_DELETE=%s: want kernel:line", mutation.c_str());
  if (!module->find(mutation.substr(0, colon))) return module;
  return parsed(without_line(ptx, atoi(mutation.c_str() + colon + 1)));
}

void load(CUmodule *handle, const void *image) {
  unsafe();
  if (env("VIMPS_SIM_NOCODE") == "1") refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "VIMPS_SIM_NOCODE is set");
  if (!image) refuse(CUDA_ERROR_INVALID_VALUE, "no image");
  std::string ptx = text_of(image);
  need_capability(ptx, is_fatbin(image));
  std::shared_ptr<Module> module = parsed_and_mutated(ptx);
  note_for_mutation(*module);
  *handle = make<CUmod_st>();
  (*handle)->context = current_context();
  (*handle)->module = module;
}

}  // namespace
}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  return call(__func__, Needs::healthy, tie(image), [&] { load(module, image); });
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *, void **) {
  return call(__func__, Needs::healthy, tie(image, count), [&] { load(module, image); });
}

CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image) {
  return call(__func__, Needs::healthy, tie(image), [&] { load(module, image); });
}

CUresult cuModuleUnload(CUmodule module) {
  return call(__func__, Needs::healthy, tie(module), [&] {
    unsafe();
    known(module, "module");
    drain(module->context);
    module->alive = false;
    for (auto &f : module->functions) f.second->alive = false;
    healthy(module->context);
  });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return call(__func__, Needs::healthy, tie(module, name), [&] {
    known(module, "module");
    const Kernel *kernel = module->module->find(name);
    if (!kernel) refuse(CUDA_ERROR_NOT_FOUND, "no kernel %s in this module", name);
    CUfunction &f = module->functions[name];
    if (!f) {
      f = make<CUfunc_st>();
      f->module = module;
      f->kernel = kernel;
    }
    *function = f;
  });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *, size_t *, CUmodule module, const char *name) {
  return call(__func__, Needs::healthy, tie(module, name), [&] {
    known(module, "module");
    refuse(CUDA_ERROR_NOT_FOUND, "no variable %s: variables of modules are not modelled", name);
  });
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction function) {
  return call(__func__, Needs::healthy, tie(which, function), [&] {
    known(function, "function");
    int fixed = static_cast<int>(function->kernel->static_shared);
    switch (static_cast<int>(which)) {
      case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = static_cast<int>(function->kernel->max_threads); return;
      case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = fixed; return;
      case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = 80; return;
      case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = function->max_dynamic_shared < 0 ? shared_default - fixed : function->max_dynamic_shared;
        return;
      case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; return;
    }
    refuse(CUDA_ERROR_NOT_SUPPORTED, "attribute %d is not modelled", which);
  });
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute which, int value) {
  return call(__func__, Needs::healthy, tie(function, which, value), [&] {
    known(function, "function");
    if (which == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) return;  // a hint
    if (which != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) refuse(CUDA_ERROR_INVALID_VALUE, "attribute %d cannot be set", which);
    int most = capability(current_context()->device->number).shared_opt_in - static_cast<int>(function->kernel->static_shared);
    if (value < 0 || value > most)
      refuse(CUDA_ERROR_INVALID_VALUE, "%s: %d bytes of shared memory, the most is %d", function->kernel->name.c_str(), value, most);
    function->max_dynamic_shared = value;
  });
}

}  // extern "C"
