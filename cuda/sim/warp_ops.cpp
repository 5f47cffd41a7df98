// Exchange within a warp: shuffles, votes, ldmatrix. The run loop has checked that all members are here.
#include <cstring>

#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

constexpr int64_t kUp = 0, kDown = 1, kButterfly = 2, kIndex = 3;

// op: d, [p], a, b, c. imm: mode; count 1 where there is p.
void shfl(Warp &w, const Inst &i, uint32_t mask) {
  const uint32_t *o = i.op + 1 + i.count;
  const uint32_t *a = w.reg<uint32_t>(o[0]), *b = w.reg<uint32_t>(o[1]), *c = w.reg<uint32_t>(o[2]);
  alignas(64) uint32_t v[32];
  uint32_t inside = 0;
  for (uint32_t l = 0; l < 32; l++) {
    uint32_t segment = c[l] >> 8 & 31, clamp = c[l] & 31, delta = b[l] & 31;
    int low = static_cast<int>(l & segment), high = static_cast<int>((l & segment) | (clamp & ~segment)), lane = static_cast<int>(l), from;
    bool ok;
    switch (i.imm) {
      case kUp: from = lane - static_cast<int>(delta); ok = from >= high; break;
      case kDown: from = lane + static_cast<int>(delta); ok = from <= high; break;
      case kButterfly: from = lane ^ static_cast<int>(delta); ok = from <= high; break;
      default: from = low | static_cast<int>(delta & ~segment); ok = from <= high; break;
    }
    if (!ok) from = lane;
    inside |= uint32_t(ok) << l;
    if (has(mask, l) && !has(mask, static_cast<uint32_t>(from))) w.fail(i, l, "shfl reads lane " + std::to_string(from) + ", which does not take part");
    v[l] = a[from & 31];
  }
  put(w.reg<uint32_t>(i.op[0]), v, mask);
  if (i.count) put_predicate(w, i.op[1], inside, mask);
}

bool decode_shfl(Decoder &d) {
  if (!d.take("sync") || !d.take("b32")) return false;
  d.in.imm = d.take("up") ? kUp : d.take("down") ? kDown : d.take("bfly") ? kButterfly : d.take("idx") ? kIndex : -1;
  if (d.in.imm < 0) return false;
  d.need_args(5);
  Operand v = d.st.args[0], p = v;
  p.name = v.other;
  v.other.clear();
  p.other.clear();
  d.result(v, 4);
  d.in.count = !p.name.empty();
  if (d.in.count) d.result(p, kPredicate);
  for (size_t k = 1; k < 4; k++) d.source(k, 4);
  d.members(4, true);
  d.in.exec = shfl;
  return true;
}

// op: d, p. imm 1: p negated
uint32_t vote_bits(Warp &w, const Inst &i, uint32_t mask) { return (i.imm ? ~w.predicate(i.op[1]) : w.predicate(i.op[1])) & mask; }
void vote_all(Warp &w, const Inst &i, uint32_t mask) { put_predicate(w, i.op[0], vote_bits(w, i, mask) == mask ? kFull : 0, mask); }
void vote_any(Warp &w, const Inst &i, uint32_t mask) { put_predicate(w, i.op[0], vote_bits(w, i, mask) ? kFull : 0, mask); }
void vote_uni(Warp &w, const Inst &i, uint32_t mask) {
  uint32_t v = vote_bits(w, i, mask);
  put_predicate(w, i.op[0], v == 0 || v == mask ? kFull : 0, mask);
}
void vote_ballot(Warp &w, const Inst &i, uint32_t mask) {
  uint32_t v = vote_bits(w, i, mask);
  each(mask, [&](uint32_t l) { w.reg<uint32_t>(i.op[0])[l] = v; });
}

bool decode_vote(Decoder &d) {
  if (!d.take("sync")) return false;
  bool ballot = d.take("ballot");
  if (!d.take(ballot ? "b32" : "pred")) return false;
  d.in.exec = ballot ? vote_ballot : d.take("all") ? vote_all : d.take("any") ? vote_any : d.take("uni") ? vote_uni : nullptr;
  d.need_args(3);
  d.result(0, ballot ? 4 : kPredicate);
  Operand p = d.st.args[1];
  d.in.imm = p.negated;
  p.negated = false;
  d.source(p, kPredicate);
  d.members(2, true);
  return d.in.exec;
}

template <class Op, class T>
void redux(Warp &w, const Inst &i, uint32_t mask) {
  const T *a = w.reg<T>(i.op[1]);
  T v = a[lowest(mask)];
  each(mask & (mask - 1), [&](uint32_t l) { v = Op::f(v, a[l]); });
  each(mask, [&](uint32_t l) { w.reg<T>(i.op[0])[l] = v; });
}
struct Add { static uint32_t f(uint32_t a, uint32_t b) { return a + b; } };
struct Min { template <class T> static T f(T a, T b) { return b < a ? b : a; } };
struct Max { template <class T> static T f(T a, T b) { return b > a ? b : a; } };
struct And { static uint32_t f(uint32_t a, uint32_t b) { return a & b; } };
struct Or { static uint32_t f(uint32_t a, uint32_t b) { return a | b; } };
struct Xor { static uint32_t f(uint32_t a, uint32_t b) { return a ^ b; } };

bool decode_redux(Decoder &d) {
  if (!d.take("sync")) return false;
  std::string type = d.take_last();
  bool s = type == "s32";
  if (!s && type != "u32" && type != "b32") return false;
  using U = uint32_t;
  using S = int32_t;
  d.in.exec = d.take("add") ? redux<Add, U> : d.take("min") ? (s ? redux<Min, S> : redux<Min, U>) : d.take("max") ? (s ? redux<Max, S> : redux<Max, U>)
              : d.take("and") ? redux<And, U> : d.take("or") ? redux<Or, U> : d.take("xor") ? redux<Xor, U> : nullptr;
  d.need_args(3);
  d.result(0, 4);
  d.source(1, 4);
  d.members(2, true);
  return d.in.exec;
}

void activemask(Warp &w, const Inst &i, uint32_t mask) {
  each(mask, [&](uint32_t l) { w.reg<uint32_t>(i.op[0])[l] = mask; });
}

// Lanes 8m .. 8m+7 give the addresses of the rows of matrix m, 16 bytes each. Lane l receives elements 2(l%4) and the next of
// row l/4, or with .trans of column l/4. imm 1: trans; count: matrices.
void ldmatrix(Warp &w, const Inst &i, uint32_t mask) {
  if (mask != kFull) w.fail(i, lowest(mask), "ldmatrix with lanes missing");
  Shared &s = w.block->shared;
  s.tick();
  uint64_t a[32];
  addresses(w, i.op[i.count], i.wide, i.imm, a);
  uint32_t v[4][32];
  for (uint32_t m = 0; m < i.count; m++) {
    uint16_t e[8][8];
    for (uint32_t r = 0; r < 8; r++) {
      uint32_t l = 8 * m + r;
      if (const char *wrong = s.check_matrix_row(a[l], w.id, l, w.order)) fail_shared(w, i, wrong, a, 16);
      std::memcpy(e[r], s.bytes(static_cast<uint32_t>(a[l])), 16);
    }
    for (uint32_t l = 0; l < 32; l++) {
      uint32_t p = l / 4, q = l % 4 * 2;
      v[m][l] = i.imm2 ? e[q][p] | uint32_t(e[q + 1][p]) << 16 : e[p][q] | uint32_t(e[p][q + 1]) << 16;
    }
    count_waves(w, 0xFFu << 8 * m, a, 16);
  }
  for (uint32_t m = 0; m < i.count; m++) std::memcpy(w.reg<uint32_t>(i.op[m]), v[m], sizeof v[m]);
}

bool decode_ldmatrix(Decoder &d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") || !d.take("b16")) return false;
  if (!d.take("shared") && !d.take("shared::cta")) return false;
  d.in.count = d.take("x4") ? 4 : d.take("x2") ? 2 : d.take("x1") ? 1 : 0;
  d.in.imm2 = d.take("trans");
  d.need_args(2);
  const Operand &v = d.st.args[0];
  if (!d.in.count || (v.vector ? v.items.size() : 1) != d.in.count) return false;
  d.results(0, 4);
  d.address(1);
  d.whole_warp();
  d.in.exec = ldmatrix;
  return true;
}

void nothing(Warp &, const Inst &, uint32_t) {}

}  // namespace

bool decode_warp(Decoder &d) {
  if (d.is("shfl")) return decode_shfl(d);
  if (d.is("vote")) return decode_vote(d);
  if (d.is("redux")) return decode_redux(d);
  if (d.is("ldmatrix")) return decode_ldmatrix(d);
  if (d.is("activemask")) {
    d.need_args(1);
    d.result(0, 4);
    d.in.exec = activemask;
    return d.take("b32");
  }
  if ((d.is("bar") || d.is("barrier")) && d.take("warp")) {
    d.need_args(1);
    d.members(0, true);
    d.in.exec = nothing;
    return d.take("sync");
  }
  return false;
}

}  // namespace sim
