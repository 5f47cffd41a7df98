// mma and ldmatrix against matrices. The fragment layouts are written out as the PTX manual states them: where an element lies,
// given its row and column; the simulator goes the other way, from lane and register to the element.
#include <cmath>
#include <random>

#include "sim_test.h"

namespace simtest {
namespace {

using Matrix = std::vector<std::vector<double>>;

// Element (row, col) of a 16 x k matrix with `per` elements a register: quads of lanes hold a row, a register holds `per`
// neighbours, registers go rows 0-7, rows 8-15, then the next 4*per columns.
struct Place {
  int lane, reg, part;
};
Place place_a(int row, int col, int per) { return {row % 8 * 4 + col / per % 4, row / 8 + col / (4 * per) * 2, col % per}; }
Place place_b(int k, int col, int per) { return {col * 4 + k / per % 4, k / (4 * per), k % per}; }
Place place_c(int row, int col) { return {row % 8 * 4 + col / 2, row / 8 * 2 + col % 2, 0}; }

struct Shape {
  const char *kernel;
  int k, per;          // depth, elements a register
  char a, b;           // 'h' bf16, 't' tf32, 's' s8, 'u' u8
};

uint32_t encode(double v, char type) {
  float f = static_cast<float>(v);
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if (type == 'h') return u >> 16;
  if (type == 't') return u | 0x1ABC;  // bits that must not count
  return static_cast<uint32_t>(static_cast<int>(v)) & 255;
}

// Values that the type holds exactly.
Matrix random_matrix(int rows, int cols, char type, std::mt19937 &r) {
  Matrix m(static_cast<size_t>(rows), std::vector<double>(static_cast<size_t>(cols)));
  for (auto &row : m)
    for (double &v : row) {
      int n = static_cast<int>(r() % 256);
      v = type == 'u' ? n : type == 's' ? n - 128 : (n - 128) / 16.0;
    }
  return m;
}

std::vector<uint32_t> fragments(const Matrix &m, const Shape &s, bool is_a) {
  std::vector<uint32_t> v(4 * 32);
  for (size_t r = 0; r < m.size(); r++)
    for (size_t c = 0; c < m[r].size(); c++) {
      int i = static_cast<int>(r), j = static_cast<int>(c);
      Place p = is_a ? place_a(i, j, s.per) : place_b(i, j, s.per);
      v[static_cast<size_t>(32 * p.reg + p.lane)] |= encode(m[r][c], is_a ? s.a : s.b) << 32 / s.per * p.part;
    }
  return v;
}

template <class T>
void test_mma(Report &r, const sim::Module &m, const Shape &s) {
  std::mt19937 random(static_cast<uint32_t>(s.k));
  Matrix a = random_matrix(16, s.k, s.a, random), b = random_matrix(s.k, 8, s.b, random), c = random_matrix(16, 8, 's', random);
  std::vector<T> cf(4 * 32);
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) {
      Place p = place_c(i, j);
      cf[static_cast<size_t>(32 * p.reg + p.lane)] = static_cast<T>(c[static_cast<size_t>(i)][static_cast<size_t>(j)]);
    }
  sim::Memory memory(1 << 20);
  uint64_t d = memory.alloc(4 * 128);
  sim::LaunchConfig config;
  config.block[0] = 32;
  config.params = Args().add(d).add(upload(memory, fragments(a, s, true))).add(upload(memory, fragments(b, s, false))).add(upload(memory, cf)).bytes;
  sim::Counters counters;
  sim::run(*m.find(s.kernel), config, memory, counters);
  std::vector<T> got = download<T>(memory, d, 128);
  double worst = 0;
  for (size_t i = 0; i < 16; i++)
    for (size_t j = 0; j < 8; j++) {
      double want = c[i][j];
      for (size_t k = 0; k < static_cast<size_t>(s.k); k++) want += a[i][k] * b[k][j];
      Place p = place_c(static_cast<int>(i), static_cast<int>(j));
      worst = std::max(worst, std::fabs(want - static_cast<double>(got[static_cast<size_t>(32 * p.reg + p.lane)])));
    }
  r.check(s.kernel, worst == 0 && counters.mma == 1, "max error " + std::to_string(worst));  // sums of such small numbers are exact
}

void test_matrices(Report &r, const sim::Module &m, int pitch, uint64_t waves_a_matrix) {
  sim::Memory memory(1 << 20);
  std::vector<uint16_t> src(32 * 8);
  for (size_t i = 0; i < src.size(); i++) src[i] = static_cast<uint16_t>(i * 259 + 7);
  uint64_t d = memory.alloc(11 * 128);
  sim::LaunchConfig config;
  config.block[0] = 32;
  config.dynamic_shared = static_cast<unsigned>(32 * pitch);
  config.params = Args().add(d).add(upload(memory, src)).add(pitch).bytes;
  sim::Counters counters;
  sim::run(*m.find("matrices"), config, memory, counters);
  std::vector<uint16_t> got = download<uint16_t>(memory, d, 11 * 64);
  bool ok = true;
  for (size_t reg = 0; reg < 11; reg++)
    for (size_t row = 0; row < 8; row++)
      for (size_t col = 0; col < 8; col++) {
        bool trans = reg >= 4 && reg < 8;
        size_t matrix = reg < 8 ? reg % 4 : reg - 8 - (reg == 10) * 2;
        uint16_t want = src[(matrix * 8 + (trans ? col : row)) * 8 + (trans ? row : col)];
        ok &= got[reg * 64 + (row * 4 + col / 2) * 2 + col % 2] == want;
      }
  // eleven matrices, and a store in four quarters
  bool waves = counters.shared_ideal_waves == 11 + 4 && counters.shared_waves == waves_a_matrix * 15;
  r.check("ldmatrix, pitch " + std::to_string(pitch), ok && waves, std::to_string(counters.shared_waves) + " waves of " + std::to_string(counters.shared_ideal_waves));
}

}  // namespace

void test_tensor(Report &r, const sim::Module &m) {
  test_mma<float>(r, m, {"mma_bf16_k16", 16, 2, 'h', 'h'});
  test_mma<float>(r, m, {"mma_tf32_k8", 8, 1, 't', 't'});
  test_mma<float>(r, m, {"mma_tf32_k4", 4, 1, 't', 't'});
  test_mma<int>(r, m, {"mma_s8s8_k32", 32, 4, 's', 's'});
  test_mma<int>(r, m, {"mma_u8s8_k32", 32, 4, 'u', 's'});
  test_mma<int>(r, m, {"mma_s8u8_k32", 32, 4, 's', 'u'});
  test_mma<int>(r, m, {"mma_u8u8_k32", 32, 4, 'u', 'u'});
  test_mma<int>(r, m, {"mma_s8s8_k16", 16, 4, 's', 's'});
  test_mma<int>(r, m, {"mma_u8s8_k16", 16, 4, 'u', 's'});
  test_matrices(r, m, 16, 1);
  test_matrices(r, m, 128, 8);  // all rows on the same four banks
  test_matrices(r, m, 144, 1);
}

}  // namespace simtest
