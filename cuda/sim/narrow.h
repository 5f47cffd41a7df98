// The 16-bit and tf32 floats, bit by bit.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace sim {

inline float as_float(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline uint32_t as_bits(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return u;
}

inline float from_bf16(uint16_t h) { return as_float(uint32_t(h) << 16); }
// Round to nearest even; a NaN becomes 0x7FFF.
inline uint16_t to_bf16(float f) {
  uint32_t u = as_bits(f);
  uint32_t rounded = (u + 0x7FFF + (u >> 16 & 1)) >> 16;
  return uint16_t((u & 0x7FFFFFFF) > 0x7F800000 ? 0x7FFF : rounded);
}
inline float from_f16(uint16_t h) { return _cvtsh_ss(h); }
inline uint16_t to_f16(float f) { return f != f ? 0x7FFF : uint16_t(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT)); }
// cvt.rna.tf32: 10 fraction bits, ties away from zero.
inline uint32_t to_tf32(float f) {
  uint32_t u = as_bits(f);
  if ((u & 0x7F800000) == 0x7F800000) return (u & 0x7FFFFF) ? 0x7FFFFFFF : u;
  return (u + 0x1000) & 0xFFFFE000;
}

}  // namespace sim
