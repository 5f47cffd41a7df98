// The driver itself and its devices.
#include <cstring>

#include "driver.h"

namespace sim {
namespace {

constexpr uint64_t default_memory = 4ull << 30;

void make_devices(size_t count) {
  Driver &d = driver();
  if (!d.contexts.empty()) return;
  d.devices.clear();
  for (size_t i = 0; i < count; i++) {
    d.devices.emplace_back();
    d.devices.back().number = static_cast<int>(i);
    d.devices.back().memory = std::make_unique<Memory>(env_number("VIMPS_SIM_MEMORY", default_memory));
  }
}

const Capability known_capabilities[] = {
    // major, minor, SMs, shared memory a block with opt-in and an SM, threads an SM, L2: A100, RTX 3090, RTX 4090, H100, B200, RTX 5090
    {8, 0, 108, 163 << 10, 164 << 10, 2048, 40 << 20}, {8, 6, 82, 99 << 10, 100 << 10, 1536, 6 << 20},
    {8, 9, 128, 99 << 10, 100 << 10, 1536, 72 << 20},  {9, 0, 132, 227 << 10, 228 << 10, 2048, 50 << 20},
    {10, 0, 148, 227 << 10, 228 << 10, 2048, 126 << 20}, {12, 0, 170, 99 << 10, 100 << 10, 1536, 96 << 20},
};

int attribute(CUdevice_attribute which, int number) {
  const Capability c = capability(number);
  switch (static_cast<int>(which)) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7FFFFFFF;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return shared_default;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return c.shared_opt_in;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return c.shared_per_sm;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 65536;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 0x7FFFFFFF;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 65536;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1410000;  // kHz
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 1215000;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 5120;  // bits
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return c.l2;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return c.sms;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return c.threads_per_sm;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return 32;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return c.major;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return c.minor;
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED: return 1;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return number + 1;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: return 0;
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID: return 0;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP: return 1;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 2;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: return 1;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED: return 1;
    case CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO: return 2;
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED: return 1;
  }
  return 0;  // what is not modelled, the simulated card does not have
}

}  // namespace

Device &device(CUdevice number) {
  auto &devices = driver().devices;
  if (number < 0 || number >= static_cast<int>(devices.size())) refuse(CUDA_ERROR_INVALID_DEVICE, "device %d of %zu", number, devices.size());
  return devices[number];
}

Capability capability(int number) {
  std::istringstream list(env("VIMPS_SIM_CC"));
  std::string text = "8.0";
  for (std::string one; number >= 0 && std::getline(list, one, ','); number--) text = one;
  int major, minor;
  char more;
  if (sscanf(text.c_str(), "%d.%d%c", &major, &minor, &more) != 2) refuse(CUDA_ERROR_UNKNOWN, "VIMPS_SIM_CC=%s: want such as 8.6", text.c_str());
  for (const Capability &c : known_capabilities)
    if (c.major == major && c.minor == minor) return c;
  return {major, minor, 80, 64 << 10, 64 << 10, 1024, 4 << 20};  // such as 7.5
}

}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuInit(unsigned flags) {
  return call(__func__, Needs::nothing, tie(flags), [&] {
    driver().started = false;
    if (flags) refuse(CUDA_ERROR_INVALID_VALUE, "flags %u: want 0", flags);
    uint64_t count = env_number("VIMPS_SIM_DEVICES", 1);
    if (!count) throw Refused{CUDA_ERROR_NO_DEVICE, ""};
    make_devices(count);
    driver().started = true;
  });
}

CUresult cuDriverGetVersion(int *version) {
  return call(__func__, Needs::nothing, tie(), [&] { *version = 13000; });
}

CUresult cuDeviceGetCount(int *count) {
  return call(__func__, Needs::started, tie(), [&] { *count = static_cast<int>(driver().devices.size()); });
}

CUresult cuDeviceGet(CUdevice *handle, int ordinal) {
  return call(__func__, Needs::started, tie(ordinal), [&] { *handle = device(ordinal).number; });
}

CUresult cuDeviceGetName(char *name, int size, CUdevice handle) {
  return call(__func__, Needs::started, tie(handle), [&] {
    Capability c = capability(device(handle).number);
    snprintf(name, size, "Simulated GPU sm_%d%d", c.major, c.minor);
  });
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice handle) {
  return call(__func__, Needs::started, tie(handle), [&] { *bytes = device(handle).memory->arena(); });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice handle) {
  return call(__func__, Needs::started, tie(which, handle), [&] {
    if (which < 1 || which >= CU_DEVICE_ATTRIBUTE_MAX) refuse(CUDA_ERROR_INVALID_VALUE, "attribute %d", which);
    *value = attribute(which, device(handle).number);
  });
}

static CUresult uuid_of(const char *name, CUuuid *uuid, CUdevice handle) {
  return call(name, Needs::started, tie(handle), [&] {
    memset(uuid, 0x5A, sizeof *uuid);
    uuid->bytes[15] = static_cast<char>(device(handle).number);
  });
}
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice handle) { return uuid_of(__func__, uuid, handle); }
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice handle) { return uuid_of(__func__, uuid, handle); }

CUresult cuDeviceGetPCIBusId(char *text, int size, CUdevice handle) {
  return call(__func__, Needs::started, tie(handle), [&] { snprintf(text, size, "0000:%02X:00.0", device(handle).number + 1); });
}

}  // extern "C"
