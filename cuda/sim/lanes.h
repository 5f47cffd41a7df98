// Loops over the 32 lanes of a warp that the compiler turns into vector code.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "warp.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile the simulator with -march=x86-64-v3: fma must be one rounding, as on the GPU"
#endif

namespace sim {

// put writes v to the lanes of mask.
template <class T>
inline void put(T *d, const T *v, uint32_t mask) {
  if (mask == kFull) {
    std::memcpy(d, v, 32 * sizeof(T));
    return;
  }
  for (uint32_t l = 0; l < 32; l++) d[l] = mask >> l & 1 ? v[l] : d[l];
}

// All lanes are computed, also those that are off: their registers hold something, and operations on registers cannot fail.
// A result may be the same register as a source, never overlap one in part.
template <class Op, class D, class A>
void unary(Warp &w, const Inst &i, uint32_t mask) {
  const A *a = w.reg<A>(i.op[1]);
  alignas(64) D v[32];
  for (uint32_t l = 0; l < 32; l++) v[l] = Op::f(a[l]);
  put(w.reg<D>(i.op[0]), v, mask);
}

template <class Op, class D, class A, class B>
void binary(Warp &w, const Inst &i, uint32_t mask) {
  const A *a = w.reg<A>(i.op[1]);
  const B *b = w.reg<B>(i.op[2]);
  alignas(64) D v[32];
  for (uint32_t l = 0; l < 32; l++) v[l] = Op::f(a[l], b[l]);
  put(w.reg<D>(i.op[0]), v, mask);
}

template <class Op, class D, class A, class B, class C>
void ternary(Warp &w, const Inst &i, uint32_t mask) {
  const A *a = w.reg<A>(i.op[1]);
  const B *b = w.reg<B>(i.op[2]);
  const C *c = w.reg<C>(i.op[3]);
  alignas(64) D v[32];
  for (uint32_t l = 0; l < 32; l++) v[l] = Op::f(a[l], b[l], c[l]);
  put(w.reg<D>(i.op[0]), v, mask);
}

inline void put_predicate(Warp &w, uint32_t offset, uint32_t bits, uint32_t mask) {
  uint32_t &p = *w.reg<uint32_t>(offset);
  p = (p & ~mask) | (bits & mask);
}

// bits packs 32 words, each all ones or all zeros, into a mask.
inline uint32_t bits(const int32_t *v) {
  uint32_t m = 0;
  for (int q = 0; q < 4; q++)
    m |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_loadu_ps(reinterpret_cast<const float *>(v + 8 * q)))) << 8 * q;
  return m;
}

// Calls f with a value of the C type that a PTX type name means; false when it is not of the family.
template <class F>
bool with_int(const std::string &t, F f) {
  if (t == "u32" || t == "b32") f(uint32_t());
  else if (t == "s32") f(int32_t());
  else if (t == "u64" || t == "b64") f(uint64_t());
  else if (t == "s64") f(int64_t());
  else if (t == "u16" || t == "b16") f(uint16_t());
  else if (t == "s16") f(int16_t());
  else return false;
  return true;
}

template <class F>
bool with_float(const std::string &t, F f) {
  if (t == "f32") f(float());
  else if (t == "f64") f(double());
  else return false;
  return true;
}

// The unsigned type in which arithmetic wraps without promotion to int.
template <class T>
using Wrap = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

}  // namespace sim
