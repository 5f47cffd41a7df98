// What must not load, what hostile text must not break, and device memory by itself.
#include "fatbin.h"
#include "sim_test.h"

namespace simtest {
namespace {

std::string kernel(const std::string &body) {
  return ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 k_p)\n{\n.reg .pred %p<4>;\n.reg .b16 %h<4>;\n.reg .b32 %r<8>;\n.reg .f32 %f<8>;\n.reg .b64 %d<8>;\n" + body + "\nret;\n}\n";
}

std::string load_error(const std::string &ptx) {
  try {
    sim::Module::parse(ptx);
  } catch (const std::runtime_error &e) {
    return e.what();
  }
  return "";
}

struct Refused {
  const char *body, *expect;
};
const Refused kRefused[] = {
    {"ex2.approx.f32 %f1, %f2;", "ex2.approx"},
    {"ex2.approx.ftz.f32 %f1, %f2;", "ex2.approx"},
    {"rsqrt.approx.f32 %f1, %f2;", "rsqrt"},
    {"div.full.f32 %f1, %f2, %f3;", "div.full"},
    {"add.f32 %f1, %f2, %f3;", "no .rn"},
    {"mul.rn.ftz.f32 %f1, %f2, %f3;", "mul.rn.ftz"},
    {"add.rz.f32 %f1, %f2, %f3;", "add.rz"},
    {"add.rn.sat.f32 %f1, %f2, %f3;", "add.rn.sat"},
    {"add.s32.sat %r1, %r2, %r3;", "add.s32.sat"},
    {"add.sat.s32 %r1, %r2, %r3;", "add.sat"},
    {"cvt.rz.f32.f64 %f1, %d2;", "cvt.rz"},
    {"frobnicate.b32 %r1, %r2;", "frobnicate"},
    {".local .align 4 .b8 a[16];", "local memory"},
    {"st.local.f32 [%d1], %f1;", "local memory"},
    {"atom.global.add.f32 %f1, [%d1], %f2;", "float atomics"},
    {"red.shared.add.f32 [%r1], %f2;", "float atomics"},
    {"bar.sync 1;", "only barrier 0"},
    {"bar.sync %r1;", "only barrier 0"},
    {"call.uni f, (%r1);", "call"},
    {"tex.2d.v4.f32.s32 {%f1,%f2,%f3,%f4}, [%d1, {%r1,%r2}];", ""},
    {"add.u32 %r1, %d1, %r2;", "has 64 bits"},
    {"add.u32 %r1, %p1, %r2;", "bits"},
    {"selp.b32 %r1, %r2, %r3, %r4;", "bits"},
    {"add.u32 %r1, %r2;", "operands"},
    {"add.u32 %r1, %r2, %x9;", "%x9"},
    {"add.u32 %r1, %r2, 0xZZ;", "0xZZ"},
    {"mov.u32 %r1, %clock;", "%clock"},
    {"mov.u32 %r1, nowhere;", "nowhere"},
    {"bra $L_missing;", "$L_missing"},
    {"ld.global.v4.f32 {%f1, %f2}, [%d1];", "ld.global.v4"},
    {"ld.param.u64 %d1, [k_p+8];", "out of bounds"},
    {"ld.global.f32 %f1, [%d1", ""},
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0,%f1,%f2,%f3},{%r0,%r1,%r2,%r3},{%r4,%r5},{%f0,%f1,%f2,%f3};", "mma.sync"},
    {"cp.async.bulk.commit_group;", "cp.async.bulk"},
    {"cp.async.cg.shared.global [%r1], [%d1], 8;", "size"},
    {"mbarrier.init.shared.b64 [%r1], 1;", "mbarrier"},
    {"shfl.idx.b32 %r1, %r2, %r3, %r4;", "shfl.idx"},
    {"setp.lt.ftz.f32 %p1, %f1, %f2;", "setp.lt.ftz"},
    {"@%r1 mov.u32 %r2, 1;", "guard"},
};

void test_refused(Report &r) {
  for (const Refused &c : kRefused) {
    std::string found = load_error(kernel(c.body));
    r.check(std::string("refuse ") + c.body, !found.empty() && found.find(c.expect) != std::string::npos, found);
  }
  std::string line = load_error(kernel("mov.u32 %r1, 1;\nfoo.b32 %r1;"));
  r.check("kernel, line and text are named", line.find("k: PTX line 12: 'foo.b32 %r1'") == 0, line);
  std::string global = load_error(".version 9.0\n.global .u32 counter;\n" + kernel("mov.u64 %d1, counter;"));
  r.check("refuse a writable variable", global.find("counter") != std::string::npos, global);
  std::string func = load_error(".version 9.0\n.func f() { ret; }\n");
  r.check("refuse a function", func.find(".func") != std::string::npos, func);
}

// Text cut anywhere, or with a byte changed, must load or be refused; never crash.
void test_broken_text(Report &r) {
  std::string text = kernel("{ .reg .b32 t; mov.b32 t, {%h1, %h2}; add.u32 %r1, t, -3; }\n@!%p1 bra $L;\nld.global.v2.f32 {%f1, %f2}, [%d1+-8];\n$L: setp.lt.and.f32 %p1|%p2, %f1, 0f3F800000, !%p3;");
  std::string whole = load_error(text);
  r.check("whole text", whole.empty(), whole);
  int refused = 0;
  for (size_t n = 0; n < text.size(); n++) refused += !load_error(text.substr(0, n)).empty();
  for (size_t n = 0; n < text.size(); n++)
    for (char c : {'{', '}', ';', '%', '0', '"', '['}) {
      std::string changed = text;
      changed[n] = c;
      refused += !load_error(changed).empty();
    }
  r.check("broken text", refused > 500, std::to_string(refused) + " refused");
}

// A jump table, a loop and label scopes, by hand: nvcc seldom emits the first.
void test_control(Report &r) {
  std::string ptx = kernel(
      "ld.param.u64 %d1, [k_p];\nmov.u32 %r1, %tid.x;\nmul.wide.u32 %d2, %r1, 4;\nadd.s64 %d3, %d1, %d2;\nand.b32 %r2, %r1, 3;\nmov.u32 %r3, 0;\n"
      "ts: .branchtargets $A, $B, $C, $B;\nbrx.idx %r2, ts;\n$A: add.u32 %r3, %r3, 100;\nbra.uni $E;\n$B: add.u32 %r3, %r3, 10;\nadd.u32 %r1, %r1, -4;\nsetp.gt.s32 %p1, %r1, 0;\n@%p1 bra $B;\nbra.uni $E;\n"
      "$C: mov.u32 %r3, 7;\n{ in: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 9; @%p2 bra in; }\n{ in: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 12; @%p2 bra in; }\n$E: st.global.u32 [%d3], %r3;");
  sim::Memory memory(1 << 20);
  uint64_t p = memory.alloc(128);
  sim::LaunchConfig c;
  c.block[0] = 32;
  c.params = Args().add(p).bytes;
  sim::Counters counters;
  sim::run(*sim::Module::parse(ptx)->find("k"), c, memory, counters);
  std::vector<uint32_t> v = download<uint32_t>(memory, p, 32);
  bool ok = true;
  for (uint32_t t = 0; t < 32; t++) {
    int left = static_cast<int>(t), turns = 0;
    do { turns++; left -= 4; } while (left > 0);
    ok &= v[t] == (t % 4 == 0 ? 100u : t % 4 == 2 ? 12u : 10u * static_cast<uint32_t>(turns));
  }
  r.check("jump table, loops, label scopes", ok, "");
}

bool faults(const char *text, void (*f)(sim::Memory &, uint64_t), sim::Memory &m, uint64_t p) {
  try {
    f(m, p);
  } catch (const sim::Fault &e) {
    return std::string(e.what()).find(text) != std::string::npos;
  }
  return false;
}

}  // namespace

void test_load_errors(Report &r) {
  test_refused(r);
  test_broken_text(r);
  test_control(r);
  std::string found;
  try {
    sim::ptx_of("not a module image");
  } catch (const std::runtime_error &e) {
    found = e.what();
  }
  r.check("image that is nothing", !found.empty(), found);
}

void test_memory(Report &r) {
  sim::Memory m(1 << 20);
  uint64_t a = m.alloc(100), b = m.alloc(1000);
  r.check("alloc", a % 256 == 0 && b % 256 == 0 && b >= a + 100 + 256 && m.used() == 1100 && m.live() == 2, "");
  r.check("alloc too much", m.alloc(2 << 20) == 0 && m.alloc(0) == 0, "");
  uint8_t bytes[1000];
  std::memset(bytes, 7, sizeof bytes);
  m.write(a, bytes, 100);
  m.fill(b, 9, 500);
  m.copy(b + 600, a, 100);
  m.read(bytes, b + 600, 100);
  r.check("copy", bytes[0] == 7 && bytes[99] == 7, "");
  r.check("write out of bounds", faults("not inside one allocation", [](sim::Memory &x, uint64_t p) { char c[101] = {}; x.write(p, c, 101); }, m, a), "");
  r.check("read before the start", faults("not inside one allocation", [](sim::Memory &x, uint64_t p) { char c[4]; x.read(c, p - 1, 4); }, m, a), "");
  r.check("read of bytes never written", faults("never written", [](sim::Memory &x, uint64_t p) { char c[4]; x.read(c, p + 500, 4); }, m, b), "");
  m.copy(a, b + 500, 50);
  r.check("copy of bytes never written", faults("never written", [](sim::Memory &x, uint64_t p) { char c[4]; x.read(c, p, 4); }, m, a), "");
  r.check("free", m.free(a) && !m.free(a) && !m.free(b + 1) && m.used() == 1000, "");
  r.check("use after free", faults("not inside one allocation", [](sim::Memory &x, uint64_t p) { char c[4]; x.read(c, p, 4); }, m, a), "");
  // the arena fills up, and what was freed is found again, as not written
  std::vector<uint64_t> all;
  while (uint64_t p = m.alloc(5000)) all.push_back(p);
  for (size_t k = 0; k < all.size(); k += 2) m.fill(all[k], 1, 5000), m.free(all[k]);
  uint64_t again = m.alloc(4000);
  r.check("reuse", all.size() > 150 && again != 0 && m.alloc(50000) == 0 && faults("never written", [](sim::Memory &x, uint64_t p) { char c[4]; x.read(c, p, 4); }, m, again), std::to_string(all.size()) + " blocks");
}

}  // namespace simtest
