#include "decode.h"

#include <algorithm>

namespace sim {
namespace {

struct SpecialName {
  const char *name;
  Special what;
};
const SpecialName kSpecials[] = {
    {"%tid.x", Special::tid_x}, {"%tid.y", Special::tid_y}, {"%tid.z", Special::tid_z},
    {"%ntid.x", Special::ntid_x}, {"%ntid.y", Special::ntid_y}, {"%ntid.z", Special::ntid_z},
    {"%ctaid.x", Special::ctaid_x}, {"%ctaid.y", Special::ctaid_y}, {"%ctaid.z", Special::ctaid_z},
    {"%nctaid.x", Special::nctaid_x}, {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z},
    {"%laneid", Special::laneid}, {"%warpid", Special::warpid}, {"%nwarpid", Special::nwarpid},
    {"%lanemask_eq", Special::lanemask_eq}, {"%lanemask_lt", Special::lanemask_lt}, {"%lanemask_le", Special::lanemask_le},
    {"%lanemask_gt", Special::lanemask_gt}, {"%lanemask_ge", Special::lanemask_ge},
    {"%dynamic_smem_size", Special::dynamic_smem_size}, {"%total_smem_size", Special::total_smem_size},
};

}  // namespace

// .reg .b32 %r<5>; or .reg .pred p, q;
void Names::declare_registers(const std::vector<std::string> &words) {
  uint32_t bytes = 0;
  for (size_t i = 1; i < words.size(); i++) {
    const std::string &w = words[i];
    if (w[0] == '.') bytes = static_cast<uint32_t>(type_bytes(w.substr(1)));
    else if (w == "<") i += 2;
    else if (w != ",") scopes_.back().declared[w] = {bytes, i + 1 < words.size() && words[i + 1] == "<"};
    if (!bytes) throw std::runtime_error("registers of type " + w + " are not supported");
  }
}

bool Names::symbol(const std::string &name, uint64_t &address) const {
  auto s = symbols_.find(name);
  if (s == symbols_.end()) return false;
  address = s->second;
  return true;
}

uint32_t Names::fresh(uint32_t bytes) {
  uint32_t offset = program_.register_bytes;
  program_.register_bytes += (bytes * 32 + 63) / 64 * 64;
  registers_.push_back({offset, bytes});
  return offset;
}

uint32_t Names::constant(uint64_t value, uint32_t bytes) {
  if (bytes < 8) value &= (1ull << 8 * bytes) - 1;
  auto added = constants_.insert({{value, bytes}, 0});
  if (added.second) {
    added.first->second = fresh(bytes);
    program_.constants.push_back({added.first->second, bytes, value});
  }
  return added.first->second;
}

bool Names::special(const std::string &name, uint32_t &offset) {
  auto known = specials_.find(name);
  if (known != specials_.end()) return offset = known->second, true;
  for (const SpecialName &s : kSpecials)
    if (name == s.name) {
      offset = specials_[name] = fresh(4);
      program_.specials.push_back({s.what, offset});
      return true;
    }
  return false;
}

uint32_t Names::value(const std::string &name, uint32_t &bytes) {
  for (size_t i = scopes_.size(); i-- > 0;) {
    Scope &s = scopes_[i];
    auto used = s.used.find(name);
    if (used != s.used.end()) {
      bytes = used->second.second;
      return used->second.first;
    }
    auto declared = s.declared.find(name);
    if (declared == s.declared.end() || declared->second.range) {
      size_t digits = name.size();
      while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') digits--;
      declared = digits == name.size() ? s.declared.end() : s.declared.find(name.substr(0, digits));
      if (declared == s.declared.end() || !declared->second.range) continue;
    }
    bytes = declared->second.bytes;
    uint32_t offset = fresh(bytes);
    s.used[name] = {offset, bytes};
    return offset;
  }
  uint32_t offset;
  if (special(name, offset)) return bytes = 4, offset;
  if (name == "WARP_SZ") return constant(32, bytes);
  uint64_t literal;
  if (symbol(name, literal)) return constant(literal, bytes);
  bool ok;
  literal = parse_literal(name, ok);
  if (!ok) throw std::runtime_error("'" + name + "' is not known");
  return constant(literal, bytes);
}

bool Decoder::take(const char *suffix) {
  auto at = std::find(left_.begin(), left_.end(), suffix);
  if (at == left_.end()) return false;
  left_.erase(at);
  return true;
}

std::string Decoder::take_first() {
  if (left_.empty()) return "";
  std::string s = left_.front();
  left_.erase(left_.begin());
  return s;
}

std::string Decoder::take_last() {
  if (left_.empty()) return "";
  std::string s = left_.back();
  left_.pop_back();
  return s;
}

std::string Decoder::rest() const {
  std::string s;
  for (const std::string &suffix : left_) s += "." + suffix;
  return s;
}

void Decoder::fail(const std::string &why) const { throw std::runtime_error(why); }

void Decoder::need_args(size_t n) const {
  if (args() != n) fail("expected " + std::to_string(n) + " operands");
}

void Decoder::add(uint32_t offset, bool is_result) {
  if (in.operands == sizeof in.op / sizeof in.op[0]) fail("too many operands");
  if (is_result && in.results++ != in.operands) fail("a result behind a source");
  in.op[in.operands++] = offset;
}

void Decoder::name(const std::string &text, uint32_t bytes, bool wider, bool is_result) {
  uint32_t have = bytes;
  uint32_t offset;
  if (is_result && text == "_") {
    offset = names.fresh(bytes);
  } else {
    offset = names.value(text, have);
    uint64_t ignored;
    if (is_result && names.symbol(text, ignored)) fail("'" + text + "' cannot be written");
  }
  if (have != bytes && !(wider && have > bytes)) fail("'" + text + "' has " + std::to_string(8 * have) + " bits, the instruction needs " + std::to_string(8 * bytes));
  register_bytes = have;
  add(offset, is_result);
}

void Decoder::result(const Operand &o, uint32_t bytes, bool wider) {
  if (o.address || o.vector || o.negated || !o.other.empty()) fail("this form of the result is not supported");
  name(o.name, bytes, wider, true);
}

void Decoder::source(const Operand &o, uint32_t bytes, bool wider) {
  if (o.address || o.vector || o.negated || !o.other.empty()) fail("this form of an operand is not supported");
  uint64_t base;
  if (o.offset != 0 && names.symbol(o.name, base)) {
    add(names.constant(base + static_cast<uint64_t>(o.offset), bytes), false);
    register_bytes = bytes;
    return;
  }
  if (o.offset != 0) fail("this form of an operand is not supported");
  name(o.name, bytes, wider, false);
}

void Decoder::results(size_t arg, uint32_t bytes, bool wider) {
  const Operand &o = st.args.at(arg);
  if (!o.vector) return result(o, bytes, wider);
  for (const std::string &item : o.items) name(item, bytes, wider, true);
}

void Decoder::sources(size_t arg, uint32_t bytes, bool wider) {
  const Operand &o = st.args.at(arg);
  if (!o.vector) return source(o, bytes, wider);
  for (const std::string &item : o.items) name(item, bytes, wider, false);
}

void Decoder::address(size_t arg) {
  const Operand &o = st.args.at(arg);
  if (!o.address) fail("expected an address in brackets");
  uint32_t bytes = 8;
  add(names.value(o.name, bytes), false);
  if (bytes != 4 && bytes != 8) fail("the address '" + o.name + "' is not a 32- or 64-bit register");
  in.wide = bytes == 8;
  in.imm = o.offset;
}

void Decoder::members(size_t arg, bool orders) {
  uint32_t bytes = 4;
  in.members = names.value(st.args.at(arg).name, bytes);
  if (bytes != 4) fail("the member mask is not a 32-bit register");
  in.flow = Flow::collective;
  in.orders = orders;
}

void Decoder::whole_warp() {
  in.members = names.constant(~0u, 4);
  in.flow = Flow::collective;
}

void Decoder::regular(size_t sources, uint32_t bytes) {
  need_args(sources + 1);
  result(0, bytes);
  for (size_t i = 1; i <= sources; i++) source(i, bytes);
}

}  // namespace sim
