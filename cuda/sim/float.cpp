// f32 and f64 arithmetic, always IEEE round-to-nearest-even with subnormals. Approximate instructions, .ftz, .sat and the
// directed roundings are not known here, so a kernel that holds them does not load.
#include <cmath>
#include <cstring>
#include <limits>

#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

struct Add { template <class T> static T f(T a, T b) { return a + b; } };
struct Sub { template <class T> static T f(T a, T b) { return a - b; } };
struct Mul { template <class T> static T f(T a, T b) { return a * b; } };
struct Div { template <class T> static T f(T a, T b) { return a / b; } };
struct Fma {
  static float f(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static double f(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Rcp { template <class T> static T f(T a) { return T(1) / a; } };
struct Sqrt {
  static float f(float a) { return __builtin_sqrtf(a); }
  static double f(double a) { return __builtin_sqrt(a); }
};
struct Neg { template <class T> static T f(T a) { return -a; } };
struct Abs {
  static float f(float a) { return __builtin_fabsf(a); }
  static double f(double a) { return __builtin_fabs(a); }
};
// A NaN loses against a number; -0 is less than +0.
struct Min { template <class T> static T f(T a, T b) { T m = a < b || (a == b && std::signbit(a)) ? a : b; return b != b ? a : m; } };
struct Max { template <class T> static T f(T a, T b) { T m = a > b || (a == b && !std::signbit(a)) ? a : b; return b != b ? a : m; } };
template <class Op>
struct WithNaN { template <class T> static T f(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : Op::f(a, b); } };
// copysign takes the sign of its FIRST operand
struct CopySign {
  static float f(float a, float b) { return __builtin_copysignf(b, a); }
  static double f(double a, double b) { return __builtin_copysign(b, a); }
};

struct Finite { template <class T> static bool f(T a) { return std::isfinite(a); } };
struct Infinite { template <class T> static bool f(T a) { return std::isinf(a); } };
struct Number { template <class T> static bool f(T a) { return a == a; } };
struct NotANumber { template <class T> static bool f(T a) { return a != a; } };
struct Normal { template <class T> static bool f(T a) { return std::isnormal(a); } };
struct Subnormal { template <class T> static bool f(T a) { return std::fpclassify(a) == FP_SUBNORMAL; } };

template <class Op, class T>
void testp(Warp &w, const Inst &i, uint32_t mask) {
  const T *a = w.reg<T>(i.op[1]);
  uint32_t bits = 0;
  for (int l = 0; l < 32; l++) bits |= uint32_t(Op::f(a[l])) << l;
  put_predicate(w, i.op[0], bits, mask);
}

template <class T>
Exec testp_of(const std::string &what) {
  if (what == "finite") return testp<Finite, T>;
  if (what == "infinite") return testp<Infinite, T>;
  if (what == "number") return testp<Number, T>;
  if (what == "notanumber") return testp<NotANumber, T>;
  if (what == "normal") return testp<Normal, T>;
  if (what == "subnormal") return testp<Subnormal, T>;
  return nullptr;
}

template <class Op>
bool one(Decoder &d, const std::string &type) {
  d.regular(1, type_bytes(type));
  return with_float(type, [&](auto t) { d.in.exec = unary<Op, decltype(t), decltype(t)>; });
}
template <class Op>
bool two(Decoder &d, const std::string &type) {
  d.regular(2, type_bytes(type));
  return with_float(type, [&](auto t) { using T = decltype(t); d.in.exec = binary<Op, T, T, T>; });
}
template <class Op>
bool three(Decoder &d, const std::string &type) {
  d.regular(3, type_bytes(type));
  return with_float(type, [&](auto t) { using T = decltype(t); d.in.exec = ternary<Op, T, T, T, T>; });
}

// add, sub and mul without .rn may be fused by ptxas: two results would be right, so none can be promised.
void need_rounding(Decoder &d) {
  if (!d.take("rn")) d.fail("no .rn: ptxas may contract it to fma (compile with -fmad=false), or it is approximate");
}

}  // namespace

bool decode_float(Decoder &d) {
  if (d.st.suffixes.empty()) return false;
  std::string type = d.st.suffixes.back();
  if (type != "f32" && type != "f64") return false;
  if (d.is("cvt") || d.is("mov") || d.is("ld") || d.is("st") || d.is("mma") || d.is("atom") || d.is("red")) return false;
  d.take_last();
  bool arithmetic = d.is("add") || d.is("sub") || d.is("mul") || d.is("fma") || d.is("div") || d.is("rcp") || d.is("sqrt");
  if (arithmetic) need_rounding(d);
  if (d.is("add")) return two<Add>(d, type);
  if (d.is("sub")) return two<Sub>(d, type);
  if (d.is("mul")) return two<Mul>(d, type);
  if (d.is("div")) return two<Div>(d, type);
  if (d.is("fma")) return three<Fma>(d, type);
  if (d.is("rcp")) return one<Rcp>(d, type);
  if (d.is("sqrt")) return one<Sqrt>(d, type);
  if (d.is("neg")) return one<Neg>(d, type);
  if (d.is("abs")) return one<Abs>(d, type);
  if (d.is("min")) return d.take("NaN") ? two<WithNaN<Min>>(d, type) : two<Min>(d, type);
  if (d.is("max")) return d.take("NaN") ? two<WithNaN<Max>>(d, type) : two<Max>(d, type);
  if (d.is("copysign")) return two<CopySign>(d, type);
  if (d.is("testp")) {
    std::string what = d.take_first();
    d.need_args(2);
    d.result(0, kPredicate);
    d.source(1, type_bytes(type));
    with_float(type, [&](auto t) { d.in.exec = testp_of<decltype(t)>(what); });
    return d.in.exec;
  }
  return false;
}

}  // namespace sim
