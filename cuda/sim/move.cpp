// mov, with the packing and unpacking of vectors, and address conversions.
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

template <class T>
void mov(Warp &w, const Inst &i, uint32_t mask) { put(w.reg<T>(i.op[0]), w.reg<T>(i.op[1]), mask); }

Exec mov_exec(uint32_t bytes) { return bytes == 2 ? mov<uint16_t> : bytes == 4 ? mov<uint32_t> : bytes == 8 ? mov<uint64_t> : nullptr; }

// {a, b, ...} to one register, the first item lowest.
template <class D, class S>
void pack(Warp &w, const Inst &i, uint32_t mask) {
  constexpr int n = sizeof(D) / sizeof(S);
  alignas(64) D v[32] = {};
  for (int k = 0; k < n; k++) {
    const S *s = w.reg<S>(i.op[1 + k]);
    for (int l = 0; l < 32; l++) v[l] |= D(D(s[l]) << 8 * sizeof(S) * k);
  }
  put(w.reg<D>(i.op[0]), v, mask);
}

// One register to {a, b, ...}.
template <class S, class D>
void unpack(Warp &w, const Inst &i, uint32_t mask) {
  constexpr int n = sizeof(S) / sizeof(D);
  alignas(64) D v[n][32];
  const S *s = w.reg<S>(i.op[n]);
  for (int k = 0; k < n; k++)
    for (int l = 0; l < 32; l++) v[k][l] = D(s[l] >> 8 * sizeof(D) * k);
  for (int k = 0; k < n; k++) put(w.reg<D>(i.op[k]), v[k], mask);
}

bool decode_mov(Decoder &d) {
  uint32_t bytes = static_cast<uint32_t>(type_bytes(d.take_last()));
  d.need_args(2);
  const Operand &to = d.st.args[0], &from = d.st.args[1];
  size_t items = from.vector ? from.items.size() : to.items.size();
  if (!to.vector && !from.vector) {
    d.result(0, bytes);
    d.source(1, bytes);
    d.in.exec = mov_exec(bytes);
    return d.in.exec;
  }
  if (to.vector && from.vector) return false;
  if (items < 2 || bytes % items) return false;
  uint32_t part = bytes / static_cast<uint32_t>(items);
  d.results(0, to.vector ? part : bytes);
  d.sources(1, from.vector ? part : bytes);
  if (from.vector) d.in.exec = bytes == 4 && part == 2 ? pack<uint32_t, uint16_t> : bytes == 8 && part == 4 ? pack<uint64_t, uint32_t> : bytes == 8 && part == 2 ? pack<uint64_t, uint16_t> : nullptr;
  else d.in.exec = bytes == 4 && part == 2 ? unpack<uint32_t, uint16_t> : bytes == 8 && part == 4 ? unpack<uint64_t, uint32_t> : bytes == 8 && part == 2 ? unpack<uint64_t, uint16_t> : nullptr;
  return d.in.exec;
}

struct ToShared { static uint64_t f(uint64_t a) { return a - kSharedWindow; } };
struct FromShared { static uint64_t f(uint64_t a) { return a + kSharedWindow; } };

// Only .shared addresses differ from generic ones.
bool decode_cvta(Decoder &d) {
  if (!d.take("u64")) return false;
  bool to = d.take("to");
  d.need_args(2);
  d.result(0, 8);
  d.source(1, 8);
  if (d.take("shared")) d.in.exec = to ? unary<ToShared, uint64_t, uint64_t> : unary<FromShared, uint64_t, uint64_t>;
  else if (d.take("global") || d.take("const") || d.take("param")) d.in.exec = mov<uint64_t>;
  return d.in.exec;
}

// imm: the window; 0 is global memory
void isspacep(Warp &w, const Inst &i, uint32_t mask) {
  const uint64_t *a = w.reg<uint64_t>(i.op[1]);
  uint32_t bits = 0;
  for (int l = 0; l < 32; l++) bits |= uint32_t(a[l] >> 60 == static_cast<uint64_t>(i.imm) >> 60) << l;
  put_predicate(w, i.op[0], bits, mask);
}

}  // namespace

bool decode_move(Decoder &d) {
  if (d.is("mov")) return decode_mov(d);
  if (d.is("cvta")) return decode_cvta(d);
  if (d.is("isspacep")) {
    d.need_args(2);
    d.result(0, kPredicate);
    d.source(1, 8);
    d.in.imm = static_cast<int64_t>(d.take("shared") ? kSharedWindow : d.take("const") ? kDataWindow : d.take("global") ? 0 : kParamWindow);
    d.in.exec = isspacep;
    return true;
  }
  return false;
}

}  // namespace sim
