// Integer arithmetic and logic.
#include <limits>

#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

template <class T>
using Twice = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
              std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
              std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;
template <class T>
constexpr int kBits = 8 * sizeof(T);

struct Add { template <class T> static T f(T a, T b) { return T(Wrap<T>(a) + Wrap<T>(b)); } };
struct Sub { template <class T> static T f(T a, T b) { return T(Wrap<T>(a) - Wrap<T>(b)); } };
struct MulLo { template <class T> static T f(T a, T b) { return T(Wrap<T>(a) * Wrap<T>(b)); } };
struct MulHi { template <class T> static T f(T a, T b) { return T((Twice<T>(a) * Twice<T>(b)) >> kBits<T>); } };
struct MulWide { template <class T> static Twice<T> f(T a, T b) { return Twice<T>(a) * Twice<T>(b); } };
struct MadLo { template <class T> static T f(T a, T b, T c) { return T(Wrap<T>(a) * Wrap<T>(b) + Wrap<T>(c)); } };
struct MadHi { template <class T> static T f(T a, T b, T c) { return T(Wrap<T>(MulHi::f(a, b)) + Wrap<T>(c)); } };
struct MadWide { template <class T, class D> static D f(T a, T b, D c) { return D(Wrap<D>(MulWide::f(a, b)) + Wrap<D>(c)); } };
struct Neg { template <class T> static T f(T a) { return T(0 - Wrap<T>(a)); } };
struct Abs { template <class T> static T f(T a) { return a < 0 ? Neg::f(a) : a; } };
struct Min { template <class T> static T f(T a, T b) { return b < a ? b : a; } };
struct Max { template <class T> static T f(T a, T b) { return b > a ? b : a; } };
struct And { template <class T> static T f(T a, T b) { return T(a & b); } };
struct Or { template <class T> static T f(T a, T b) { return T(a | b); } };
struct Xor { template <class T> static T f(T a, T b) { return T(a ^ b); } };
struct Not { template <class T> static T f(T a) { return T(~a); } };
struct CNot { template <class T> static T f(T a) { return T(a == 0); } };
struct Popc { template <class T> static uint32_t f(T a) { return uint32_t(__builtin_popcountll(a)); } };
struct Clz { template <class T> static uint32_t f(T a) { return a ? uint32_t(__builtin_clzll(a)) - (64 - kBits<T>) : kBits<T>; } };
// position of the highest bit that differs from the sign, ~0 when there is none
struct Bfind { template <class T> static uint32_t f(T a) { std::make_unsigned_t<T> u = a < 0 ? ~a : a; return u ? 63u - uint32_t(__builtin_clzll(u)) : ~0u; } };
struct Sad { template <class T> static T f(T a, T b, T c) { return T(Wrap<T>(c) + (a < b ? Wrap<T>(b) - Wrap<T>(a) : Wrap<T>(a) - Wrap<T>(b))); } };

// Shifts clamp: 32 and more shifts everything out.
struct Shl { template <class T> static T f(T a, uint32_t n) { return n < kBits<T> ? T(Wrap<T>(a) << n) : T(0); } };
struct Shr { template <class T> static T f(T a, uint32_t n) { return n < kBits<T> ? T(a >> n) : std::is_signed_v<T> ? T(a >> (kBits<T> - 1)) : T(0); } };

// Division by zero gives all ones on the GPU (the result is unspecified in PTX), and must not trap here.
struct Div { template <class T> static T f(T a, T b) { return b == 0 ? T(~T(0)) : std::is_signed_v<T> && b == T(-1) ? Neg::f(a) : T(a / b); } };
struct Rem { template <class T> static T f(T a, T b) { return b == 0 ? a : std::is_signed_v<T> && b == T(-1) ? T(0) : T(a % b); } };

struct Brev {
  template <class T> static T f(T a) {
    T r = 0;
    for (int i = 0; i < kBits<T>; i++) r |= T(a >> i & 1) << (kBits<T> - 1 - i);
    return r;
  }
};
struct Bfe {
  template <class T> static T f(T a, uint32_t position, uint32_t length) {
    using U = std::make_unsigned_t<T>;
    uint32_t p = position & 255, n = length & 255;
    U sign = 0;  // fills what lies beyond the field or the word
    if (std::is_signed_v<T> && n > 0) sign = U(a) >> (p + n - 1 < kBits<T> ? p + n - 1 : kBits<T> - 1) & 1;
    U field = p < kBits<T> ? U(a) >> p : 0;
    uint32_t held = p < kBits<T> ? kBits<T> - p : 0;
    if (n < held) held = n;
    U keep = held >= kBits<T> ? ~U(0) : (U(1) << held) - 1;
    return T((field & keep) | (sign ? ~keep : U(0)));
  }
};
struct Bfi {
  template <class T> static T f(T a, T b, uint32_t position, uint32_t length) {
    uint32_t p = position & 255, n = length & 255;
    if (p >= kBits<T> || n == 0) return b;
    T keep = (n >= kBits<T> ? ~T(0) : T((T(1) << n) - 1)) << p;
    return T((b & ~keep) | (a << p & keep));
  }
};
struct Prmt {
  static uint32_t f(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t bytes = uint64_t(b) << 32 | a;
    uint32_t d = 0;
    for (int i = 0; i < 4; i++) {
      uint32_t s = selector >> 4 * i & 15, v = uint32_t(bytes >> 8 * (s & 7)) & 255;
      d |= (s & 8 ? (v & 128 ? 255u : 0u) : v) << 8 * i;
    }
    return d;
  }
};
struct ShfLeftWrap { static uint32_t f(uint32_t a, uint32_t b, uint32_t c) { return uint32_t((uint64_t(b) << 32 | a) << (c & 31) >> 32); } };
struct ShfRightWrap { static uint32_t f(uint32_t a, uint32_t b, uint32_t c) { return uint32_t((uint64_t(b) << 32 | a) >> (c & 31)); } };
struct ShfLeftClamp { static uint32_t f(uint32_t a, uint32_t b, uint32_t c) { return c >= 32 ? a : ShfLeftWrap::f(a, b, c); } };
struct ShfRightClamp { static uint32_t f(uint32_t a, uint32_t b, uint32_t c) { return c >= 32 ? b : ShfRightWrap::f(a, b, c); } };
template <class A, class B>
struct Dp4a {
  static uint32_t f(uint32_t a, uint32_t b, uint32_t c) {
    for (int i = 0; i < 4; i++) c += uint32_t(int32_t(A(a >> 8 * i)) * int32_t(B(b >> 8 * i)));
    return c;
  }
};

void bfi_exec32(Warp &w, const Inst &i, uint32_t mask) {
  each(mask, [&](uint32_t l) { w.reg<uint32_t>(i.op[0])[l] = Bfi::f(w.reg<uint32_t>(i.op[1])[l], w.reg<uint32_t>(i.op[2])[l], w.reg<uint32_t>(i.op[3])[l], w.reg<uint32_t>(i.op[4])[l]); });
}
void bfi_exec64(Warp &w, const Inst &i, uint32_t mask) {
  each(mask, [&](uint32_t l) { w.reg<uint64_t>(i.op[0])[l] = Bfi::f(w.reg<uint64_t>(i.op[1])[l], w.reg<uint64_t>(i.op[2])[l], w.reg<uint32_t>(i.op[3])[l], w.reg<uint32_t>(i.op[4])[l]); });
}

// lop3: bit k of the table is the result where the bits of a, b, c are those of k.
void lop3(Warp &w, const Inst &i, uint32_t mask) {
  const uint32_t *a = w.reg<uint32_t>(i.op[1]), *b = w.reg<uint32_t>(i.op[2]), *c = w.reg<uint32_t>(i.op[3]);
  alignas(64) uint32_t v[32] = {};
  for (uint32_t k = 0; k < 8; k++) {
    if (!(i.imm >> k & 1)) continue;
    uint32_t na = k & 4 ? 0 : ~0u, nb = k & 2 ? 0 : ~0u, nc = k & 1 ? 0 : ~0u;
    for (int l = 0; l < 32; l++) v[l] |= (a[l] ^ na) & (b[l] ^ nb) & (c[l] ^ nc);
  }
  put(w.reg<uint32_t>(i.op[0]), v, mask);
}

template <class Op, class T> void unary1(Warp &w, const Inst &i, uint32_t m) { unary<Op, T, T>(w, i, m); }
template <class Op, class T> void binary1(Warp &w, const Inst &i, uint32_t m) { binary<Op, T, T, T>(w, i, m); }
template <class Op, class T> void ternary1(Warp &w, const Inst &i, uint32_t m) { ternary<Op, T, T, T, T>(w, i, m); }

template <class Op>
bool plain1(Decoder &d, const std::string &type) {
  d.regular(1, type_bytes(type));
  return with_int(type, [&](auto t) { d.in.exec = unary1<Op, decltype(t)>; });
}
template <class Op>
bool plain2(Decoder &d, const std::string &type) {
  d.regular(2, type_bytes(type));
  return with_int(type, [&](auto t) { d.in.exec = binary1<Op, decltype(t)>; });
}
template <class Op>
bool plain3(Decoder &d, const std::string &type) {
  d.regular(3, type_bytes(type));
  return with_int(type, [&](auto t) { d.in.exec = ternary1<Op, decltype(t)>; });
}

bool multiply(Decoder &d, const std::string &type) {
  bool mad = d.is("mad");
  uint32_t bytes = static_cast<uint32_t>(type_bytes(type));
  if (d.take("lo")) return mad ? plain3<MadLo>(d, type) : plain2<MulLo>(d, type);
  if (d.take("hi")) return mad ? plain3<MadHi>(d, type) : plain2<MulHi>(d, type);
  if (!d.take("wide") || bytes > 4) return false;
  d.need_args(mad ? 4 : 3);
  d.result(0, 2 * bytes);
  d.source(1, bytes);
  d.source(2, bytes);
  if (mad) d.source(3, 2 * bytes);
  return with_int(type, [&](auto t) {
    using T = decltype(t);
    d.in.exec = mad ? Exec(ternary<MadWide, Twice<T>, T, T, Twice<T>>) : Exec(binary<MulWide, Twice<T>, T, T>);
  });
}

template <class Op>
bool counting(Decoder &d, const std::string &type) {  // 32-bit result
  d.need_args(2);
  d.result(0, 4);
  d.source(1, type_bytes(type));
  return with_int(type, [&](auto t) { d.in.exec = unary<Op, uint32_t, decltype(t)>; });
}

template <class Op>
bool shift(Decoder &d, const std::string &type) {
  d.need_args(3);
  d.result(0, type_bytes(type));
  d.source(1, type_bytes(type));
  d.source(2, 4);
  return with_int(type, [&](auto t) { d.in.exec = binary<Op, decltype(t), decltype(t), uint32_t>; });
}

bool funnel(Decoder &d) {
  bool left = d.take("l");
  if (!left && !d.take("r")) return false;
  bool wrap = d.take("wrap");
  if (!wrap && !d.take("clamp")) return false;
  d.regular(3, 4);
  using U = uint32_t;
  d.in.exec = left ? (wrap ? ternary<ShfLeftWrap, U, U, U, U> : ternary<ShfLeftClamp, U, U, U, U>)
                   : (wrap ? ternary<ShfRightWrap, U, U, U, U> : ternary<ShfRightClamp, U, U, U, U>);
  return true;
}

bool field(Decoder &d, const std::string &type) {
  uint32_t bytes = static_cast<uint32_t>(type_bytes(type));
  bool insert = d.is("bfi");
  d.need_args(insert ? 5 : 4);
  d.result(0, bytes);
  d.source(1, bytes);
  if (insert) d.source(2, bytes);
  d.source(insert ? 3 : 2, 4);
  d.source(insert ? 4 : 3, 4);
  if (insert) {
    d.in.exec = type == "b32" ? bfi_exec32 : type == "b64" ? bfi_exec64 : nullptr;
    return d.in.exec;
  }
  if (bytes < 4) return false;
  return with_int(type, [&](auto t) {
    using T = decltype(t);
    d.in.exec = ternary<Bfe, T, T, uint32_t, uint32_t>;
  });
}

bool dot(Decoder &d, const std::string &btype) {
  std::string atype = d.take_last();
  d.regular(3, 4);
  using U = uint32_t;
  bool sa = atype == "s32", sb = btype == "s32";
  if ((!sa && atype != "u32") || (!sb && btype != "u32")) return false;
  d.in.exec = sa ? (sb ? ternary<Dp4a<int8_t, int8_t>, U, U, U, U> : ternary<Dp4a<int8_t, uint8_t>, U, U, U, U>)
                 : (sb ? ternary<Dp4a<uint8_t, int8_t>, U, U, U, U> : ternary<Dp4a<uint8_t, uint8_t>, U, U, U, U>);
  return true;
}

}  // namespace

bool decode_integer(Decoder &d) {
  if (d.is("shf")) return d.take("b32") && funnel(d);
  if (d.is("prmt")) return d.take("b32") && (d.regular(3, 4), d.in.exec = ternary<Prmt, uint32_t, uint32_t, uint32_t, uint32_t>, true);
  if (d.st.suffixes.empty()) return false;
  const std::string last = d.st.suffixes.back();
  if (last[0] == 'f' || last[0] == 'p' || last[0] == 'h' || type_bytes(last) < 2 || last == "bf16" || last == "bf16x2") return false;
  bool is_signed = last[0] == 's';
  std::string type = d.take_last();
  if (d.is("add")) return plain2<Add>(d, type);
  if (d.is("sub")) return plain2<Sub>(d, type);
  if (d.is("mul") || d.is("mad")) return multiply(d, type);
  if (d.is("min")) return plain2<Min>(d, type);
  if (d.is("max")) return plain2<Max>(d, type);
  if (d.is("div")) return plain2<Div>(d, type);
  if (d.is("rem")) return plain2<Rem>(d, type);
  if (d.is("and")) return plain2<And>(d, type);
  if (d.is("or")) return plain2<Or>(d, type);
  if (d.is("xor")) return plain2<Xor>(d, type);
  if (d.is("not")) return plain1<Not>(d, type);
  if (d.is("cnot")) return plain1<CNot>(d, type);
  if (d.is("neg")) return is_signed && plain1<Neg>(d, type);
  if (d.is("abs")) return is_signed && plain1<Abs>(d, type);
  if (d.is("sad")) return plain3<Sad>(d, type);
  if (d.is("shl")) return shift<Shl>(d, type);
  if (d.is("shr")) return shift<Shr>(d, type);
  if (d.is("bfe") || d.is("bfi")) return field(d, type);
  if (d.is("dp4a")) return dot(d, type);
  if (d.is("brev")) return type == "b32" || type == "b64" ? plain1<Brev>(d, type) : false;
  if (d.is("popc")) return type == "b32" || type == "b64" ? counting<Popc>(d, type) : false;
  if (d.is("clz")) return type == "b32" || type == "b64" ? counting<Clz>(d, type) : false;
  if (d.is("bfind")) return type_bytes(type) >= 4 && counting<Bfind>(d, type);
  if (d.is("lop3")) {
    bool ok;
    d.need_args(5);
    d.result(0, 4);
    for (size_t i = 1; i <= 3; i++) d.source(i, 4);
    d.in.imm = static_cast<int64_t>(parse_literal(d.st.args[4].name, ok));
    d.in.exec = lop3;
    return ok && type == "b32";
  }
  return false;
}

}  // namespace sim
