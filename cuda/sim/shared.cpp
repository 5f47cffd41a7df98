#include "shared.h"

#include <algorithm>
#include <cstring>

namespace sim {

// Only members' knowledge grows: each learns what any member knew, and what members did up to now.
void WarpOrder::join(uint32_t members, bool everyone, uint32_t now) {
  if (everyone) return reset(now);
  if (pair.empty()) pair.assign(32 * 32, all);
  for (uint32_t other = 0; other < 32; other++) {
    uint32_t known = 0;
    for (uint32_t lane = 0; lane < 32; lane++)
      if (members >> lane & 1) known = std::max(known, pair[lane * 32 + other]);
    if (members >> other & 1) known = now;
    for (uint32_t lane = 0; lane < 32; lane++)
      if (members >> lane & 1) pair[lane * 32 + other] = known;
  }
}

void Shared::start_launch(uint32_t bytes) {
  // 16 spare bytes let a check look at whole words; place() never lets an access reach them
  data_.assign(bytes + 16, 0xCD);
  state_.assign(bytes + 16, unwritten);
  cells_.assign(bytes / 4 + 4, Cell());
  parts_.clear();
  split_words_.clear();
  now_ = barrier_ = 0;
}

void Shared::start_block() {
  for (uint32_t word : split_words_) cells_[word] = Cell();
  split_words_.clear();
  parts_.clear();
  std::fill(state_.begin(), state_.end(), unwritten);
  std::fill(data_.begin(), data_.end(), 0xCD);
  barrier();
}

inline const char *Shared::place(uint64_t address, uint32_t bytes) const {
  if (address > data_.size() - 16 || bytes > data_.size() - 16 - address) return "shared access out of bounds";
  if (address & (bytes - 1)) return "misaligned shared access";
  return nullptr;
}

const char *Shared::unreadable(uint32_t address, uint32_t bytes) const {
  for (uint32_t b = 0; b < bytes; b++)
    if (state_[address + b] == pending) return "shared read of a cp.async destination before the cp.async wait";
  return "shared read of bytes never written";
}

// The four bytes of a word get a cell each as soon as one access covers only part of it, and keep them until the block ends.
Shared::Cell *Shared::split(uint32_t word) {
  Cell &c = cells_[word];
  if (c.reader_warp != kSplit) {
    uint32_t at = static_cast<uint32_t>(parts_.size());
    parts_.insert(parts_.end(), 4, c);
    c = Cell();
    c.reader_warp = kSplit;
    c.read_lanes = at;
    split_words_.push_back(word);
  }
  return &parts_[c.read_lanes];
}

template <Shared::CellCheck F>
const char *Shared::cells(uint32_t address, uint32_t bytes, const Access &a) {
  if (bytes >= 4) {
    for (uint32_t word = address / 4; word < (address + bytes) / 4; word++) {
      Cell &c = cells_[word];
      if (__builtin_expect(c.reader_warp != kSplit, 1)) {
        if (const char *wrong = (this->*F)(c, a)) return wrong;
        continue;
      }
      for (int b = 0; b < 4; b++)
        if (const char *wrong = (this->*F)(parts_[c.read_lanes + b], a)) return wrong;
    }
    return nullptr;
  }
  Cell *part = split(address / 4);
  for (uint32_t b = 0; b < bytes; b++)
    if (const char *wrong = (this->*F)(part[address % 4 + b], a)) return wrong;
  return nullptr;
}

// A write since the last barrier must be the thread's own, or ordered before it within the warp.
inline const char *Shared::after_write(const Cell &c, const Access &a, const char *race) {
  if (__builtin_expect(c.written <= barrier_, 1) || c.writer == a.thread()) return nullptr;
  if (c.writer != kAtomic && c.writer / 32 == a.warp && a.order->after(a.lane, c.writer % 32, c.written)) return nullptr;
  other_ = c.writer;
  return race;
}

inline const char *Shared::read_cell(Cell &c, const Access &a) {
  if (const char *wrong = after_write(c, a, "race: shared read after write")) return wrong;
  uint32_t bit = 1u << a.lane;
  if (c.read <= barrier_) {
    c.reader_warp = static_cast<uint16_t>(a.warp);
    c.read_lanes = bit;
  } else if (c.reader_warp != a.warp) {
    c.reader_warp = kMany;
  } else {
    // earlier readers that are ordered before this one need not be remembered: who comes after this one comes after them
    c.read_lanes = c.read <= a.order->all ? bit : c.read_lanes | bit;
  }
  c.read = now_;
  return nullptr;
}

inline const char *Shared::write_cell(Cell &c, const Access &a) {
  if (const char *wrong = after_write(c, a, "race: shared write after write")) return wrong;
  if (c.read > barrier_) {
    if (c.reader_warp != a.warp) {
      other_ = c.reader_warp == kMany ? kMany : c.reader_warp * 32u + static_cast<uint32_t>(__builtin_ctz(c.read_lanes));
      return "race: shared write after read";
    }
    for (uint32_t lanes = c.read_lanes & ~(1u << a.lane); lanes; lanes &= lanes - 1) {
      uint32_t lane = static_cast<uint32_t>(__builtin_ctz(lanes));
      if (!a.order->after(a.lane, lane, c.read)) {
        other_ = c.reader_warp * 32u + lane;
        return "race: shared write after read";
      }
    }
  }
  c.written = now_;
  c.writer = static_cast<uint16_t>(a.thread());
  c.read = 0;
  return nullptr;
}

// Atomics do not race with each other, only with plain accesses.
inline const char *Shared::atomic_cell(Cell &c, const Access &a) {
  if (c.written > barrier_ && c.writer == kAtomic && c.read <= barrier_) {
    c.written = now_;
    return nullptr;
  }
  const char *wrong = write_cell(c, a);
  c.writer = kAtomic;
  return wrong;
}

template <Use U>
inline const char *Shared::check_lane(uint32_t address, uint32_t bytes, const Access &a) {
  uint8_t *state = &state_[address];
  uint32_t seen = 0, part;  // what is not `written`, or for a store what is `pending`
  for (uint32_t b = 0; b < bytes; b += 4) {
    if (bytes >= 4) std::memcpy(&part, state + b, 4);
    else part = bytes == 2 ? state[0] | state[1] << 8 | 0x01010000u : state[0] | 0x01010100u;
    seen |= U == Use::store ? part & 0x02020202u : part ^ 0x01010101u;
  }
  if (__builtin_expect(seen != 0, 0)) return U == Use::store ? "shared write to a cp.async destination before the cp.async wait" : unreadable(address, bytes);
  if (U == Use::store) std::memset(state, written, bytes);
  if (U == Use::load) return cells<&Shared::read_cell>(address, bytes, a);
  if (U == Use::store) return cells<&Shared::write_cell>(address, bytes, a);
  return cells<&Shared::atomic_cell>(address, bytes, a);
}

template <Use U, uint32_t Bytes>
const char *Shared::check_lanes(uint32_t mask, const uint64_t *address, Access a) {
  for (; mask; mask &= mask - 1) {
    a.lane = static_cast<uint32_t>(__builtin_ctz(mask));
    const char *wrong = place(address[a.lane], Bytes);
    if (!wrong) wrong = check_lane<U>(static_cast<uint32_t>(address[a.lane]), Bytes, a);
    if (__builtin_expect(wrong != nullptr, 0)) return lane_ = a.lane, wrong;
  }
  return nullptr;
}

template <Use U>
const char *Shared::check_width(uint32_t mask, const uint64_t *address, uint32_t bytes, const Access &a) {
  switch (bytes) {
    case 1: return check_lanes<U, 1>(mask, address, a);
    case 2: return check_lanes<U, 2>(mask, address, a);
    case 4: return check_lanes<U, 4>(mask, address, a);
    case 8: return check_lanes<U, 8>(mask, address, a);
    default: return check_lanes<U, 16>(mask, address, a);
  }
}

const char *Shared::check(Use use, uint32_t mask, const uint64_t *address, uint32_t bytes, uint32_t warp, const WarpOrder &order) {
  now_++;
  Access a{warp, 0, &order};
  switch (use) {
    case Use::load: return check_width<Use::load>(mask, address, bytes, a);
    case Use::store: return check_width<Use::store>(mask, address, bytes, a);
    default: return check_width<Use::atomic>(mask, address, bytes, a);
  }
}

// A row of ldmatrix is spread over the warp, so every lane counts as its reader; the address lane alone is not enough.
const char *Shared::check_matrix_row(uint64_t where, uint32_t warp, uint32_t lane, const WarpOrder &order) {
  lane_ = lane;
  if (const char *wrong = place(where, 16)) return wrong;
  uint32_t address = static_cast<uint32_t>(where);
  for (uint32_t b = 0; b < 16; b++)
    if (state_[address + b] != written) return unreadable(address, 16);
  for (uint32_t word = address / 4; word < address / 4 + 4; word++) {
    Cell *c = &cells_[word];
    uint32_t n = 1;
    if (c->reader_warp == kSplit) c = &parts_[c->read_lanes], n = 4;
    for (; n--; c++) {
      // one lane that is not ordered after the writer is enough; the writer itself may be among the readers
      for (uint32_t l = 0; c->written > barrier_ && l < 32; l++)
        if (const char *wrong = after_write(*c, Access{warp, l, &order}, "race: shared read after write")) return wrong;
      bool first = c->read <= barrier_;
      c->reader_warp = static_cast<uint16_t>(first || c->reader_warp == warp ? warp : kMany);
      c->read_lanes = ~0u;
      c->read = now_;
    }
  }
  return nullptr;
}

const char *Shared::check_async_issue(uint32_t mask, const uint64_t *address, uint32_t bytes, uint32_t warp, const WarpOrder &order) {
  if (const char *wrong = check(Use::store, mask, address, bytes, warp, order)) return wrong;
  for (; mask; mask &= mask - 1) {
    uint64_t at = address[__builtin_ctz(mask)];
    std::memset(&state_[at], pending, bytes);
    std::memset(&data_[at], 0xCD, bytes);
  }
  return nullptr;
}

// The write may have happened at any time since the issue, but nobody could touch the bytes in between (they were pending), so
// only the time of the wait matters to those who come later.
void Shared::async_land(uint32_t address, uint32_t bytes, uint32_t thread, const uint8_t *data) {
  std::memcpy(&data_[address], data, bytes);
  std::memset(&state_[address], written, bytes);
  for (uint32_t word = address / 4; word < (address + bytes) / 4; word++) {
    Cell *c = &cells_[word];
    uint32_t n = 1;
    if (c->reader_warp == kSplit) c = &parts_[c->read_lanes], n = 4;
    for (; n--; c++) {
      c->written = now_;
      c->writer = static_cast<uint16_t>(thread);
      c->read = 0;
    }
  }
}

}  // namespace sim
