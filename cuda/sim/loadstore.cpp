// ld and st.
#include <cstring>

#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

// M: type in memory, R: register type, N: elements a lane.
template <class M, class R, int N>
void ld(Warp &w, const Inst &i, uint32_t mask) {
  uint64_t a[32];
  uint8_t *p[32];
  addresses(w, i.op[N], i.wide, i.imm, a);
  bool row = locate(w, i, mask, i.space, a, sizeof(M) * N, Use::load, p);
  if (row && N == 1 && sizeof(M) == sizeof(R)) {
    std::memcpy(w.reg<R>(i.op[0]), p[0], 32 * sizeof(R));
    return;
  }
  R *d[N];
  for (int k = 0; k < N; k++) d[k] = w.reg<R>(i.op[k]);
  each(mask, [&](uint32_t l) {
    M v[N];
    std::memcpy(v, p[l], sizeof v);
    for (int k = 0; k < N; k++) d[k][l] = R(v[k]);
  });
}

template <class M, class R, int N>
void st(Warp &w, const Inst &i, uint32_t mask) {
  uint64_t a[32];
  uint8_t *p[32];
  addresses(w, i.op[0], i.wide, i.imm, a);
  bool row = locate(w, i, mask, i.space, a, sizeof(M) * N, Use::store, p);
  if (row && N == 1 && sizeof(M) == sizeof(R)) {
    std::memcpy(p[0], w.reg<R>(i.op[1]), 32 * sizeof(R));
    return;
  }
  const R *s[N];
  for (int k = 0; k < N; k++) s[k] = w.reg<R>(i.op[1 + k]);
  each(mask, [&](uint32_t l) {
    M v[N];
    for (int k = 0; k < N; k++) v[k] = M(s[k][l]);
    std::memcpy(p[l], v, sizeof v);
  });
}

// A parameter named directly is the same for all lanes.
template <class M, class R, int N>
void ld_param(Warp &w, const Inst &i, uint32_t mask) {
  M m[N];
  std::memcpy(m, w.block->config->params.data() + i.imm, sizeof m);
  alignas(64) R v[32];
  for (int k = 0; k < N; k++) {
    for (int l = 0; l < 32; l++) v[l] = R(m[k]);
    put(w.reg<R>(i.op[k]), v, mask);
  }
}

enum class Kind { load, store, param };

template <class M, class R>
Exec exec_of(Kind kind, size_t n) {
  if (kind == Kind::load) return n == 1 ? ld<M, R, 1> : n == 2 ? ld<M, R, 2> : n == 4 ? ld<M, R, 4> : nullptr;
  if (kind == Kind::store) return n == 1 ? st<M, R, 1> : n == 2 ? st<M, R, 2> : n == 4 ? st<M, R, 4> : nullptr;
  return n == 1 ? ld_param<M, R, 1> : n == 2 ? ld_param<M, R, 2> : n == 4 ? ld_param<M, R, 4> : nullptr;
}

template <class M>
Exec exec_of(Kind kind, size_t n, uint32_t register_bytes) {
  if constexpr (sizeof(M) <= 2)
    if (register_bytes == 2) return exec_of<M, uint16_t>(kind, n);
  if constexpr (sizeof(M) <= 4)
    if (register_bytes == 4) return exec_of<M, uint32_t>(kind, n);
  return register_bytes == 8 ? exec_of<M, uint64_t>(kind, n) : nullptr;
}

// Signed types matter to loads only: they extend into a wider register.
Exec pick(Kind kind, const std::string &type, size_t n, uint32_t register_bytes) {
  bool sign = type[0] == 's';
  switch (type_bytes(type)) {
    case 1: return sign ? exec_of<int8_t>(kind, n, register_bytes) : exec_of<uint8_t>(kind, n, register_bytes);
    case 2: return sign ? exec_of<int16_t>(kind, n, register_bytes) : exec_of<uint16_t>(kind, n, register_bytes);
    case 4: return sign ? exec_of<int32_t>(kind, n, register_bytes) : exec_of<uint32_t>(kind, n, register_bytes);
    case 8: return exec_of<uint64_t>(kind, n, register_bytes);
  }
  return nullptr;
}

// Hints to the caches and the weak or relaxed memory order change no result here: blocks run one after the other.
void take_hints(Decoder &d) {
  for (const char *s : {"volatile", "relaxed", "weak", "acquire", "release", "cta", "gpu", "sys", "nc", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "L1::no_allocate", "L1::evict_last", "L1::evict_first", "L1::evict_normal", "L2::64B", "L2::128B", "L2::256B"})
    d.take(s);
}

}  // namespace

bool decode_loadstore(Decoder &d) {
  bool load = d.is("ld") || d.is("ldu");
  if (!load && !d.is("st")) return false;
  if (d.take("local")) d.fail("local memory (a spill, or an array indexed at run time) is not supported");
  std::string type = d.take_last();
  uint32_t bytes = static_cast<uint32_t>(type_bytes(type));
  size_t n = d.take("v4") ? 4 : d.take("v2") ? 2 : 1;
  take_hints(d);
  bool param = d.take("param");
  d.in.space = d.take("global") ? Space::global : d.take("shared") || d.take("shared::cta") ? Space::shared : d.take("const") || param ? Space::readonly : Space::generic;
  d.need_args(2);
  const Operand &value = d.st.args[load ? 0 : 1];
  if ((value.vector ? value.items.size() : 1) != n || bytes == 0) return false;
  if (!load) {
    if (d.in.space == Space::readonly) return false;
    d.address(0);
    d.sources(1, bytes, true);
    d.in.exec = pick(Kind::store, type, n, d.register_bytes);
    return d.in.exec;
  }
  d.results(0, bytes, true);
  uint32_t register_bytes = d.register_bytes;
  uint64_t base;
  if (param && d.names.symbol(d.st.args[1].name, base)) {
    d.in.imm = static_cast<int64_t>(base - kParamWindow) + d.st.args[1].offset;
    d.in.exec = pick(Kind::param, type, n, register_bytes);
    if (d.in.imm < 0 || static_cast<uint64_t>(d.in.imm) + n * bytes > d.names.param_bytes) d.fail("parameter read out of bounds");
    return d.in.exec;
  }
  d.address(1);
  d.in.exec = pick(Kind::load, type, n, register_bytes);
  return d.in.exec;
}

}  // namespace sim
