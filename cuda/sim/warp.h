// State of a block and its warps while a kernel runs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "memory.h"
#include "program.h"
#include "run.h"
#include "shared.h"

namespace sim {

constexpr uint32_t kFull = ~0u;

// Fragment is a set of lanes at the same instruction. `stuck`: waits at a collective for lanes that are elsewhere.
struct Fragment {
  uint32_t pc, mask;
  bool stuck = false;
};

// AsyncCopy is a cp.async on its way to shared memory.
struct AsyncCopy {
  uint32_t lane, dst, bytes, group;
  uint8_t data[16];
};

struct Block {
  const Program *program;
  const LaunchConfig *config;
  Memory *memory;
  Counters *counters;
  unsigned id[3];
  unsigned threads;
  Shared shared;
  std::vector<Warp> warps;
  std::vector<Memory::Range> ranges;  // an instruction: the allocation it last touched
};

struct Warp {
  Block *block;
  uint8_t *registers;
  uint32_t id;
  uint32_t born;  // lanes that exist in this block
  uint32_t live;  // lanes that did not exit
  std::vector<Fragment> fragments;  // runnable, ascending pc
  uint32_t waiting, waiting_pc;     // lanes at the block barrier
  WarpOrder order;
  std::vector<AsyncCopy> copies;
  uint32_t group[32];               // cp.async group that a lane fills now

  template <class T>
  T *reg(uint32_t offset) { return reinterpret_cast<T *>(registers + offset); }
  uint32_t predicate(uint32_t offset) { return *reg<uint32_t>(offset); }

  [[noreturn]] void fail(const Inst &i, uint32_t lane, const std::string &what) const;
};

inline uint32_t lowest(uint32_t mask) { return static_cast<uint32_t>(__builtin_ctz(mask)); }

// each calls f(lane) for the lanes of mask, ascending.
template <class F>
inline void each(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1) f(lowest(mask));
}

inline bool has(uint32_t mask, uint32_t lane) { return mask >> lane & 1; }

std::string thread_name(const Block &b, uint32_t thread);

}  // namespace sim
