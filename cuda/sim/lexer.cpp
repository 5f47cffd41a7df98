#include <cctype>

#include "ptx.h"

namespace sim {
namespace {

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$' || c == '%'; }

bool line_directive(const std::string &word) {
  return word == ".version" || word == ".target" || word == ".address_size" || word == ".file" || word == ".loc";
}

}  // namespace

std::vector<Token> lex(const std::string &ptx) {
  std::vector<Token> tokens;
  int line = 1;
  size_t p = 0, n = ptx.size();
  auto to_line_end = [&] { while (p < n && ptx[p] != '\n') p++; };
  while (p < n && ptx[p] != '\0') {
    char c = ptx[p];
    if (c == '\n') line++;
    if (std::isspace(static_cast<unsigned char>(c))) {
      p++;
    } else if (ptx.compare(p, 2, "//") == 0) {
      to_line_end();
    } else if (ptx.compare(p, 2, "/*") == 0) {
      for (; p < n && ptx.compare(p, 2, "*/") != 0; p++) line += ptx[p] == '\n';
      p += 2;
    } else {
      size_t begin = p;
      if (c == '"') {
        for (p++; p < n && ptx[p] != '"'; p++) line += ptx[p] == '\n';
        p++;
      } else if (word_char(c)) {
        // "L1::no_allocate" is one word, "label:" is not
        while (p < n && (word_char(ptx[p]) || (ptx.compare(p, 2, "::") == 0 && p + 2 < n && word_char(ptx[p + 2]))))
          p += ptx[p] == ':' ? 2 : 1;
      } else {
        p++;
      }
      if (p > n) throw std::runtime_error("PTX line " + std::to_string(line) + ": text ends inside a string");
      std::string text = ptx.substr(begin, p - begin);
      if (line_directive(text)) to_line_end();
      else tokens.push_back({text, line, begin, p});
    }
  }
  return tokens;
}

uint64_t parse_literal(const std::string &text, bool &ok) {
  ok = false;
  if (text.empty()) return 0;
  bool minus = text[0] == '-';
  std::string t = text.substr(minus);
  if (t.empty() || !std::isdigit(static_cast<unsigned char>(t[0]))) return 0;
  int base = 10;
  bool is_float = false;
  if (t.size() > 2 && t[0] == '0' && (t[1] == 'f' || t[1] == 'F' || t[1] == 'd' || t[1] == 'D')) {
    is_float = true;
    base = 16;
    if (t.size() != (std::tolower(t[1]) == 'f' ? 10u : 18u)) return 0;
    t = t.substr(2);
  } else if (t.size() > 2 && t[0] == '0' && (t[1] == 'x' || t[1] == 'X')) {
    base = 16;
    t = t.substr(2);
  } else if (t.size() > 1 && t[0] == '0') {
    base = 8;
  }
  if (t.back() == 'U') t.pop_back();
  uint64_t v = 0;
  for (char c : t) {
    int digit = std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : std::isxdigit(static_cast<unsigned char>(c)) ? std::tolower(c) - 'a' + 10 : 99;
    if (digit >= base) return 0;
    v = v * base + digit;
  }
  if (minus && is_float) return 0;
  ok = true;
  return minus ? 0 - v : v;
}

size_t type_bytes(const std::string &t) {
  if (t == "u8" || t == "s8" || t == "b8" || t == "pred") return 1;
  if (t == "u16" || t == "s16" || t == "b16" || t == "f16" || t == "bf16") return 2;
  if (t == "u32" || t == "s32" || t == "b32" || t == "f32" || t == "bf16x2" || t == "f16x2") return 4;
  if (t == "u64" || t == "s64" || t == "b64" || t == "f64") return 8;
  return 0;
}

}  // namespace sim
