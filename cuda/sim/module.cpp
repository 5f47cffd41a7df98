#include "module.h"

#include <algorithm>
#include <cctype>

#include "decode.h"
#include "ptx.h"
#include "registers.h"

namespace sim {
namespace {

size_t round_up(size_t n, size_t align) { return (n + align - 1) / align * align; }

// Builder turns one parsed function into a Kernel.
class Builder {
 public:
  Builder(const Source &source, const Function &f) : source_(source), f_(f), program_(std::make_shared<Program>()), names_(*program_) {}

  Kernel build() {
    kernel_.name = program_->kernel = f_.name;
    kernel_.max_threads = f_.max_threads;
    place_params();
    place_variables();
    for (const Statement &s : f_.body) {
      try {
        statement(s);
      } catch (const std::exception &e) {
        throw std::runtime_error(f_.name + ": PTX line " + std::to_string(s.line) + ": '" + s.text + "': " + e.what());
      }
    }
    Inst end;  // falling off the end is a return
    end.flow = Flow::exit;
    add(end, f_.line, "}");
    resolve();
    allocate_registers(*program_, names_.registers());
    kernel_.program = program_;
    return kernel_;
  }

 private:
  struct Jump {
    size_t inst;
    std::string label;
  };

  void place_params() {
    size_t at = 0;
    for (const ParamDecl &p : f_.params) {
      at = round_up(at, p.align);
      kernel_.params.push_back({p.name, at, p.size});
      names_.define(p.name, kParamWindow + at);
      at += p.size;
    }
    kernel_.param_bytes = names_.param_bytes = at;
  }

  // Static shared memory first, the module's then the function's, dynamic behind it.
  void place_variables() {
    std::vector<Variable> all = source_.variables;
    for (const Statement &s : f_.body)
      if (s.opcode == ".shared" || s.opcode == ".const" || s.opcode == ".global") all.push_back(parse_variable(s.words, s.line));
    size_t shared = 0, align = 16;
    for (const Variable &v : all) {
      if (v.space == "shared" && v.external) align = std::max(align, v.align);
      if (v.space == "shared" && !v.external) {
        if (!named(v.name)) continue;
        shared = round_up(shared, v.align);
        names_.define(v.name, shared);
        shared += v.size;
      } else if (v.space != "shared") {
        place_data(v);
      }
    }
    kernel_.static_shared = static_cast<unsigned>(shared);
    program_->dynamic_offset = static_cast<uint32_t>(round_up(shared, align));
    for (const Variable &v : all)
      if (v.space == "shared" && v.external) names_.define(v.name, program_->dynamic_offset);
  }

  void place_data(const Variable &v) {
    if (!v.initialised && v.space == "global") return;  // writable variables: naming one is an error
    size_t at = round_up(program_->data.size(), v.align);
    program_->data.resize(at);
    program_->data.insert(program_->data.end(), v.bytes.begin(), v.bytes.end());
    program_->data.resize(at + v.size);
    names_.define(v.name, kDataWindow + at);
  }

  // Shared variables of the module that this function does not use take no room in it.
  bool named(const std::string &name) const {
    for (const Statement &s : f_.body) {
      if (!s.words.empty() && std::find(s.words.begin(), s.words.end(), name) != s.words.end()) return true;
      for (const Operand &o : s.args)
        if (o.name == name) return true;
    }
    return false;
  }

  void statement(const Statement &s) {
    if (s.scope > 0) {
      names_.open_scope();
      scopes_.push_back(next_scope_++);
    } else if (s.scope < 0) {
      names_.close_scope();
      scopes_.pop_back();
    } else if (!s.label.empty() && s.opcode.empty()) {
      labels_[scoped(s.label)] = program_->code.size();
    } else if (s.opcode == ".reg") {
      names_.declare_registers(s.words);
    } else if (s.opcode == ".branchtargets") {
      tables_[scoped(s.label)] = s.words;
    } else if (s.opcode == ".local") {
      throw std::runtime_error("local memory (a spill, or an array indexed at run time) is not supported");
    } else if (s.opcode[0] == '.') {
      if (s.opcode != ".pragma" && s.opcode != ".shared" && s.opcode != ".const" && s.opcode != ".global") throw std::runtime_error("directive not supported");
    } else {
      instruction(s);
    }
  }

  void instruction(const Statement &s) {
    using Family = bool (*)(Decoder &);
    Inst in;
    bool known = false;
    for (Family f : {decode_control, decode_loadstore, decode_move, decode_convert, decode_compare, decode_float, decode_integer, decode_async, decode_atomic, decode_warp, decode_tensor}) {
      Decoder d(s, names_);
      if (!f(d)) continue;
      in = d.in;
      known = d.all_taken();
      break;
    }
    if (!known) throw std::runtime_error("this instruction is not known");
    if (!s.guard.empty()) {
      uint32_t bytes = kPredicate;
      in.guard = names_.value(s.guard, bytes);
      in.guard_negated = s.guard_negated;
      if (bytes != kPredicate) throw std::runtime_error("the guard is no predicate");
    }
    if (in.flow == Flow::branch) jumps_.push_back({program_->code.size(), scoped(s.args[0].name)});
    if (in.flow == Flow::table) table_jumps_.push_back({program_->code.size(), scoped(s.args[1].name)});
    add(in, s.line, s.text);
  }

  void add(const Inst &i, int line, const std::string &text) {
    program_->code.push_back(i);
    program_->line.push_back(line);
    program_->text.push_back(text);
  }

  // Labels of inline assembly are local to their braces: inner names first.
  std::string scoped(const std::string &label) const {
    std::string s = label;
    for (int id : scopes_) s += "@" + std::to_string(id);
    return s;
  }

  size_t find_label(std::string label) const {
    for (;;) {
      auto at = labels_.find(label);
      if (at != labels_.end()) return at->second;
      size_t outer = label.rfind('@');
      if (outer == std::string::npos) throw std::runtime_error(f_.name + ": label " + label + " is not defined");
      label.resize(outer);
    }
  }

  void resolve() {
    for (const Jump &j : jumps_) program_->code[j.inst].target = static_cast<uint32_t>(find_label(j.label));
    for (const Jump &j : table_jumps_) {
      auto t = tables_.find(j.label);
      if (t == tables_.end()) throw std::runtime_error(f_.name + ": no branch targets " + j.label);
      std::vector<uint32_t> targets;
      for (size_t k = 1; k < t->second.size(); k++)
        if (t->second[k] != ",") targets.push_back(static_cast<uint32_t>(find_label(t->second[k])));
      program_->code[j.inst].imm = static_cast<int64_t>(program_->tables.size());
      program_->tables.push_back(targets);
    }
  }

  const Source &source_;
  const Function &f_;
  Kernel kernel_;
  std::shared_ptr<Program> program_;
  Names names_;
  std::map<std::string, size_t> labels_;
  std::map<std::string, std::vector<std::string>> tables_;
  std::vector<Jump> jumps_, table_jumps_;
  std::vector<int> scopes_;
  int next_scope_ = 0;
};

bool is_sync(const Statement &s) {
  auto has = [&](const char *suffix) { return std::find(s.suffixes.begin(), s.suffixes.end(), suffix) != s.suffixes.end(); };
  if (s.opcode == "bar" || s.opcode == "barrier") return has("sync");
  return s.opcode == "cp" && has("async") && (has("wait_group") || has("wait_all"));
}

}  // namespace

std::shared_ptr<Module> Module::parse(const std::string &ptx) {
  Source source = parse_source(ptx);
  auto module = std::make_shared<Module>();
  for (const Function &f : source.functions) module->kernels_[f.name] = Builder(source, f).build();
  return module;
}

const Kernel *Module::find(const std::string &name) const {
  auto k = kernels_.find(name);
  return k == kernels_.end() ? nullptr : &k->second;
}

std::vector<SyncPoint> sync_points(const std::string &ptx) {
  std::vector<SyncPoint> points;
  Source source = parse_source(ptx);
  for (const Function &f : source.functions)
    for (const Statement &s : f.body)
      if (is_sync(s) && (points.empty() || points.back().line != s.line)) points.push_back({f.name, s.line, s.text});
  return points;
}

std::string without_line(const std::string &ptx, int line) {
  size_t begin = 0;
  for (int l = 1; l < line && begin != std::string::npos; l++) {
    begin = ptx.find('\n', begin);
    if (begin != std::string::npos) begin++;
  }
  if (begin == std::string::npos) throw std::runtime_error("the PTX has no line " + std::to_string(line));
  size_t end = std::min(ptx.find('\n', begin), ptx.size());
  std::string out = ptx;
  for (size_t at = begin; at < end;) {  // statement by statement: inline assembly may put several on a line
    size_t stop = std::min(ptx.find(';', at), end - 1) + 1;
    size_t label = ptx.find_last_of("{:", stop - 1);  // a label or brace in front of the statement stays
    if (label != std::string::npos && label >= at) at = label + 1;
    std::string s = ptx.substr(at, stop - at);
    if (s.find("bar.sync") != std::string::npos || s.find("barrier.") != std::string::npos || s.find("bar.warp.sync") != std::string::npos || s.find("bar.cta.sync") != std::string::npos ||
        s.find("cp.async.wait") != std::string::npos)
      std::fill(out.begin() + static_cast<long>(at), out.begin() + static_cast<long>(stop), ' ');
    at = stop;
  }
  return out;
}

}  // namespace sim
