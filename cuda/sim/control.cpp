// Branches, exits and block barriers. What they do is up to the run loop; here is only how they read.
#include "decode.h"
#include "lanes.h"

namespace sim {
namespace {

void nothing(Warp &, const Inst &, uint32_t) {}
void trap(Warp &w, const Inst &i, uint32_t mask) { w.fail(i, lowest(mask), "trap"); }

// A count is only of use where it names all threads: parts of a block that wait for each other are not modelled.
bool decode_barrier(Decoder &d) {
  d.take("cta");
  if (!d.take("sync")) return false;
  d.take("aligned");
  if (d.args() < 1 || d.args() > 2 || d.st.args[0].name != "0") d.fail("only barrier 0 is supported");
  d.in.count = d.args() == 2;
  if (d.in.count) d.source(1, 4);
  d.in.flow = Flow::barrier;
  return true;
}

}  // namespace

bool decode_control(Decoder &d) {
  if (d.is("bar") || d.is("barrier")) return d.st.suffixes.at(0) != "warp" && decode_barrier(d);
  if (d.is("bra")) {
    d.take("uni");
    d.need_args(1);
    d.in.flow = Flow::branch;
    return true;
  }
  if (d.is("brx")) {
    d.take("uni");
    d.need_args(2);
    d.source(0, 4);
    d.in.flow = Flow::table;
    return d.take("idx");
  }
  if (d.is("ret") || d.is("exit")) {
    d.take("uni");
    d.need_args(0);
    d.in.flow = Flow::exit;
    return true;
  }
  if (d.is("trap")) {
    d.in.exec = trap;
    return true;
  }
  if (d.is("membar") || d.is("fence")) {  // one block and one warp at a time: memory is always in order
    while (!d.all_taken()) d.take_first();
    d.in.exec = nothing;
    return true;
  }
  return false;
}

}  // namespace sim
