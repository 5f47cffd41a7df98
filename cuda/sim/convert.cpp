// cvt: every pair of types that nvcc emits.
#include <cmath>
#include <limits>

#include "decode.h"
#include "lanes.h"
#include "narrow.h"

namespace sim {
namespace {

// Integer to integer, any widths: keep the narrower of both types, extend by the source's sign, cut to the result's type and
// extend that into its register. Widths are in the Inst so that one loop serves all pairs.

inline uint64_t extend(uint64_t v, uint32_t away, bool sign) {
  v <<= away;
  return sign ? uint64_t(int64_t(v) >> away) : v >> away;
}

template <class D, class S>
void int_to_int(Warp &w, const Inst &i, uint32_t mask) {
  const S *s = w.reg<S>(i.op[1]);
  uint32_t from = i.imm & 63, to = i.imm >> 8 & 63;
  bool from_signed = i.imm >> 16 & 1, to_signed = i.imm >> 17 & 1;
  alignas(64) D v[32];
  for (int l = 0; l < 32; l++) v[l] = D(extend(extend(s[l], from, from_signed), to, to_signed));
  put(w.reg<D>(i.op[0]), v, mask);
}

// Same-width and plain widening pairs, which addresses are full of.
template <class To>
struct Cast { template <class T> static To f(T a) { return To(a); } };

template <class D>
Exec int_exec(uint32_t source_bytes) {
  return source_bytes == 2 ? int_to_int<D, uint16_t> : source_bytes == 4 ? int_to_int<D, uint32_t> : int_to_int<D, uint64_t>;
}

bool decode_int_int(Decoder &d, const std::string &to, const std::string &from) {
  uint32_t tb = static_cast<uint32_t>(type_bytes(to)), fb = static_cast<uint32_t>(type_bytes(from));
  d.need_args(2);
  d.result(0, tb, true);
  uint32_t dr = d.register_bytes;
  d.source(1, fb, true);
  uint32_t sr = d.register_bytes;
  if (d.take("sat")) return false;
  d.in.imm = (64 - 8 * fb) | (64 - 8 * tb) << 8 | uint32_t(from[0] == 's') << 16 | uint32_t(to[0] == 's') << 17;
  d.in.exec = dr == 2 ? int_exec<uint16_t>(sr) : dr == 4 ? int_exec<uint32_t>(sr) : int_exec<uint64_t>(sr);
  if (dr == 8 && tb == 8 && sr == 4 && fb == 4) d.in.exec = from[0] == 's' ? Exec(unary<Cast<uint64_t>, uint64_t, int32_t>) : Exec(unary<Cast<uint64_t>, uint64_t, uint32_t>);
  if (dr == 4 && tb == 4 && fb == 8) d.in.exec = unary<Cast<uint32_t>, uint32_t, uint64_t>;
  return true;
}

// Integer to float. The source register may be wider than the source type.
template <class F, class S, class R>
void int_to_float(Warp &w, const Inst &i, uint32_t mask) {
  const R *s = w.reg<R>(i.op[1]);
  alignas(64) F v[32];
  for (int l = 0; l < 32; l++) v[l] = F(S(s[l]));
  put(w.reg<F>(i.op[0]), v, mask);
}

template <class F, class S>
Exec int_to_float_exec(uint32_t register_bytes) {
  if (register_bytes == 2 && sizeof(S) <= 2) return int_to_float<F, S, uint16_t>;
  if (register_bytes == 4 && sizeof(S) <= 4) return int_to_float<F, S, uint32_t>;
  return register_bytes == 8 ? int_to_float<F, S, uint64_t> : nullptr;
}

template <class F>
bool with_any_int(const std::string &t, F f) {
  if (t == "u8") return f(uint8_t()), true;
  if (t == "s8") return f(int8_t()), true;
  return with_int(t, f);
}

bool decode_int_float(Decoder &d, const std::string &to, const std::string &from) {
  if (!d.take("rn")) return false;
  d.need_args(2);
  d.result(0, type_bytes(to));
  d.source(1, type_bytes(from), true);
  uint32_t rb = d.register_bytes;
  with_any_int(from, [&](auto s) { d.in.exec = to == "f32" ? int_to_float_exec<float, decltype(s)>(rb) : int_to_float_exec<double, decltype(s)>(rb); });
  return d.in.exec;
}

enum class Round { even, zero, down, up };

template <Round R, class F>
inline F round_to(F x) {
  if constexpr (sizeof(F) == 4) return R == Round::even ? __builtin_rintf(x) : R == Round::zero ? __builtin_truncf(x) : R == Round::down ? __builtin_floorf(x) : __builtin_ceilf(x);
  else return R == Round::even ? __builtin_rint(x) : R == Round::zero ? __builtin_trunc(x) : R == Round::down ? __builtin_floor(x) : __builtin_ceil(x);
}

// Float to integer saturates; NaN gives 0. D is the type, the register may be wider.
template <class D, class F, Round R, class Reg>
void float_to_int(Warp &w, const Inst &i, uint32_t mask) {
  const F *s = w.reg<F>(i.op[1]);
  // The largest value and one more: the latter is a power of two, so exact in either float type.
  const F end = F(std::numeric_limits<D>::max() / 2 + 1) * 2, low = F(std::numeric_limits<D>::min());
  alignas(64) Reg v[32];
  for (int l = 0; l < 32; l++) {
    F x = round_to<R>(s[l]);
    D y = x >= end ? std::numeric_limits<D>::max() : x <= low ? std::numeric_limits<D>::min() : x != x ? D(0) : D(x);
    v[l] = Reg(y);
  }
  put(w.reg<Reg>(i.op[0]), v, mask);
}

template <class D, class F, Round R>
Exec float_to_int_exec(uint32_t register_bytes) {
  if (register_bytes == 2 && sizeof(D) <= 2) return float_to_int<D, F, R, uint16_t>;
  if (register_bytes == 4 && sizeof(D) <= 4) return float_to_int<D, F, R, uint32_t>;
  return register_bytes == 8 ? float_to_int<D, F, R, uint64_t> : nullptr;
}

template <class D, class F>
Exec float_to_int_exec(Round r, uint32_t rb) {
  switch (r) {
    case Round::even: return float_to_int_exec<D, F, Round::even>(rb);
    case Round::zero: return float_to_int_exec<D, F, Round::zero>(rb);
    case Round::down: return float_to_int_exec<D, F, Round::down>(rb);
    case Round::up: return float_to_int_exec<D, F, Round::up>(rb);
  }
  return nullptr;
}

bool take_integer_rounding(Decoder &d, Round &r) {
  if (d.take("rni")) return r = Round::even, true;
  if (d.take("rzi")) return r = Round::zero, true;
  if (d.take("rmi")) return r = Round::down, true;
  if (d.take("rpi")) return r = Round::up, true;
  return false;
}

bool decode_float_int(Decoder &d, const std::string &to, const std::string &from) {
  Round r;
  if (!take_integer_rounding(d, r)) return false;
  d.take("sat");  // float to integer always saturates
  d.need_args(2);
  d.result(0, type_bytes(to), true);
  uint32_t rb = d.register_bytes;
  d.source(1, type_bytes(from));
  with_any_int(to, [&](auto t) { d.in.exec = from == "f32" ? float_to_int_exec<decltype(t), float>(r, rb) : float_to_int_exec<decltype(t), double>(r, rb); });
  return d.in.exec;
}

template <Round R>
struct Integral { template <class T> static T f(T a) { return round_to<R>(a); } };
struct Saturate { template <class T> static T f(T a) { return a > T(0) ? (a < T(1) ? a : T(1)) : T(0); } };  // NaN gives 0
template <class To>
struct Narrow { template <class T> static To f(T a) { return To(a); } };

template <class T>
Exec integral_exec(Round r) {
  switch (r) {
    case Round::even: return unary<Integral<Round::even>, T, T>;
    case Round::zero: return unary<Integral<Round::zero>, T, T>;
    case Round::down: return unary<Integral<Round::down>, T, T>;
    case Round::up: return unary<Integral<Round::up>, T, T>;
  }
  return nullptr;
}

bool decode_float_float(Decoder &d, const std::string &to, const std::string &from) {
  d.need_args(2);
  d.result(0, type_bytes(to));
  d.source(1, type_bytes(from));
  if (to == from) {
    Round r;
    bool single = to == "f32";
    if (take_integer_rounding(d, r)) d.in.exec = single ? integral_exec<float>(r) : integral_exec<double>(r);
    else if (d.take("sat")) d.in.exec = single ? unary<Saturate, float, float> : unary<Saturate, double, double>;
    return d.in.exec;
  }
  if (to == "f32" && !d.take("rn")) return false;
  d.in.exec = to == "f32" ? Exec(unary<Narrow<float>, float, double>) : Exec(unary<Narrow<double>, double, float>);
  return true;
}

struct ToBf16 { static uint16_t f(float a) { return to_bf16(a); } };
struct ToF16 { static uint16_t f(float a) { return to_f16(a); } };
struct FromBf16 { static float f(uint16_t a) { return from_bf16(a); } };
struct FromF16 { static float f(uint16_t a) { return from_f16(a); } };
struct ToTf32 { static uint32_t f(float a) { return to_tf32(a); } };
// The FIRST operand becomes the upper half.
struct ToBf16x2 { static uint32_t f(float a, float b) { return uint32_t(to_bf16(a)) << 16 | to_bf16(b); } };
struct ToF16x2 { static uint32_t f(float a, float b) { return uint32_t(to_f16(a)) << 16 | to_f16(b); } };

bool decode_narrow(Decoder &d, const std::string &to, const std::string &from) {
  if (to == "f32") {
    d.need_args(2);
    d.result(0, 4);
    d.source(1, 2);
    d.in.exec = from == "bf16" ? unary<FromBf16, float, uint16_t> : unary<FromF16, float, uint16_t>;
    return from == "bf16" || from == "f16";
  }
  if (from != "f32" || !d.take(to == "tf32" ? "rna" : "rn")) return false;
  bool pair = to == "bf16x2" || to == "f16x2";
  d.need_args(pair ? 3 : 2);
  d.result(0, pair || to == "tf32" ? 4 : 2);
  d.source(1, 4);
  if (pair) d.source(2, 4);
  if (to == "bf16") d.in.exec = unary<ToBf16, uint16_t, float>;
  if (to == "f16") d.in.exec = unary<ToF16, uint16_t, float>;
  if (to == "tf32") d.in.exec = unary<ToTf32, uint32_t, float>;
  if (to == "bf16x2") d.in.exec = binary<ToBf16x2, uint32_t, float, float>;
  if (to == "f16x2") d.in.exec = binary<ToF16x2, uint32_t, float, float>;
  return d.in.exec;
}

bool is_int(const std::string &t) { return type_bytes(t) && (t[0] == 'u' || t[0] == 's'); }
bool is_float(const std::string &t) { return t == "f32" || t == "f64"; }

}  // namespace

bool decode_convert(Decoder &d) {
  if (!d.is("cvt")) return false;
  std::string from = d.take_last(), to = d.take_last();
  if (is_int(to) && is_int(from)) return decode_int_int(d, to, from);
  if (is_float(to) && is_int(from)) return decode_int_float(d, to, from);
  if (is_int(to) && is_float(from)) return decode_float_int(d, to, from);
  if (is_float(to) && is_float(from)) return decode_float_float(d, to, from);
  return decode_narrow(d, to, from);
}

}  // namespace sim
