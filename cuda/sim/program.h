// Decoded form of a kernel: what the run loop executes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace sim {

struct Warp;
struct Inst;

// Exec carries out one instruction for the lanes of mask (never 0).
using Exec = void (*)(Warp &, const Inst &, uint32_t mask);

// Address windows. Global memory keeps its own addresses, which are far below; a .shared address is an offset from 0, and
// gains the window's base when it becomes generic.
constexpr uint64_t kSharedWindow = 1ull << 60, kDataWindow = 2ull << 60, kParamWindow = 3ull << 60;

enum class Space : uint8_t { global, shared, readonly, generic };

enum class Flow : uint8_t {
  next,        // goes on with the following instruction
  branch,      // target
  table,       // op[0] indexes targets of the table number `imm`
  exit,
  barrier,     // the whole block
  collective,  // needs the lanes named by op[first member] at the same place
};

struct Inst {
  Exec exec = nullptr;
  int64_t imm = 0;        // offset of an address, count, mode ...: as the decoder and exec agree
  int64_t imm2 = 0;       // offset of the second address
  uint32_t op[18] = {};   // byte offsets into a warp's register file, results first
  uint32_t guard = ~0u;   // predicate register of @p
  uint32_t target = 0;    // instruction index
  uint32_t members = ~0u; // collectives: register of the member mask
  Flow flow = Flow::next;
  bool guard_negated = false;
  uint8_t results = 0, operands = 0;  // op[0 .. results) are written, op[results .. operands) read
  uint8_t bytes = 0, count = 0;   // memory: bytes an element, elements a lane
  Space space = Space::global;
  bool wide = false;      // memory: the base is a 64-bit register
  bool wide2 = false;     // ... the second address's
  bool orders = false;    // collectives: orders memory among its members
};

// Register is a place in the register file: bytes times 32 lanes, or one mask of lanes where bytes is 1.
struct Register {
  uint32_t offset, bytes;
};

struct Constant {
  uint32_t offset, bytes;
  uint64_t value;  // every lane's
};

enum class Special { tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z, ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z, laneid, warpid, nwarpid, lanemask_eq, lanemask_lt, lanemask_le, lanemask_gt, lanemask_ge, dynamic_smem_size, total_smem_size };

struct SpecialRegister {
  Special what;
  uint32_t offset;
};

struct Program {
  std::string kernel;
  std::vector<Inst> code;
  std::vector<int> line;           // PTX line of each instruction
  std::vector<std::string> text;
  std::vector<std::vector<uint32_t>> tables;  // brx.idx
  std::vector<Constant> constants;
  std::vector<SpecialRegister> specials;
  uint32_t register_bytes = 0;     // register file of a warp
  uint32_t dynamic_offset = 0;     // where dynamic shared memory begins
  std::vector<uint8_t> data;       // .const and .global variables with initial values
};

}  // namespace sim
