#include "registers.h"

#include <algorithm>
#include <unordered_map>

namespace sim {
namespace {

constexpr uint32_t kNone = ~0u;

class Allocator {
 public:
  Allocator(Program &p, const std::vector<Register> &registers) : p_(p), registers_(registers), lives_(registers.size()) {
    for (uint32_t r = 0; r < registers.size(); r++) index_[registers[r].offset] = r;
  }

  void run() {
    cut_blocks();
    solve();
    find_lives();
    place();
  }

 private:
  struct BasicBlock {
    uint32_t begin, end;
    std::vector<uint32_t> next;
    std::vector<uint64_t> in, use, def;  // sets of registers
  };
  struct Life {
    uint32_t first = kNone, last = 0;  // instructions; none: never named
    void include(uint32_t at) { first = std::min(first, at), last = std::max(last, at); }
  };

  static bool get(const std::vector<uint64_t> &set, uint32_t r) { return set[r / 64] >> r % 64 & 1; }
  static void put(std::vector<uint64_t> &set, uint32_t r) { set[r / 64] |= 1ull << r % 64; }

  template <class F>
  void each_use(const Inst &i, F f) const {
    for (uint32_t k = i.results; k < i.operands; k++) f(index_.at(i.op[k]));
    if (i.guard != kNone) f(index_.at(i.guard));
    if (i.members != kNone) f(index_.at(i.members));
  }

  void cut_blocks() {
    std::vector<char> leader(p_.code.size() + 1, 0);
    leader[0] = 1;
    for (uint32_t at = 0; at < p_.code.size(); at++) {
      const Inst &i = p_.code[at];
      if (i.flow == Flow::branch) leader[i.target] = leader[at + 1] = 1;
      if (i.flow == Flow::exit) leader[at + 1] = 1;
      if (i.flow == Flow::table) {
        leader[at + 1] = 1;
        for (uint32_t t : p_.tables[static_cast<size_t>(i.imm)]) leader[t] = 1;
      }
    }
    std::vector<uint32_t> of(p_.code.size());
    for (uint32_t at = 0; at < p_.code.size(); at++) {
      if (leader[at]) blocks_.push_back({at, at, {}, {}, {}, {}});
      blocks_.back().end = at + 1;
      of[at] = static_cast<uint32_t>(blocks_.size() - 1);
    }
    for (BasicBlock &b : blocks_) {
      const Inst &last = p_.code[b.end - 1];
      bool falls = last.guard != kNone || last.flow == Flow::next || last.flow == Flow::barrier || last.flow == Flow::collective;
      if (falls && b.end < p_.code.size()) b.next.push_back(of[b.end]);
      if (last.flow == Flow::branch) b.next.push_back(of[last.target]);
      if (last.flow == Flow::table)
        for (uint32_t t : p_.tables[static_cast<size_t>(last.imm)]) b.next.push_back(of[t]);
    }
  }

  // What is alive at the start of each block, by iteration from the back.
  void solve() {
    size_t words = registers_.size() / 64 + 1;
    for (BasicBlock &b : blocks_) {
      b.in.assign(words, 0), b.use.assign(words, 0), b.def.assign(words, 0);
      for (uint32_t at = b.begin; at < b.end; at++) {
        const Inst &i = p_.code[at];
        each_use(i, [&](uint32_t r) { if (!get(b.def, r)) put(b.use, r); });
        if (i.guard == kNone)  // under a guard the old value may live on
          for (uint32_t k = 0; k < i.results; k++) put(b.def, index_.at(i.op[k]));
        else
          for (uint32_t k = 0; k < i.results; k++) if (!get(b.def, index_.at(i.op[k]))) put(b.use, index_.at(i.op[k]));
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t n = blocks_.size(); n-- > 0;) {
        BasicBlock &b = blocks_[n];
        for (size_t w = 0; w < words; w++) {
          uint64_t in = b.use[w] | (out(b, w) & ~b.def[w]);
          changed |= in != b.in[w];
          b.in[w] = in;
        }
      }
    }
  }

  uint64_t out(const BasicBlock &b, size_t word) const {
    uint64_t set = 0;
    for (uint32_t s : b.next) set |= blocks_[s].in[word];
    return set;
  }

  void find_lives() {
    for (const BasicBlock &b : blocks_) {
      for (uint32_t r = 0; r < registers_.size(); r++) {
        if (get(b.in, r)) lives_[r].include(b.begin);
        if (out(b, r / 64) >> r % 64 & 1) lives_[r].include(b.end - 1);
      }
      for (uint32_t at = b.begin; at < b.end; at++) {
        const Inst &i = p_.code[at];
        each_use(i, [&](uint32_t r) { lives_[r].include(at); });
        for (uint32_t k = 0; k < i.results; k++) lives_[index_.at(i.op[k])].include(at);
      }
    }
    // constants and special registers are written before the kernel begins
    for (const Constant &c : p_.constants) lives_[index_.at(c.offset)] = {0, kNone};
    for (const SpecialRegister &s : p_.specials) lives_[index_.at(s.offset)] = {0, kNone};
  }

  // Linear scan; the place that became free last is taken first, because it is in the cache.
  void place() {
    std::vector<uint32_t> order, offset(registers_.size());
    for (uint32_t r = 0; r < registers_.size(); r++)
      if (lives_[r].first != kNone) order.push_back(r);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return lives_[a].first < lives_[b].first; });
    std::vector<uint32_t> active, free_places[9];
    uint32_t bytes = 0;
    for (uint32_t r : order) {
      auto ended = [&](uint32_t a) {
        if (lives_[a].last >= lives_[r].first) return false;
        free_places[registers_[a].bytes].push_back(offset[a]);
        return true;
      };
      active.erase(std::remove_if(active.begin(), active.end(), ended), active.end());
      std::vector<uint32_t> &places = free_places[registers_[r].bytes];
      if (places.empty()) {
        offset[r] = bytes;
        bytes += (registers_[r].bytes * 32 + 63) / 64 * 64;
      } else {
        offset[r] = places.back();
        places.pop_back();
      }
      active.push_back(r);
    }
    auto move = [&](uint32_t &at) { at = offset[index_.at(at)]; };
    for (Inst &i : p_.code) {
      for (uint32_t k = 0; k < i.operands; k++) move(i.op[k]);
      if (i.guard != kNone) move(i.guard);
      if (i.members != kNone) move(i.members);
    }
    for (Constant &c : p_.constants) move(c.offset);
    for (SpecialRegister &s : p_.specials) move(s.offset);
    p_.register_bytes = bytes;
  }

  Program &p_;
  const std::vector<Register> &registers_;
  std::unordered_map<uint32_t, uint32_t> index_;  // offset -> register
  std::vector<BasicBlock> blocks_;
  std::vector<Life> lives_;
};

}  // namespace

void allocate_registers(Program &program, const std::vector<Register> &registers) { Allocator(program, registers).run(); }

}  // namespace sim
