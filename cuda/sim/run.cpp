// The run loop. Blocks run one after the other. Within a block each warp runs until all its lanes wait at the block's barrier
// or have ended. Within a warp the lanes at the lowest pc run first: code that divided lanes skip lies below code that they
// share, so they meet again by themselves.
#include "run.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "warp.h"

namespace sim {
namespace {

constexpr uint64_t kEndless = 1ull << 28;       // warp instructions between two barriers
constexpr unsigned kMaxShared = 227 * 1024;

// insert keeps fragments sorted, and merges lanes that meet.
void insert(Warp &w, uint32_t pc, uint32_t mask, bool stuck = false) {
  auto at = w.fragments.begin();
  while (at != w.fragments.end() && at->pc < pc) ++at;
  if (at != w.fragments.end() && at->pc == pc) {
    at->mask |= mask;
    at->stuck = false;  // more lanes are here now: try again
  } else {
    w.fragments.insert(at, Fragment{pc, mask, stuck});
  }
}

void arrive(Warp &w, const Inst &i, uint32_t pc, uint32_t mask) {
  if (w.waiting && w.waiting_pc != pc) w.fail(i, lowest(mask), "barrier met at two places: lanes of the warp wait at PTX line " + std::to_string(w.block->program->line[w.waiting_pc]));
  if (i.count) each(mask, [&](uint32_t l) {
      if (w.reg<uint32_t>(i.op[0])[l] != (w.block->threads + 31) / 32 * 32) w.fail(i, l, "barrier for a part of the block is not supported");
    });
  w.waiting |= mask;
  w.waiting_pc = pc;
}

// collective runs i for every group of lanes whose members are all here, and returns the lanes that must wait for others.
uint32_t collective(Warp &w, const Inst &i, uint32_t mask) {
  const uint32_t *members = w.reg<uint32_t>(i.members);
  uint32_t left = mask, missing = 0;
  while (left) {
    uint32_t want = members[lowest(left)], group = 0;
    each(left, [&](uint32_t l) { group |= uint32_t(members[l] == want) << l; });
    left &= ~group;
    if (group & ~want) w.fail(i, lowest(group & ~want), "a lane is not in the member mask of its own collective");
    if (want & w.live & ~group) {
      missing |= group;
      continue;
    }
    if (i.orders) w.order.join(group, (w.live & ~group) == 0, w.block->shared.tick());
    i.exec(w, i, group);
  }
  return missing;
}

void branch_table(Warp &w, const Inst &i, uint32_t mask) {
  const std::vector<uint32_t> &targets = w.block->program->tables[static_cast<size_t>(i.imm)];
  each(mask, [&](uint32_t l) {
    uint32_t index = w.reg<uint32_t>(i.op[0])[l];
    if (index >= targets.size()) w.fail(i, l, "brx.idx beyond its table");
    insert(w, targets[index], 1u << l);
  });
}

// run_fragment runs fragment f until it meets the next one, divides, ends, or has to wait.
void run_fragment(Warp &w, size_t f, uint64_t &steps) {
  const Inst *code = w.block->program->code.data();
  Counters &c = *w.block->counters;
  uint32_t pc = w.fragments[f].pc, mask = w.fragments[f].mask;
  const bool alone = w.fragments.size() == 1;
  const uint32_t stop = f + 1 < w.fragments.size() ? w.fragments[f + 1].pc : ~0u;
  uint64_t count = 0, threads = 0;
  // leave takes the fragment out of the list, to be inserted again where it goes.
  auto leave = [&] {
    w.fragments.erase(w.fragments.begin() + static_cast<long>(f));
    c.warp_instructions += count;
    c.thread_instructions += threads;
    steps += count;
  };
  for (; pc != stop; pc++) {
    const Inst &i = code[pc];
    uint32_t on = mask;
    if (i.guard != ~0u) on &= i.guard_negated ? ~w.predicate(i.guard) : w.predicate(i.guard);
    count++;
    threads += static_cast<uint64_t>(__builtin_popcount(on));
    if (!on) continue;
    if (__builtin_expect(i.flow == Flow::next, 1)) {
      i.exec(w, i, on);
      continue;
    }
    uint32_t off = mask & ~on;
    if (i.flow == Flow::branch && alone && !off) {
      pc = i.target - 1;
      if (count > kEndless) w.fail(i, lowest(on), "the kernel does not end");
      continue;
    }
    if (i.flow == Flow::collective) {
      uint32_t missing = collective(w, i, on);
      if (!missing) continue;
      leave();
      insert(w, pc, missing, true);
      if (mask & ~missing) insert(w, pc + 1, mask & ~missing);
      return;
    }
    leave();
    if (off) insert(w, pc + 1, off);
    if (i.flow == Flow::branch) insert(w, i.target, on);
    if (i.flow == Flow::table) branch_table(w, i, on);
    if (i.flow == Flow::exit) w.live &= ~on;
    if (i.flow == Flow::barrier) arrive(w, i, pc, on);
    if (i.flow == Flow::exit)  // whoever waits for the lanes that ended need not wait any longer
      for (Fragment &other : w.fragments) other.stuck = false;
    return;
  }
  leave();
  insert(w, pc, mask);
}

void run_warp(Warp &w) {
  uint64_t steps = 0;
  for (;;) {
    size_t f = 0;
    while (f < w.fragments.size() && w.fragments[f].stuck) f++;
    if (f == w.fragments.size()) return;
    run_fragment(w, f, steps);
    if (steps > kEndless) w.fail(w.block->program->code[0], 0, "the kernel does not end");
  }
}

// release lets the block pass its barrier, when all threads that did not exit have come to it. Returns false when none is left.
bool release(Block &b) {
  const Warp *first = nullptr;
  for (Warp &w : b.warps) {
    if (!w.fragments.empty()) {
      const Fragment &f = w.fragments[0];
      char text[128];
      const Inst &i = b.program->code[f.pc];
      std::snprintf(text, sizeof text, "collective with lanes missing: members 0x%08x, live 0x%08x, here 0x%08x", w.reg<uint32_t>(i.members)[lowest(f.mask)], w.live, f.mask);
      w.fail(i, lowest(f.mask), text);
    }
    if (!w.live) continue;
    if (!first) first = &w;
    if (w.waiting_pc != first->waiting_pc)
      w.fail(b.program->code[w.waiting_pc], lowest(w.waiting), "barrier met at two places: warp " + std::to_string(first->id) + " waits at PTX line " + std::to_string(b.program->line[first->waiting_pc]));
  }
  if (!first) return false;
  b.shared.barrier();
  uint32_t now = b.shared.tick();
  for (Warp &w : b.warps) {
    if (!w.live) continue;
    insert(w, w.waiting_pc + 1, w.waiting);
    w.waiting = 0;
    w.order.reset(now);
  }
  return true;
}

uint32_t special_value(const Block &b, Special what, uint32_t warp, uint32_t lane) {
  const unsigned *size = b.config->block, *grid = b.config->grid;
  uint32_t thread = warp * 32 + lane;
  switch (what) {
    case Special::tid_x: return thread % size[0];
    case Special::tid_y: return thread / size[0] % size[1];
    case Special::tid_z: return thread / (size[0] * size[1]);
    case Special::ntid_x: return size[0];
    case Special::ntid_y: return size[1];
    case Special::ntid_z: return size[2];
    case Special::ctaid_x: return b.id[0];
    case Special::ctaid_y: return b.id[1];
    case Special::ctaid_z: return b.id[2];
    case Special::nctaid_x: return grid[0];
    case Special::nctaid_y: return grid[1];
    case Special::nctaid_z: return grid[2];
    case Special::laneid: return lane;
    case Special::warpid: return warp;
    case Special::nwarpid: return (b.threads + 31) / 32;
    case Special::lanemask_eq: return 1u << lane;
    case Special::lanemask_lt: return (1u << lane) - 1;
    case Special::lanemask_le: return (1u << lane) | ((1u << lane) - 1);
    case Special::lanemask_gt: return ~((1u << lane) | ((1u << lane) - 1));
    case Special::lanemask_ge: return ~((1u << lane) - 1);
    case Special::dynamic_smem_size: return b.config->dynamic_shared;
    case Special::total_smem_size: return b.program->dynamic_offset + b.config->dynamic_shared;
  }
  return 0;
}

bool changes_with_block(Special s) { return s == Special::ctaid_x || s == Special::ctaid_y || s == Special::ctaid_z; }

void fill_special(Block &b, Warp &w, const SpecialRegister &s) {
  for (uint32_t l = 0; l < 32; l++) w.reg<uint32_t>(s.offset)[l] = special_value(b, s.what, w.id, l);
}

void fill_constant(Warp &w, const Constant &c) {
  if (c.bytes == 1) *w.reg<uint32_t>(c.offset) = c.value ? kFull : 0;
  for (uint32_t l = 0; l < 32; l++) {
    if (c.bytes == 2) w.reg<uint16_t>(c.offset)[l] = static_cast<uint16_t>(c.value);
    if (c.bytes == 4) w.reg<uint32_t>(c.offset)[l] = static_cast<uint32_t>(c.value);
    if (c.bytes == 8) w.reg<uint64_t>(c.offset)[l] = c.value;
  }
}

// Registers that nobody wrote hold NaN patterns; constants and what does not change with the block are set once a launch.
void start_launch(Block &b, std::vector<uint8_t> &registers) {
  uint32_t n = (b.threads + 31) / 32;
  size_t file = (b.program->register_bytes + 63) / 64 * 64;
  registers.assign(n * file + 64, 0xFF);
  uint8_t *base = registers.data() + (64 - reinterpret_cast<uintptr_t>(registers.data()) % 64);
  b.warps.resize(n);
  for (uint32_t id = 0; id < n; id++) {
    Warp &w = b.warps[id];
    w.block = &b;
    w.id = id;
    w.registers = base + id * file;
    uint32_t lanes = std::min(32u, b.threads - id * 32);
    w.born = lanes == 32 ? kFull : (1u << lanes) - 1;
    for (const Constant &c : b.program->constants) fill_constant(w, c);
    for (const SpecialRegister &s : b.program->specials)
      if (!changes_with_block(s.what)) fill_special(b, w, s);
  }
  b.ranges.assign(b.program->code.size(), Memory::Range{0, 0});
  b.shared.start_launch(b.program->dynamic_offset + b.config->dynamic_shared);
}

void run_block(Block &b) {
  b.shared.start_block();
  for (Warp &w : b.warps) {
    w.live = w.born;
    w.waiting = 0;
    w.order.reset(b.shared.tick());
    w.copies.clear();
    std::fill(std::begin(w.group), std::end(w.group), 0);
    w.fragments.assign(1, Fragment{0, w.born});
    for (const SpecialRegister &s : b.program->specials)
      if (changes_with_block(s.what)) fill_special(b, w, s);
  }
  do {
    for (Warp &w : b.warps) run_warp(w);
  } while (release(b));
}

void check(const Kernel &k, const LaunchConfig &c) {
  auto bad = [&](const std::string &what) { throw Fault("kernel " + k.name + ": launch configuration: " + what); };
  uint64_t threads = 1;
  for (int d = 0; d < 3; d++) {
    if (c.grid[d] == 0 || c.block[d] == 0) bad("a dimension is 0");
    threads *= c.block[d];
  }
  if (c.grid[1] > 65535 || c.grid[2] > 65535 || c.grid[0] > 0x7FFFFFFF) bad("the grid is too large");
  if (threads > 1024 || threads > k.max_threads || c.block[2] > 64) bad(std::to_string(threads) + " threads a block, at most " + std::to_string(k.max_threads) + " are allowed");
  if (k.program->dynamic_offset + static_cast<uint64_t>(c.dynamic_shared) > kMaxShared) bad("too much shared memory");
  if (c.params.size() != k.param_bytes) bad("parameters of " + std::to_string(c.params.size()) + " bytes, the kernel has " + std::to_string(k.param_bytes));
}

}  // namespace

std::string thread_name(const Block &b, uint32_t thread) {
  const unsigned *n = b.config->block;
  return "(" + std::to_string(thread % n[0]) + "," + std::to_string(thread / n[0] % n[1]) + "," + std::to_string(thread / (n[0] * n[1])) + ")";
}

void Warp::fail(const Inst &i, uint32_t lane, const std::string &what) const {
  const Program &p = *block->program;
  size_t at = static_cast<size_t>(&i - p.code.data());
  const unsigned *b = block->id;
  throw Fault("kernel " + p.kernel + ", block (" + std::to_string(b[0]) + "," + std::to_string(b[1]) + "," + std::to_string(b[2]) + "), thread " + thread_name(*block, id * 32 + lane) + ": " + what +
              "; PTX line " + std::to_string(p.line[at]) + ": " + p.text[at]);
}

void run(const Kernel &kernel, const LaunchConfig &config, Memory &memory, Counters &counters) {
  check(kernel, config);
  Block b{};
  b.program = kernel.program.get();
  b.config = &config;
  b.memory = &memory;
  b.counters = &counters;
  b.threads = config.block[0] * config.block[1] * config.block[2];
  std::vector<uint8_t> registers;
  start_launch(b, registers);
  counters.launches++;
  for (b.id[2] = 0; b.id[2] < config.grid[2]; b.id[2]++)
    for (b.id[1] = 0; b.id[1] < config.grid[1]; b.id[1]++)
      for (b.id[0] = 0; b.id[0] < config.grid[0]; b.id[0]++) run_block(b);
}

}  // namespace sim
