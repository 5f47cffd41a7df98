// atom and red on integers. Lanes act one after the other, lowest first. Float atomics are not supported: their sum depends on
// the order, and no result of this project may.
#include <cstring>

#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

struct Add { template <class T> static T f(T old, T v) { return T(Wrap<T>(old) + Wrap<T>(v)); } };
struct Min { template <class T> static T f(T old, T v) { return v < old ? v : old; } };
struct Max { template <class T> static T f(T old, T v) { return v > old ? v : old; } };
struct And { template <class T> static T f(T old, T v) { return old & v; } };
struct Or { template <class T> static T f(T old, T v) { return old | v; } };
struct Xor { template <class T> static T f(T old, T v) { return old ^ v; } };
struct Exch { template <class T> static T f(T, T v) { return v; } };

// op: [result], address, value, [value if equal]; count 1 where there is a result
template <class Op, class T>
void atomic(Warp &w, const Inst &i, uint32_t mask) {
  uint64_t a[32];
  uint8_t *p[32];
  addresses(w, i.op[i.count], i.wide, i.imm, a);
  locate(w, i, mask, i.space, a, sizeof(T), Use::atomic, p);
  const T *v = w.reg<T>(i.op[i.count + 1u]);
  each(mask, [&](uint32_t l) {
    T old;
    std::memcpy(&old, p[l], sizeof old);
    T value = Op::f(old, v[l]);
    std::memcpy(p[l], &value, sizeof value);
    if (i.count) w.reg<T>(i.op[0])[l] = old;
  });
}

template <class T>
void compare_and_swap(Warp &w, const Inst &i, uint32_t mask) {
  uint64_t a[32];
  uint8_t *p[32];
  addresses(w, i.op[1], i.wide, i.imm, a);
  locate(w, i, mask, i.space, a, sizeof(T), Use::atomic, p);
  const T *expected = w.reg<T>(i.op[2]), *v = w.reg<T>(i.op[3]);
  each(mask, [&](uint32_t l) {
    T old;
    std::memcpy(&old, p[l], sizeof old);
    T value = old == expected[l] ? v[l] : old;
    std::memcpy(p[l], &value, sizeof value);
    w.reg<T>(i.op[0])[l] = old;
  });
}

template <class T>
Exec exec_of(Decoder &d) {
  if (d.take("add")) return atomic<Add, T>;
  if (d.take("min")) return atomic<Min, T>;
  if (d.take("max")) return atomic<Max, T>;
  if (d.take("and")) return atomic<And, T>;
  if (d.take("or")) return atomic<Or, T>;
  if (d.take("xor")) return atomic<Xor, T>;
  if (d.take("exch")) return atomic<Exch, T>;
  if (d.take("cas")) return compare_and_swap<T>;
  return nullptr;
}

}  // namespace

bool decode_atomic(Decoder &d) {
  bool atom = d.is("atom");
  if (!atom && !d.is("red")) return false;
  std::string type = d.take_last();
  uint32_t bytes = static_cast<uint32_t>(type_bytes(type));
  if (type[0] == 'f' || type[0] == 'b' ? type != "b32" && type != "b64" : bytes < 4) d.fail("float atomics are not supported: their result depends on the order");
  for (const char *s : {"relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys"}) d.take(s);
  d.in.space = d.take("global") ? Space::global : d.take("shared") || d.take("shared::cta") ? Space::shared : Space::generic;
  bool cas = !d.st.suffixes.empty() && std::string(d.rest()) == ".cas";
  d.need_args((atom ? 2 : 1) + (cas ? 2u : 1u));
  d.in.count = atom;
  if (atom) d.result(0, bytes);
  d.address(atom);
  for (size_t k = atom + 1u; k < d.args(); k++) d.source(k, bytes);
  if (cas && !atom) return false;
  with_int(type, [&](auto t) { d.in.exec = exec_of<decltype(t)>(d); });
  return d.in.exec;
}

}  // namespace sim
