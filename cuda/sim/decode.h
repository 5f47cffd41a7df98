// Decoding: one statement to one Inst. Each decode_<family> looks at the opcode, fills the Inst and returns true, or returns
// false to let the next family try. Suffixes are taken one by one; one that nobody took is an error, so that no modifier is
// ever ignored in silence.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "program.h"
#include "ptx.h"

namespace sim {

// Names resolves what operands may name in one kernel, and lays out the register file.
class Names {
 public:
  explicit Names(Program &program) : program_(program), scopes_(1) {}
  uint64_t param_bytes = 0;  // of the kernel
  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }
  void declare_registers(const std::vector<std::string> &words);
  void define(const std::string &symbol, uint64_t address) { symbols_[symbol] = address; }
  bool symbol(const std::string &name, uint64_t &address) const;

  // value gives the register-file offset of a register, special register, literal or symbol; bytes becomes its width (that of
  // a literal is what the caller wants).
  uint32_t value(const std::string &name, uint32_t &bytes);
  uint32_t constant(uint64_t value, uint32_t bytes);
  uint32_t fresh(uint32_t bytes);
  const std::vector<Register> &registers() const { return registers_; }  // all places handed out

 private:
  struct Declared {
    uint32_t bytes;
    bool range;  // %r<8> declares %r0 .. %r7
  };
  struct Scope {
    std::map<std::string, Declared> declared;
    std::map<std::string, std::pair<uint32_t, uint32_t>> used;  // name -> offset, bytes
  };
  bool special(const std::string &name, uint32_t &offset);
  Program &program_;
  std::vector<Scope> scopes_;
  std::map<std::string, uint64_t> symbols_;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> constants_;
  std::map<std::string, uint32_t> specials_;
  std::vector<Register> registers_;
};

constexpr uint32_t kPredicate = 1;  // "width" of a predicate register, which is a mask of lanes

class Decoder {
 public:
  Decoder(const Statement &s, Names &n) : st(s), names(n), left_(s.suffixes) {}

  const Statement &st;
  Names &names;
  Inst in;
  uint32_t register_bytes = 0;  // width of the register that result or source met last

  bool is(const char *opcode) const { return st.opcode == opcode; }
  bool take(const char *suffix);                   // takes it where it stands next, or anywhere behind
  std::string take_first();                        // "" when none is left
  std::string take_last();
  bool all_taken() const { return left_.empty(); }
  std::string rest() const;

  size_t args() const { return st.args.size(); }
  void need_args(size_t n) const;
  // The widths must match exactly, save for loads, stores and conversions, which may use a wider register.
  void result(const Operand &o, uint32_t bytes, bool wider = false);
  void source(const Operand &o, uint32_t bytes, bool wider = false);
  void result(size_t arg, uint32_t bytes, bool wider = false) { result(st.args.at(arg), bytes, wider); }
  void source(size_t arg, uint32_t bytes, bool wider = false) { source(st.args.at(arg), bytes, wider); }
  void results(size_t arg, uint32_t bytes, bool wider = false);  // a vector's items, or the one operand
  void sources(size_t arg, uint32_t bytes, bool wider = false);
  void address(size_t arg);                        // base register to op, offset to imm, wide
  void members(size_t arg, bool orders);           // a collective of the lanes in this mask
  void whole_warp();                               // ... of all 32, ordering no memory
  void regular(size_t sources, uint32_t bytes);    // result and sources of one width
  [[noreturn]] void fail(const std::string &why) const;

 private:
  void name(const std::string &name, uint32_t bytes, bool wider, bool is_result);
  void add(uint32_t offset, bool is_result);
  std::vector<std::string> left_;
};

bool decode_integer(Decoder &d);
bool decode_compare(Decoder &d);
bool decode_float(Decoder &d);
bool decode_convert(Decoder &d);
bool decode_move(Decoder &d);
bool decode_loadstore(Decoder &d);
bool decode_async(Decoder &d);
bool decode_atomic(Decoder &d);
bool decode_warp(Decoder &d);
bool decode_tensor(Decoder &d);
bool decode_control(Decoder &d);

}  // namespace sim
