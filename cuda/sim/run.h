// Runs a kernel: all blocks one after the other, warps in lock step.
#pragma once
#include <cstdint>
#include <vector>

#include "memory.h"
#include "module.h"

namespace sim {

// Counters add up over launches. A sector is 32 bytes of global memory, counted once a warp request; a wave is one pass over
// the 32 banks of shared memory, ideal waves those of a conflict-free access of the same width.
struct Counters {
  uint64_t launches = 0, warp_instructions = 0, thread_instructions = 0;
  uint64_t global_load_bytes = 0, global_load_sectors = 0, global_store_bytes = 0, global_store_sectors = 0;
  uint64_t shared_waves = 0, shared_ideal_waves = 0, mma = 0;
};

struct LaunchConfig {
  unsigned grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  unsigned dynamic_shared = 0;   // bytes
  std::vector<uint8_t> params;   // exactly Kernel::param_bytes
};

// run throws Fault for everything the kernel does wrong, and for a launch configuration that does not fit it.
void run(const Kernel &kernel, const LaunchConfig &config, Memory &memory, Counters &counters);

}  // namespace sim
