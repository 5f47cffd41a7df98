// Every instruction of testdata/arithmetic.h against its meaning in C++, on edge values and random ones; shuffles, votes and
// atomics against their definitions; and the clock.
#include <chrono>
#include <algorithm>
#include <cmath>
#include <random>

#include "sim_test.h"

namespace simtest {
namespace {

using H = uint16_t;
using R = uint32_t;
using L = uint64_t;
using F = float;
using D = double;

// Meanings that take more than an expression.
uint32_t bit_field(uint32_t a, uint32_t position, uint32_t length, bool sign) {
  uint32_t d = 0, fill = sign && length ? a >> (position + length - 1 < 31 ? position + length - 1 : 31) & 1 : 0;
  for (uint32_t i = 0; i < 32; i++) d |= (i < length && position + i < 32 ? a >> (position + i) & 1 : fill) << i;
  return d;
}
uint32_t bit_insert(uint32_t a, uint32_t b, uint32_t position, uint32_t length) {
  for (uint32_t i = 0; i < length && position + i < 32; i++) b = (b & ~(1u << (position + i))) | (a >> i & 1) << (position + i);
  return b;
}
uint32_t reversed(uint32_t a) {
  uint32_t d = 0;
  for (int i = 0; i < 32; i++) d = d << 1 | (a >> i & 1);
  return d;
}
uint32_t ones(uint64_t a) {
  uint32_t n = 0;
  for (; a; a >>= 1) n += a & 1;
  return n;
}
uint32_t leading_zeros(uint64_t a, uint32_t width) {
  uint32_t n = width;
  for (; a; a >>= 1) n--;
  return n;
}
uint32_t permuted(uint32_t a, uint32_t b, uint32_t selector) {
  uint8_t source[8], d[4];
  std::memcpy(source, &a, 4);
  std::memcpy(source + 4, &b, 4);
  for (int i = 0; i < 4; i++) {
    int s = selector >> 4 * i & 15;
    d[i] = s < 8 ? source[s] : static_cast<uint8_t>(-(source[s - 8] >> 7));
  }
  uint32_t out;
  std::memcpy(&out, d, 4);
  return out;
}
int32_t dot4(uint32_t a, uint32_t b, bool sign_a, bool sign_b) {
  int32_t sum = 0;
  for (int i = 0; i < 4; i++) {
    int x = a >> 8 * i & 255, y = b >> 8 * i & 255;
    sum += (sign_a && x > 127 ? x - 256 : x) * (sign_b && y > 127 ? y - 256 : y);
  }
  return sum;
}
template <class T>
T smaller(T a, T b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b; }
int64_t to_integer(double x, double low, double high) { return x != x ? 0 : static_cast<int64_t>(x < low ? low : x > high ? high : x); }
// narrow keeps `kept` significant bits of a float by exact arithmetic in double, ties to even, and takes the upper half.
uint16_t narrow(float a, int kept, uint16_t nan) {
  if (a != a) return nan;
  uint32_t u;
  if (a - a == 0 && a != 0) {
    int e;
    std::frexp(a, &e);
    double unit = std::ldexp(1.0, std::max(e, -125) - kept);
    double rounded = std::nearbyint(a / unit) * unit;
    a = std::fabs(rounded) > 3.4028234663852886e38 ? std::copysign(INFINITY, a) : static_cast<float>(rounded);
  }
  std::memcpy(&u, &a, 4);
  return static_cast<uint16_t>(u >> 16);
}
uint16_t half(float a) {
  if (a != a) return 0x7FFF;
  uint16_t sign = std::signbit(a) ? 0x8000 : 0;
  double x = std::fabs(static_cast<double>(a));
  int e = 0;
  if (x != 0 && x < INFINITY) std::frexp(x, &e);
  double unit = std::ldexp(1.0, std::max(e, -13) - 11), n = std::nearbyint(x / unit) * unit;
  if (n >= 65520) return sign | 0x7C00;
  if (n < std::ldexp(1.0, -14)) return static_cast<uint16_t>(sign | static_cast<int>(n / std::ldexp(1.0, -24)));
  std::frexp(n, &e);
  return static_cast<uint16_t>(sign | (e + 14) << 10 | (static_cast<int>(n / std::ldexp(1.0, e - 11)) & 1023));
}
float from_half(uint16_t h) {
  int e = h >> 10 & 31, f = h & 1023;
  float x = e == 31 ? (f ? NAN : INFINITY) : static_cast<float>(std::ldexp(e ? f + 1024 : f, (e ? e : 1) - 25));
  return h & 0x8000 ? -x : x;
}
uint32_t nearest_tf32(float a) {
  uint32_t u, low;
  std::memcpy(&u, &a, 4);
  if (a != a) return 0x7FFFFFFF;
  if (a - a != 0) return u;
  low = u & 0x1FFF;
  return low >= 0x1000 ? u - low + 0x2000 : u - low;
}

// values: edges of the type and random ones, of small and large magnitude, n in all.
template <class T>
std::vector<T> values(size_t n, uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<T> v(n);
  for (size_t i = 0; i < n; i++) {
    uint64_t bits = random();
    T x;
    std::memcpy(&x, &bits, sizeof x);
    if constexpr (std::is_floating_point_v<T>) {
      const T edges[] = {T(0), T(-0.0), T(1), T(-1), T(0.5), T(1.5), T(2.5), T(-0.5), T(-2.5), T(INFINITY), T(-INFINITY), T(NAN), T(1e-40), T(-1e-40), T(2147483647.0), T(-2147483648.0), T(4294967296.0), T(65504), T(65520), T(3e38), T(127.5), T(-128.5), T(255.5)};
      if (random() % 4 == 0) x = edges[random() % (sizeof edges / sizeof edges[0])];
      else if (random() % 2) x = T(static_cast<int64_t>(bits % 2000000) - 1000000) / 512;
    } else {
      const T edges[] = {T(0), T(1), T(-1), T(2), T(31), T(32), T(33), T(63), T(64), T(127), T(128), T(255), T(1ull << (8 * sizeof(T) - 1)), T((1ull << (8 * sizeof(T) - 1)) - 1)};
      if (random() % 3 == 0) x = edges[random() % (sizeof edges / sizeof edges[0])];
      else if (random() % 3 == 0) x = T(bits % 100);
    }
    v[i] = x;
  }
  return v;
}

template <class T>
bool same(T x, T y) { return std::memcmp(&x, &y, sizeof x) == 0 || (x != x && y != y); }

constexpr size_t kValues = 3001;

template <class TD, class TA, class TB, class TC, class Meaning>
void test_op(Report &r, const sim::Module &m, const char *name, Meaning meaning) {
  std::vector<TA> a = values<TA>(kValues, 1);
  std::vector<TB> b = values<TB>(kValues, 2);
  std::vector<TC> c = values<TC>(kValues, 3);
  sim::Memory memory(1 << 22);
  uint64_t d = memory.alloc(kValues * sizeof(TD));
  sim::LaunchConfig config;
  config.grid[0] = 47;  // 64 threads each, the last block ragged
  config.block[0] = 64;
  config.params = Args().add(d).add(upload(memory, a)).add(upload(memory, b)).add(upload(memory, c)).add(static_cast<int>(kValues)).bytes;
  sim::Counters counters;
  std::string wrong;
  const sim::Kernel *k = m.find(std::string("op_") + name);
  if (!k) return r.check(name, false, "no such kernel");
  sim::run(*k, config, memory, counters);
  std::vector<TD> got = download<TD>(memory, d, kValues);
  int bad = 0;
  for (size_t i = 0; i < kValues; i++) {
    TD want = static_cast<TD>(meaning(a[i], b[i], c[i]));
    if (!same(got[i], want) && bad++ == 0) wrong = "(" + std::to_string(a[i]) + ", " + std::to_string(b[i]) + ", " + std::to_string(c[i]) + ") gives " + std::to_string(got[i]) + ", not " + std::to_string(want);
  }
  r.check(name, bad == 0, bad ? wrong + ", " + std::to_string(bad) + " wrong" : "");
}

void test_exchange(Report &r, const sim::Module &m) {
  sim::Memory memory(1 << 20);
  uint64_t p = memory.alloc(12 * 128);
  sim::LaunchConfig c;
  c.block[0] = 32;
  c.params = Args().add(p).bytes;
  sim::Counters counters;
  sim::run(*m.find("shuffles"), c, memory, counters);
  std::vector<int> d = download<int>(memory, p, 12 * 32);
  bool ok[12];
  std::fill(ok, ok + 12, true);
  for (int l = 0; l < 32; l++) {
    const int want[12] = {100 + (l < 3 ? l : l - 3), 100 + (l + 5 > 31 ? l : l + 5), 100 + (l ^ 9), 107, 100 + (l % 8 ? l - 1 : l), 100 + (l % 16 + 2 > 15 ? l : l + 2),
                          // a partner in a higher segment is out of reach, one in a lower segment is not
                          100 + ((l ^ 12) / 8 > l / 8 ? l : l ^ 12), 100 + l / 4 * 4 + l * 3 % 4, 0x49249249, 1, 496, l < 16 ? 15 : 31};
    for (int k = 0; k < 12; k++) ok[k] &= d[static_cast<size_t>(32 * k + l)] == want[k];
  }
  const char *names[12] = {"shfl up", "shfl down", "shfl bfly", "shfl idx", "shfl up width 8", "shfl down width 16", "shfl bfly width 8", "shfl idx width 4", "ballot", "any, all", "redux add", "redux max of halves"};
  for (int k = 0; k < 12; k++) r.check(names[k], ok[k], "");

  uint64_t q = memory.alloc(32);
  c.block[0] = 96;
  c.params = Args().add(q).bytes;
  sim::run(*m.find("atomics"), c, memory, counters);
  std::vector<int> a = download<int>(memory, q, 8);
  r.check("atomics", a == std::vector<int>({4560, 3, 190, -1, 4560, 3, 190, -1}), "");
}

void clock(Report &r, const sim::Module &m, const char *kernel) {
  const int n = 1 << 16;
  std::vector<float> a(n, 1.25f), b(n, -3.5f);
  sim::Memory memory(1 << 22);
  uint64_t d = memory.alloc(4 * n), p = upload(memory, a), q = upload(memory, b);
  sim::LaunchConfig c;
  c.grid[0] = n / 256;
  c.block[0] = 256;
  c.params = Args().add(d).add(p).add(q).add(q).add(n).bytes;
  double best = 1e9;
  for (int k = 0; k < 5; k++) {
    sim::Counters counters;
    auto begin = std::chrono::steady_clock::now();
    sim::run(*m.find(kernel), c, memory, counters);
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / static_cast<double>(counters.thread_instructions));
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.3f ns a thread-instruction (best of 5)", best);
  r.check(kernel, best < 100, text);  // the number is for reading; only a broken build is this slow
}

}  // namespace

void test_arithmetic(Report &r, const sim::Module &m) {
#define OP(name, TD, TA, TB, TC, text, meaning) test_op<TD, TA, TB, TC>(r, m, #name, [](TA a, TB b, TC c) { (void)a, (void)b, (void)c; return meaning; });
#include "testdata/arithmetic.h"
#undef OP
  test_exchange(r, m);
  clock(r, m, "clock_float");
  clock(r, m, "clock_shared");
}

}  // namespace simtest
