// Syntax of PTX: text to statements. What the statements mean is decided in module.cpp and the decode_*.cpp files.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace sim {

struct Token {
  std::string text;
  int line;
  size_t begin, end;  // place in the source
};

// lex cuts PTX text into words (identifiers with their dots, numbers, strings) and single punctuation characters. Line
// directives (.version, .target, .address_size, .file, .loc), which have no end mark of their own, are left out.
std::vector<Token> lex(const std::string &ptx);

// Operand is one comma-separated argument of an instruction.
struct Operand {
  std::string name;                // register, literal or symbol; base of an address
  std::string other;               // q of p|q
  bool negated = false;            // !p
  bool address = false;            // [name+offset]
  int64_t offset = 0;
  bool vector = false;
  std::vector<std::string> items;  // {a, b, ...}
};

// Statement is an instruction of a function body, or (opcode starts with a dot) a declaration, whose tokens are kept.
struct Statement {
  int line = 0;
  std::string text;
  std::string guard;  // register of @p
  bool guard_negated = false;
  std::string opcode;                // first part, e.g. "ld"
  std::vector<std::string> suffixes; // "global", "v4", "f32"
  std::vector<Operand> args;
  std::vector<std::string> words;    // declarations: all tokens
  std::string label;                 // a label stands alone in its statement
  int scope = 0;                     // +1 an opening brace, -1 a closing one: such statements hold nothing else
};

struct ParamDecl {
  std::string name;
  size_t align, size;
};

struct Function {
  std::string name;
  bool entry = false;
  int line = 0;
  std::vector<ParamDecl> params;
  unsigned max_threads = 1024;
  std::vector<Statement> body;
};

// Variable of the module or of a function: .shared, .const or .global.
struct Variable {
  std::string name, space;
  size_t align = 1, size = 0;
  bool external = false;       // .extern .shared: dynamic shared memory
  bool initialised = false;
  std::vector<uint8_t> bytes;  // initial value, zero filled to size
};

struct Source {
  std::vector<Variable> variables;
  std::vector<Function> functions;
};

Source parse_source(const std::string &ptx);  // throws std::runtime_error with the line

size_t type_bytes(const std::string &type);  // "u32" -> 4; 0 when it is no type. Predicates count 1.
Variable parse_variable(const std::vector<std::string> &words, int line);
uint64_t parse_literal(const std::string &text, bool &ok);  // integers, 0f........, 0d................

}  // namespace sim
