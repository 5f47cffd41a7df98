// Comparison, selection and predicate logic.
#include <cmath>

#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

// Ordered comparisons are false on NaN, "u" ones true.
struct Eq { template <class T> static bool f(T a, T b) { return a == b; } };
struct Ne { template <class T> static bool f(T a, T b) { return (a < b) | (a > b); } };
struct Lt { template <class T> static bool f(T a, T b) { return a < b; } };
struct Le { template <class T> static bool f(T a, T b) { return a <= b; } };
struct Gt { template <class T> static bool f(T a, T b) { return a > b; } };
struct Ge { template <class T> static bool f(T a, T b) { return a >= b; } };
template <class Op> struct NotOf { template <class T> static bool f(T a, T b) { return !Op::f(a, b); } };
struct Num { template <class T> static bool f(T a, T b) { return (a == a) & (b == b); } };

using CompareExec = uint32_t (*)(Warp &, const Inst &, uint32_t a);

template <class Op, class T>
uint32_t compare_lanes(Warp &w, const Inst &i, uint32_t first) {
  const T *a = w.reg<T>(i.op[first]), *b = w.reg<T>(i.op[first + 1]);
  alignas(64) int32_t v[32];
  for (int l = 0; l < 32; l++) v[l] = -int32_t(Op::f(a[l], b[l]));
  return bits(v);
}

template <class Op, class T>
void setp(Warp &w, const Inst &i, uint32_t mask) { put_predicate(w, i.op[0], compare_lanes<Op, T>(w, i, 1), mask); }

// imm: 1 and, 2 or, 3 xor with a predicate; 4 the predicate negated; 8 a second result, from the negated comparison
enum : int64_t { kAnd = 1, kOr = 2, kXor = 3, kNegated = 4, kSecond = 8 };

uint32_t combine(uint32_t compared, uint32_t p, int64_t how) {
  if (how & kNegated) p = ~p;
  switch (how & 3) {
    case kAnd: return compared & p;
    case kOr: return compared | p;
    case kXor: return compared ^ p;
  }
  return compared;
}

template <class Op, class T>
void setp_combined(Warp &w, const Inst &i, uint32_t mask) {
  uint32_t first = i.imm & kSecond ? 2 : 1;
  uint32_t c = compare_lanes<Op, T>(w, i, first), p = i.imm & 3 ? w.predicate(i.op[first + 2]) : 0;
  put_predicate(w, i.op[0], combine(c, p, i.imm), mask);
  if (i.imm & kSecond) put_predicate(w, i.op[1], combine(~c, p, i.imm), mask);
}

template <class Op, class T, class D>
void set(Warp &w, const Inst &i, uint32_t mask) {
  const T *a = w.reg<T>(i.op[1]), *b = w.reg<T>(i.op[2]);
  alignas(64) D v[32];
  for (int l = 0; l < 32; l++) v[l] = Op::f(a[l], b[l]) ? (std::is_floating_point_v<D> ? D(1) : D(-1)) : D(0);
  put(w.reg<D>(i.op[0]), v, mask);
}

enum class Form { plain, combined, set_int, set_float };

template <class Op, class T>
Exec exec_of(Form form) {
  switch (form) {
    case Form::plain: return setp<Op, T>;
    case Form::combined: return setp_combined<Op, T>;
    case Form::set_int: return set<Op, T, int32_t>;
    case Form::set_float: return set<Op, T, float>;
  }
  return nullptr;
}

template <class T>
Exec compare_of(const std::string &op, Form form) {
  if (op == "eq") return exec_of<Eq, T>(form);
  if (op == "ne") return exec_of<Ne, T>(form);
  if (op == "lt" || op == "lo") return exec_of<Lt, T>(form);
  if (op == "le" || op == "ls") return exec_of<Le, T>(form);
  if (op == "gt" || op == "hi") return exec_of<Gt, T>(form);
  if (op == "ge" || op == "hs") return exec_of<Ge, T>(form);
  if constexpr (std::is_floating_point_v<T>) {
    if (op == "equ") return exec_of<NotOf<Ne>, T>(form);
    if (op == "neu") return exec_of<NotOf<Eq>, T>(form);
    if (op == "ltu") return exec_of<NotOf<Ge>, T>(form);
    if (op == "leu") return exec_of<NotOf<Gt>, T>(form);
    if (op == "gtu") return exec_of<NotOf<Le>, T>(form);
    if (op == "geu") return exec_of<NotOf<Lt>, T>(form);
    if (op == "num") return exec_of<Num, T>(form);
    if (op == "nan") return exec_of<NotOf<Num>, T>(form);
  }
  return nullptr;
}

Exec compare_exec(const std::string &op, std::string type, Form form) {
  Exec exec = nullptr;
  if (op == "lo" || op == "ls" || op == "hi" || op == "hs") {  // unsigned whatever the type says
    if (type[0] == 's') return nullptr;
  }
  auto pick = [&](auto t) { exec = compare_of<decltype(t)>(op, form); };
  if (!with_int(type, pick)) with_float(type, pick);
  return exec;
}

bool decode_setp(Decoder &d) {
  std::string type = d.take_last(), op = d.take_first();
  uint32_t bytes = static_cast<uint32_t>(type_bytes(type));
  int64_t how = d.take("and") ? int64_t(kAnd) : d.take("or") ? int64_t(kOr) : d.take("xor") ? int64_t(kXor) : 0;
  d.need_args(how ? 4 : 3);
  Operand p = d.st.args[0], q = p;
  q.name = p.other;
  p.other.clear();
  q.other.clear();
  d.result(p, kPredicate);
  if (!q.name.empty()) d.result(q, kPredicate), how |= kSecond;
  d.source(1, bytes);
  d.source(2, bytes);
  if (how & 3) {
    Operand c = d.st.args[3];
    if (c.negated) how |= kNegated;
    c.negated = false;
    d.source(c, kPredicate);
  }
  d.in.imm = how;
  d.in.exec = compare_exec(op, type, how ? Form::combined : Form::plain);
  return d.in.exec;
}

bool decode_set(Decoder &d) {
  std::string type = d.take_last(), to = d.take_last(), op = d.take_first();
  d.need_args(3);
  d.result(0, 4);
  d.source(1, type_bytes(type));
  d.source(2, type_bytes(type));
  if (to != "f32" && to != "u32" && to != "s32") return false;
  d.in.exec = compare_exec(op, type, to == "f32" ? Form::set_float : Form::set_int);
  return d.in.exec;
}

template <class T>
void selp(Warp &w, const Inst &i, uint32_t mask) {
  const T *a = w.reg<T>(i.op[1]), *b = w.reg<T>(i.op[2]);
  uint32_t p = w.predicate(i.op[3]);
  alignas(64) T v[32];
  for (uint32_t l = 0; l < 32; l++) v[l] = p >> l & 1 ? a[l] : b[l];
  put(w.reg<T>(i.op[0]), v, mask);
}

bool decode_selp(Decoder &d) {
  uint32_t bytes = static_cast<uint32_t>(type_bytes(d.take_last()));
  d.need_args(4);
  d.result(0, bytes);
  d.source(1, bytes);
  d.source(2, bytes);
  d.source(3, kPredicate);
  d.in.exec = bytes == 2 ? selp<uint16_t> : bytes == 4 ? selp<uint32_t> : bytes == 8 ? selp<uint64_t> : nullptr;
  return d.in.exec;
}

template <class C>
struct Select { template <class T> static T f(T a, T b, C c) { return c >= 0 ? a : b; } };

bool decode_slct(Decoder &d) {
  std::string ctype = d.take_last();
  uint32_t bytes = static_cast<uint32_t>(type_bytes(d.take_last()));
  d.need_args(4);
  d.result(0, bytes);
  d.source(1, bytes);
  d.source(2, bytes);
  d.source(3, 4);
  if (ctype != "s32" && ctype != "f32") return false;
  bool real = ctype == "f32";
  using U = uint32_t;
  using L = uint64_t;
  if (bytes == 4) d.in.exec = real ? ternary<Select<float>, U, U, U, float> : ternary<Select<int32_t>, U, U, U, int32_t>;
  if (bytes == 8) d.in.exec = real ? ternary<Select<float>, L, L, L, float> : ternary<Select<int32_t>, L, L, L, int32_t>;
  return d.in.exec;
}

void and_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], w.predicate(i.op[1]) & w.predicate(i.op[2]), m); }
void or_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], w.predicate(i.op[1]) | w.predicate(i.op[2]), m); }
void xor_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], w.predicate(i.op[1]) ^ w.predicate(i.op[2]), m); }
void not_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], ~w.predicate(i.op[1]), m); }
void mov_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], w.predicate(i.op[1]), m); }
void set_pred(Warp &w, const Inst &i, uint32_t m) { put_predicate(w, i.op[0], static_cast<uint32_t>(i.imm), m); }

bool decode_predicate(Decoder &d) {
  if (!d.take("pred")) return false;
  bool ok = false;
  if (d.is("mov") && d.args() == 2) {
    uint64_t literal = parse_literal(d.st.args[1].name, ok);
    if (ok) {
      d.result(0, kPredicate);
      d.in.imm = literal ? kFull : 0;
      d.in.exec = set_pred;
      return true;
    }
  }
  bool one = d.is("not") || d.is("mov");
  d.in.exec = d.is("and") ? and_pred : d.is("or") ? or_pred : d.is("xor") ? xor_pred : d.is("not") ? not_pred : d.is("mov") ? mov_pred : nullptr;
  if (d.in.exec) d.regular(one ? 1 : 2, kPredicate);
  return d.in.exec;
}

}  // namespace

bool decode_compare(Decoder &d) {
  if (d.is("setp")) return decode_setp(d);
  if (d.is("set")) return decode_set(d);
  if (d.is("selp")) return decode_selp(d);
  if (d.is("slct")) return decode_slct(d);
  if (!d.st.suffixes.empty() && d.st.suffixes.back() == "pred") return decode_predicate(d);
  return false;
}

}  // namespace sim
