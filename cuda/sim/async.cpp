// cp.async: copies from global to shared memory that land late. The destination holds 0xCD and cannot be touched until the
// issuing thread waits; the bytes arrive at that last moment that the rules allow, so a wait that is missing always shows.
#include <algorithm>
#include <cstring>

#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

// op: destination, source, [bytes to read]; the rest of `bytes` becomes zero.
void issue(Warp &w, const Inst &i, uint32_t mask) {
  Shared &shared = w.block->shared;
  uint64_t dst[32], src[32];
  addresses(w, i.op[0], i.wide, i.imm, dst);
  addresses(w, i.op[1], i.wide2, i.imm2, src);
  uint32_t reading[5] = {};  // lanes by the bytes they read: 16, 8, 4, 0, other
  uint32_t want[32];
  each(mask, [&](uint32_t l) {
    want[l] = i.count ? w.reg<uint32_t>(i.op[2])[l] : i.bytes;
    if (want[l] > i.bytes) w.fail(i, l, "cp.async reads more bytes than it copies");
    reading[want[l] == i.bytes ? 0 : want[l] == 0 ? 3 : 4] |= 1u << l;
  });
  uint8_t *p[32];
  if (reading[0]) locate(w, i, reading[0], Space::global, src, i.bytes, Use::load, p);
  each(reading[4], [&](uint32_t l) {  // part of the bytes: byte by byte, whatever the alignment of the end
    if (src[l] % i.bytes) w.fail(i, l, "misaligned cp.async source");
    for (uint32_t b = 0; b < want[l]; b++) {
      uint64_t a[32];
      uint8_t *q[32];
      a[l] = src[l] + b;
      locate(w, i, 1u << l, Space::global, a, 1, Use::load, q);
      if (b == 0) p[l] = q[l];
    }
  });
  if (const char *wrong = shared.check_async_issue(mask, dst, i.bytes, w.id, w.order)) fail_shared(w, i, wrong, dst, i.bytes);
  each(mask, [&](uint32_t l) {
    AsyncCopy c{l, static_cast<uint32_t>(dst[l]), i.bytes, w.group[l], {}};
    if (want[l]) std::memcpy(c.data, p[l], want[l]);
    w.copies.push_back(c);
  });
  count_waves(w, mask, dst, i.bytes);
}

void commit(Warp &w, const Inst &, uint32_t mask) {
  each(mask, [&](uint32_t l) { w.group[l]++; });
}

// wait_group imm: all but the last imm committed groups of the thread. imm -1: wait_all.
void wait(Warp &w, const Inst &i, uint32_t mask) {
  Shared &shared = w.block->shared;
  shared.tick();
  auto done = [&](const AsyncCopy &c) {
    if (!has(mask, c.lane)) return false;
    if (i.imm >= 0 && int64_t(c.group) >= int64_t(w.group[c.lane]) - i.imm) return false;
    shared.async_land(c.dst, c.bytes, w.id * 32 + c.lane, c.data);
    return true;
  };
  w.copies.erase(std::remove_if(w.copies.begin(), w.copies.end(), done), w.copies.end());
}

bool decode_issue(Decoder &d) {
  bool cg = d.take("cg");
  if (!cg && !d.take("ca")) return false;
  if (!d.take("shared") && !d.take("shared::cta")) return false;
  if (!d.take("global")) return false;
  for (const char *hint : {"L2::64B", "L2::128B", "L2::256B"}) d.take(hint);
  bool ok;
  if (d.args() != 3 && d.args() != 4) return false;
  uint64_t bytes = parse_literal(d.st.args[2].name, ok);
  if (!ok || !(bytes == 16 || (!cg && (bytes == 4 || bytes == 8)))) d.fail("cp.async of a size that does not exist");
  d.address(0);
  d.in.wide2 = d.in.wide;
  d.in.imm2 = d.in.imm;
  d.address(1);
  std::swap(d.in.wide, d.in.wide2);
  std::swap(d.in.imm, d.in.imm2);
  d.in.bytes = static_cast<uint8_t>(bytes);
  d.in.count = d.args() == 4;
  if (d.in.count) d.source(3, 4);
  d.in.exec = issue;
  return true;
}

}  // namespace

bool decode_async(Decoder &d) {
  if (!d.is("cp") || !d.take("async")) return false;
  if (d.take("commit_group")) {
    d.need_args(0);
    d.in.exec = commit;
    return true;
  }
  if (d.take("wait_all")) {
    d.need_args(0);
    d.in.imm = -1;
    d.in.exec = wait;
    return true;
  }
  if (d.take("wait_group")) {
    bool ok;
    d.need_args(1);
    d.in.imm = static_cast<int64_t>(parse_literal(d.st.args[0].name, ok));
    d.in.exec = wait;
    return ok;
  }
  return decode_issue(d);
}

}  // namespace sim
