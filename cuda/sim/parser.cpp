#include "ptx.h"

#include <algorithm>

namespace sim {
namespace {

[[noreturn]] void bad(int line, const std::string &what) { throw std::runtime_error("PTX line " + std::to_string(line) + ": " + what); }

std::vector<std::string> split_dots(const std::string &word) {
  std::vector<std::string> parts(1);
  for (char c : word)
    if (c == '.') parts.emplace_back();
    else parts.back() += c;
  return parts;
}

// Sizes and counts; nothing in a real module is larger than the limit.
size_t count_of(const std::string &text, int line) {
  bool ok;
  uint64_t v = parse_literal(text, ok);
  if (!ok || v > 1 << 24) bad(line, "'" + text + "' is no size");
  return v;
}

bool is_number(const std::string &text) {
  bool ok;
  parse_literal(text, ok);
  return ok;
}

class Parser {
 public:
  explicit Parser(const std::string &ptx) : ptx_(ptx), tokens_(lex(ptx)) { tokens_.push_back({"", tokens_.empty() ? 1 : tokens_.back().line, ptx.size(), ptx.size()}); }

  Source parse() {
    while (!at_end()) {
      std::vector<std::string> words;
      int line = here().line;
      bool function = false;
      while (!at_end() && !is(";") && !function) {
        function = is(".entry") || is(".func");
        words.push_back(next());
      }
      if (function) parse_function(words, line);
      else if (expect(";"), is_variable(words)) source_.variables.push_back(parse_variable(words, line));
      else if (!words.empty() && words[0] != ".pragma") bad(line, "declaration '" + words[0] + "' is not supported");
    }
    return std::move(source_);
  }

 private:
  const Token &here() const { return tokens_[at_]; }
  bool is(const char *text) const { return here().text == text; }
  bool at_end() const { return at_ + 1 >= tokens_.size(); }
  std::string next() {
    if (at_end()) bad(here().line, "the text ends too early");
    return tokens_[at_++].text;
  }
  void expect(const char *text) {
    if (!is(text)) bad(here().line, std::string("expected '") + text + "', found '" + here().text + "'");
    at_++;
  }

  static bool is_variable(const std::vector<std::string> &words) {
    for (const std::string &w : words)
      if (w == ".shared" || w == ".const" || w == ".global") return true;
    return false;
  }

  void parse_function(const std::vector<std::string> &words, int line) {
    Function f;
    f.line = line;
    f.entry = words.back() == ".entry";
    if (!f.entry) bad(line, "functions (.func) are not supported: the kernel calls something that was not inlined");
    f.name = next();
    if (is("(")) parse_params(f);
    while (!is("{") && !is(";")) {
      std::string directive = next();
      if (directive == ".maxntid" || directive == ".reqntid") {
        f.max_threads = 1;
        do {
          if (is(",")) next();
          f.max_threads *= static_cast<unsigned>(count_of(next(), here().line));
        } while (is(","));
      } else if (directive == ".minnctapersm" || directive == ".maxnreg") {
        next();
      } else {
        bad(line, "directive '" + directive + "' of " + f.name + " is not supported");
      }
    }
    if (next() == ";") return;  // a prototype
    try {
      parse_body(f);
    } catch (const std::exception &e) {
      throw std::runtime_error(f.name + ": " + e.what());
    }
    source_.functions.push_back(std::move(f));
  }

  void parse_body(Function &f) {
    int depth = 1;
    while (depth > 0) {
      Statement s = parse_statement();
      depth += s.scope;
      if (depth > 0) f.body.push_back(std::move(s));
    }
  }

  void parse_params(Function &f) {
    expect("(");
    while (!is(")")) {
      ParamDecl p{"", 0, 0};
      size_t element = 0, count = 1;
      while (!is(",") && !is(")")) {
        std::string w = next();
        if (w == ".align") p.align = count_of(next(), here().line);
        else if (w == "[") count = count_of(next(), here().line), expect("]");
        else if (w[0] == '.' && type_bytes(w.substr(1)) && !element) element = type_bytes(w.substr(1));
        else if (w == ".ptr") { while (!is(",") && !is(")") && here().text[0] == '.') if (next() == ".align") next(); }
        else if (w[0] != '.') p.name = w;
        else if (w != ".param") bad(here().line, "parameter attribute '" + w + "' is not supported");
      }
      p.size = element * count;
      if (!p.align) p.align = element;
      if (p.align & (p.align - 1) || p.size > 1 << 16) bad(here().line, "alignment or size of a parameter of " + f.name);
      if (!p.size || p.name.empty()) bad(here().line, "cannot read a parameter of " + f.name);
      f.params.push_back(p);
      if (is(",")) next();
    }
    expect(")");
  }

  Statement parse_statement() {
    Statement s;
    s.line = here().line;
    size_t begin = here().begin;
    if (is("{") || is("}")) {
      s.scope = next() == "{" ? 1 : -1;
      return s;
    }
    if (is(";")) {  // an empty statement, left by inline assembly
      next();
      s.opcode = ".pragma";
      return s;
    }
    if (!at_end() && tokens_[at_ + 1].text == ":") {
      s.label = next();
      next();
      if (!is(".branchtargets")) return s;
    }
    if (here().text[0] == '.') {
      s.opcode = here().text;
      while (!is(";")) s.words.push_back(next());
    } else {
      parse_instruction(s);
    }
    s.text = ptx_.substr(begin, here().begin - begin);
    for (char &c : s.text)
      if (c == '\t' || c == '\n' || c == '\r') c = ' ';
    expect(";");
    return s;
  }

  void parse_instruction(Statement &s) {
    if (is("@")) {
      next();
      if (is("!")) next(), s.guard_negated = true;
      s.guard = next();
    }
    s.suffixes = split_dots(next());
    s.opcode = s.suffixes[0];
    s.suffixes.erase(s.suffixes.begin());
    if (s.opcode == "call") bad(s.line, "a function call is not supported: something was not inlined");
    while (!is(";")) {
      s.args.push_back(parse_operand());
      if (!is(";")) expect(",");
    }
  }

  std::string name_or_number() {
    if (!is("-")) return next();
    next();
    return "-" + next();
  }

  Operand parse_operand() {
    Operand o;
    if (is("!")) next(), o.negated = true;
    if (is("[")) {
      next();
      o.address = true;
      o.name = name_or_number();
      while (is("+") || is("-")) {
        int64_t sign = next() == "-" ? -1 : 1;
        bool ok;
        o.offset += sign * static_cast<int64_t>(parse_literal(name_or_number(), ok));
        if (!ok) bad(here().line, "cannot read the offset of an address");
      }
      expect("]");
    } else if (is("{")) {
      next();
      o.vector = true;
      while (!is("}")) {
        o.items.push_back(name_or_number());
        if (is(",")) next();
      }
      next();
    } else {
      o.name = name_or_number();
      if (is("|")) next(), o.other = next();
    }
    if (is("+") && !is_number(o.name)) {  // symbol+offset
      next();
      bool ok;
      o.offset = static_cast<int64_t>(parse_literal(name_or_number(), ok));
      if (!ok) bad(here().line, "cannot read a symbol's offset");
    }
    return o;
  }

  const std::string &ptx_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  Source source_;
};

}  // namespace

Variable parse_variable(const std::vector<std::string> &words, int line) {
  Variable v;
  size_t element = 0, count = 1, i = 0;
  auto word = [&](size_t k) { return k < words.size() ? words[k] : ""; };
  for (; i < words.size() && words[i] != "="; i++) {
    const std::string &w = words[i];
    if (w == ".shared" || w == ".const" || w == ".global") v.space = w.substr(1);
    else if (w == ".extern") v.external = true;
    else if (w == ".align") v.align = count_of(word(++i), line);
    else if (w == "[") { if (word(i + 1) == "]") count = 0; else count *= count_of(word(++i), line); i++; }
    else if (w[0] == '.' && type_bytes(w.substr(1))) element = type_bytes(w.substr(1));
    else if (w[0] != '.') { if (!v.name.empty()) bad(line, "cannot read the declaration of " + v.name); v.name = w; }
    else if (w != ".visible" && w != ".weak") bad(line, "variable attribute '" + w + "' is not supported");
  }
  if (!element || v.name.empty() || v.space.empty()) bad(line, "cannot read a variable's declaration");
  v.align = std::max(v.align, element);
  if (v.align & (v.align - 1)) bad(line, "the alignment of " + v.name + " is no power of two");
  v.size = element * count;
  if (v.size > 1 << 24) bad(line, v.name + " is too large");
  if (i < words.size()) {
    v.initialised = true;
    v.bytes.assign(v.size, 0);
    size_t at = 0;
    for (i++; i < words.size(); i++) {
      if (words[i] == "{" || words[i] == "}" || words[i] == ",") continue;
      std::string text = words[i] == "-" ? "-" + word(++i) : words[i];
      bool ok;
      uint64_t value = parse_literal(text, ok);
      if (!ok) bad(line, "initial value '" + text + "' of " + v.name + " is not a number");
      if (at + element > v.size) bad(line, v.name + " has more initial values than elements");
      for (size_t b = 0; b < element; b++) v.bytes[at++] = static_cast<uint8_t>(value >> 8 * b);
    }
  }
  return v;
}

Source parse_source(const std::string &ptx) { return Parser(ptx).parse(); }

}  // namespace sim
