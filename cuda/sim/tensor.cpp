// mma.sync: d = a b + c on fragments spread over the warp. Each shape unpacks its fragments into small dense matrices and runs a
// plain loop. Lane l holds row l/4 of a (and of c, d) and column l/4 of b.
#include <cstring>

#include "decode.h"
#include "lanes.h"
#include "narrow.h"

namespace sim {
namespace {

void need_all(Warp &w, const Inst &i, uint32_t mask) {
  if (mask != kFull) w.fail(i, lowest(mask), "mma with lanes missing");
  w.block->counters->mma++;
}

// c and d of every shape: register r of lane l is row l/4 + 8 (r/2), column 2 (l%4) + r%2.
template <class T>
void load_c(Warp &w, const uint32_t *op, T c[16][8]) {
  for (int r = 0; r < 4; r++) {
    const T *s = w.reg<T>(op[r]);
    for (int l = 0; l < 32; l++) c[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2] = s[l];
  }
}
template <class T>
void store_d(Warp &w, const uint32_t *op, const T d[16][8]) {
  for (int r = 0; r < 4; r++) {
    T *s = w.reg<T>(op[r]);
    for (int l = 0; l < 32; l++) s[l] = d[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2];
  }
}

// The products are exact. Their sum is rounded once a term, in the order of k; hardware adds in its own order and cuts instead
// of rounding, so results of float mma are right to a few units in the last place of the largest term only.
template <int K>
void multiply(const float a[16][K], const float b[K][8], float c[16][8]) {
  for (int m = 0; m < 16; m++) {
    __m256 sum = _mm256_loadu_ps(c[m]);
    for (int k = 0; k < K; k++) sum = _mm256_fmadd_ps(_mm256_set1_ps(a[m][k]), _mm256_loadu_ps(b[k]), sum);
    _mm256_storeu_ps(c[m], sum);
  }
}

// op: d0-3, a0-3, b0-1, c0-3. A register holds two neighbours in k.
void mma_bf16_k16(Warp &w, const Inst &i, uint32_t mask) {
  need_all(w, i, mask);
  alignas(32) float a[16][16], b[16][8], c[16][8];
  for (int r = 0; r < 4; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[4 + r]);
    for (int l = 0; l < 32; l++) {
      float *at = &a[l / 4 + r % 2 * 8][l % 4 * 2 + r / 2 * 8];
      at[0] = as_float(s[l] << 16);
      at[1] = as_float(s[l] & 0xFFFF0000u);
    }
  }
  for (int r = 0; r < 2; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[8 + r]);
    for (int l = 0; l < 32; l++) {
      int k = l % 4 * 2 + r * 8;
      b[k][l / 4] = as_float(s[l] << 16);
      b[k + 1][l / 4] = as_float(s[l] & 0xFFFF0000u);
    }
  }
  load_c(w, i.op + 10, c);
  multiply<16>(a, b, c);
  store_d(w, i.op, c);
}

// tf32 operands are f32 registers whose low 13 bits do not count. N = K/4 registers of b, 2N of a.
template <int K>
void mma_tf32(Warp &w, const Inst &i, uint32_t mask) {
  need_all(w, i, mask);
  alignas(32) float a[16][K], b[K][8], c[16][8];
  constexpr int n = K / 4;
  for (int r = 0; r < 2 * n; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[4 + r]);
    for (int l = 0; l < 32; l++) a[l / 4 + r % 2 * 8][l % 4 + r / 2 * 4] = as_float(s[l] & 0xFFFFE000u);
  }
  for (int r = 0; r < n; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[4 + 2 * n + r]);
    for (int l = 0; l < 32; l++) b[l % 4 + r * 4][l / 4] = as_float(s[l] & 0xFFFFE000u);
  }
  load_c(w, i.op + 4 + 3 * n, c);
  multiply<K>(a, b, c);
  store_d(w, i.op, c);
}

// Integer: a register holds four neighbours in k. Sums wrap as 32-bit integers.
template <class A, class B, int K>
void mma_int8(Warp &w, const Inst &i, uint32_t mask) {
  need_all(w, i, mask);
  int32_t a[16][K], b[K][8];
  uint32_t c[16][8];
  constexpr int n = K / 16;
  for (int r = 0; r < 2 * n; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[4 + r]);
    for (int l = 0; l < 32; l++)
      for (int q = 0; q < 4; q++) a[l / 4 + r % 2 * 8][l % 4 * 4 + r / 2 * 16 + q] = A(s[l] >> 8 * q);
  }
  for (int r = 0; r < n; r++) {
    const uint32_t *s = w.reg<uint32_t>(i.op[4 + 2 * n + r]);
    for (int l = 0; l < 32; l++)
      for (int q = 0; q < 4; q++) b[l % 4 * 4 + r * 16 + q][l / 4] = B(s[l] >> 8 * q);
  }
  load_c(w, i.op + 4 + 3 * n, c);
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < K; k++)
      for (int q = 0; q < 8; q++) c[m][q] += uint32_t(a[m][k] * b[k][q]);
  store_d(w, i.op, c);
}

template <class A, class B>
Exec int8_exec(int k) { return k == 32 ? mma_int8<A, B, 32> : mma_int8<A, B, 16>; }

bool operands(Decoder &d, size_t a, size_t b) {
  d.need_args(4);
  const size_t counts[4] = {4, a, b, 4};
  for (size_t k = 0; k < 4; k++) {
    const Operand &o = d.st.args[k];
    if ((o.vector ? o.items.size() : 1) != counts[k]) return false;
    if (k == 0) d.results(k, 4);
    else d.sources(k, 4);
  }
  d.whole_warp();
  return true;
}

}  // namespace

bool decode_tensor(Decoder &d) {
  if (!d.is("mma") || !d.take("sync") || !d.take("aligned")) return false;
  std::string shape = d.take_first();
  if (!d.take("row") || !d.take("col")) return false;
  std::string dt = d.take_first(), at = d.take_first(), bt = d.take_first(), ct = d.take_first();
  if (dt != ct) return false;
  if (shape == "m16n8k16" && dt == "f32" && at == "bf16" && bt == "bf16") return d.in.exec = mma_bf16_k16, operands(d, 4, 2);
  if (shape == "m16n8k8" && dt == "f32" && at == "tf32" && bt == "tf32") return d.in.exec = mma_tf32<8>, operands(d, 4, 2);
  if (shape == "m16n8k4" && dt == "f32" && at == "tf32" && bt == "tf32") return d.in.exec = mma_tf32<4>, operands(d, 2, 1);
  int k = shape == "m16n8k32" ? 32 : shape == "m16n8k16" ? 16 : 0;
  bool as = at == "s8", bs = bt == "s8";
  if (!k || dt != "s32" || (!as && at != "u8") || (!bs && bt != "u8")) return false;
  d.in.exec = as ? (bs ? int8_exec<int8_t, int8_t>(k) : int8_exec<int8_t, uint8_t>(k)) : (bs ? int8_exec<uint8_t, int8_t>(k) : int8_exec<uint8_t, uint8_t>(k));
  return k == 32 ? operands(d, 4, 2) : operands(d, 2, 1);
}

}  // namespace sim
