#include "access.h"

#include <cstdio>
#include <cstring>

namespace sim {
namespace {

std::string place(uint64_t address, uint32_t bytes) {
  char text[64];
  std::snprintf(text, sizeof text, " of %u bytes at 0x%llx", bytes, static_cast<unsigned long long>(address));
  return text;
}

bool contiguous(uint32_t mask, const uint64_t *a, uint32_t bytes) {
  if (mask != kFull) return false;
  uint64_t differs = 0;
  for (uint32_t l = 0; l < 32; l++) differs |= a[l] ^ (a[0] + uint64_t(l) * bytes);
  return differs == 0;
}

// A request touches a 32-byte sector once, however many lanes want it. Sectors mostly ascend with the lane; one that does not
// is looked for among those seen.
uint64_t count_sectors(uint32_t mask, const uint64_t *a) {
  uint64_t seen[32], last = ~0ull;
  uint32_t n = 0;
  bool ascending = true;
  each(mask, [&](uint32_t l) {
    uint64_t s = a[l] >> 5;
    if (s == last) return;
    if (n && s < last) ascending = false;
    last = s;
    if (!ascending)
      for (uint32_t k = 0; k < n; k++)
        if (seen[k] == s) return;
    seen[n++] = s;
  });
  return n;
}

// Each lane by itself, to name the one that is wrong.
[[noreturn]] void fail_global(Warp &w, const Inst &i, uint32_t mask, const uint64_t *a, uint32_t bytes, Use use) {
  Memory &m = *w.block->memory;
  const char *verb = use == Use::load ? "read" : use == Use::store ? "write" : "atomic";
  each(mask, [&](uint32_t l) {
    Memory::Range r = m.find(a[l]);
    if (!r.holds(a[l], bytes)) w.fail(i, l, std::string("global ") + verb + " out of bounds," + place(a[l], bytes));
    if (a[l] & (bytes - 1)) w.fail(i, l, std::string("misaligned global ") + verb + place(a[l], bytes));
    if (use != Use::store)
      for (uint32_t b = 0; b < bytes; b++)
        if (!m.written(a[l])[b]) w.fail(i, l, std::string("global ") + verb + " of bytes never written," + place(a[l], bytes));
  });
  w.fail(i, lowest(mask), "global access is wrong");
}

bool all_written(const uint8_t *p, uint32_t bytes) {
  if (bytes == 1) return p[0];
  if (bytes == 2) return p[0] & p[1];
  uint32_t all = 0x01010101u, part;
  for (uint32_t b = 0; b < bytes; b += 4) {
    std::memcpy(&part, p + b, 4);
    all &= part;
  }
  return all == 0x01010101u;
}

bool locate_global(Warp &w, const Inst &i, uint32_t mask, const uint64_t *a, uint32_t bytes, Use use, uint8_t **p) {
  Memory &m = *w.block->memory;
  Memory::Range &r = w.block->ranges[static_cast<size_t>(&i - w.block->program->code.data())];
  uint64_t first = a[lowest(mask)];
  if (!r.holds(first, bytes)) r = m.find(first);
  bool row = contiguous(mask, a, bytes);
  Counters &c = *w.block->counters;
  uint64_t sectors, total = uint64_t(__builtin_popcount(mask)) * bytes;
  bool ok;
  if (row) {
    ok = r.holds(first, 32 * bytes) && (first & (bytes - 1)) == 0;
    if (ok && use != Use::store) ok = all_written(m.written(first), 32 * bytes);
    if (ok && use == Use::store) std::memset(m.written(first), 1, 32 * bytes);
    sectors = ((first + 32 * bytes - 1) >> 5) - (first >> 5) + 1;
    for (uint32_t l = 0; l < 32; l++) p[l] = m.bytes(a[0]) + uint64_t(l) * bytes;
  } else {
    uint64_t low = first, high = first, stray = 0;
    each(mask, [&](uint32_t l) {
      low = a[l] < low ? a[l] : low;
      high = a[l] > high ? a[l] : high;
      stray |= a[l];
      p[l] = m.bytes(a[l]);
    });
    ok = r.holds(low, bytes) && r.holds(high, bytes) && (stray & (bytes - 1)) == 0;
    if (ok && use != Use::store) each(mask, [&](uint32_t l) { ok &= all_written(m.written(a[l]), bytes); });
    if (ok && use == Use::store) each(mask, [&](uint32_t l) { std::memset(m.written(a[l]), 1, bytes); });
    sectors = count_sectors(mask, a);
  }
  if (!ok) fail_global(w, i, mask, a, bytes, use);
  if (use == Use::load) c.global_load_bytes += total, c.global_load_sectors += sectors;
  else c.global_store_bytes += total, c.global_store_sectors += sectors;
  return row;
}

bool locate_shared(Warp &w, const Inst &i, uint32_t mask, const uint64_t *a, uint32_t bytes, Use use, uint8_t **p) {
  Shared &s = w.block->shared;
  if (const char *wrong = s.check(use, mask, a, bytes, w.id, w.order)) fail_shared(w, i, wrong, a, bytes);
  each(mask, [&](uint32_t l) { p[l] = s.bytes(static_cast<uint32_t>(a[l])); });
  count_waves(w, mask, a, bytes);
  return false;
}

// Kernel parameters and .const / initialised .global variables.
bool locate_readonly(Warp &w, const Inst &i, uint32_t mask, const uint64_t *a, uint32_t bytes, Use use, uint8_t **p) {
  each(mask, [&](uint32_t l) {
    bool param = a[l] >= kParamWindow;
    const std::vector<uint8_t> &from = param ? w.block->config->params : w.block->program->data;
    uint64_t at = a[l] - (param ? kParamWindow : kDataWindow);
    if (use != Use::load) w.fail(i, l, "write to read-only memory");
    if (a[l] < kDataWindow || at > from.size() || bytes > from.size() - at) w.fail(i, l, std::string(param ? "parameter" : "constant") + " read out of bounds," + place(at, bytes));
    if (at & (bytes - 1)) w.fail(i, l, "misaligned constant read" + place(at, bytes));
    p[l] = const_cast<uint8_t *>(from.data() + at);
  });
  return false;
}

Space space_of(uint64_t address) { return address >= kDataWindow ? Space::readonly : address >= kSharedWindow ? Space::shared : Space::global; }

}  // namespace

void fail_shared(Warp &w, const Inst &i, const char *what, const uint64_t *address, uint32_t bytes) {
  uint32_t lane = w.block->shared.lane();
  std::string text = what + ("," + place(address[lane], bytes));
  if (std::strncmp(what, "race", 4) == 0) {
    uint32_t other = w.block->shared.other();
    text += other == Shared::kAtomic ? ", with several threads or an atomic" : ", with thread " + thread_name(*w.block, other);
  }
  w.fail(i, lane, text);
}

void addresses(Warp &w, uint32_t base, bool wide, int64_t offset, uint64_t *a) {
  if (wide) {
    const uint64_t *r = w.reg<uint64_t>(base);
    for (int l = 0; l < 32; l++) a[l] = r[l] + static_cast<uint64_t>(offset);
  } else {
    const uint32_t *r = w.reg<uint32_t>(base);
    for (int l = 0; l < 32; l++) a[l] = r[l] + static_cast<uint32_t>(offset);
  }
}

// waves of a group of lanes that go to the banks together: the most words wanted of one bank.
static uint32_t group_waves(uint32_t group, const uint64_t *a, uint32_t words) {
  uint32_t held[32][32], count[32] = {}, most = 1;
  each(group, [&](uint32_t l) {
    for (uint32_t k = 0; k < words; k++) {
      uint32_t word = static_cast<uint32_t>(a[l] / 4) + k, bank = word & 31, n = count[bank], q = 0;
      while (q < n && held[bank][q] != word) q++;
      if (q < n) continue;
      held[bank][n] = word;
      count[bank] = n + 1;
      most = n + 1 > most ? n + 1 : most;
    }
  });
  return most;
}

// 8-byte accesses go in two halves of the warp, 16-byte ones in four quarters. Lanes that want the same word share it.
void count_waves(Warp &w, uint32_t mask, const uint64_t *a, uint32_t bytes) {
  uint32_t lanes = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8, words = bytes <= 4 ? 1 : bytes / 4;
  Counters &c = *w.block->counters;
  for (uint32_t begin = 0; begin < 32; begin += lanes) {
    uint32_t group = mask >> begin & (lanes == 32 ? kFull : (1u << lanes) - 1);
    if (!group) continue;
    // Mostly every lane has banks of its own, or the place of the lane before.
    uint32_t banks = 0, clash = 0;
    uint64_t last = ~0ull;
    each(group, [&](uint32_t l) {
      uint64_t at = a[begin + l] / 4;
      uint32_t want = at == last ? 0 : ((1u << words) - 1) << (at & 31);
      clash |= banks & want;
      banks |= want;
      last = at;
    });
    c.shared_waves += clash ? group_waves(group, a + begin, words) : 1;
    c.shared_ideal_waves++;
  }
}

bool locate(Warp &w, const Inst &i, uint32_t mask, Space space, const uint64_t *a, uint32_t bytes, Use use, uint8_t **p) {
  if (space == Space::shared) return locate_shared(w, i, mask, a, bytes, use, p);
  uint64_t first = a[lowest(mask)];
  if (space == Space::global && space_of(first) == Space::global) return locate_global(w, i, mask, a, bytes, use, p);
  if (space == Space::readonly) return locate_readonly(w, i, mask, a, bytes, use, p);
  // Generic, or .global that may hold a variable of the module: the lanes may differ.
  uint32_t masks[4] = {};
  each(mask, [&](uint32_t l) { masks[static_cast<int>(space_of(a[l]))] |= 1u << l; });
  for (Space s : {Space::global, Space::shared, Space::readonly}) {
    uint32_t part = masks[static_cast<int>(s)];
    if (!part) continue;
    if (s == Space::shared && space == Space::global) w.fail(i, lowest(part), "global access to a shared address");
    uint64_t offsets[32];
    for (int l = 0; l < 32; l++) offsets[l] = a[l] - (s == Space::shared ? kSharedWindow : 0);
    bool row = locate(w, i, part, s, offsets, bytes, use, p);
    if (part == mask) return row;
  }
  return false;
}

}  // namespace sim
