// PTX text as tokens, and a body's statements as operands that still carry names.
#pragma once
#include "runtime/base/status.h"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::emulator {

struct Token {
  enum Kind : uint8_t { end, word, number, string, mark } kind = end; // a word: names, opcodes, directives, %registers
  std::string_view text;
  uint32_t line = 0;
  bool is(std::string_view s) const { return text == s && kind != string; }
};

// All tokens, the last being `end`.
Status tokenize(std::string_view text, std::vector<Token> *tokens);

struct Operand {
  enum Kind : uint8_t { name, integer, single, real, vector, address, pair } kind = name;
  std::string_view text;      // name: register, symbol, label or "_"; address: its base, empty for a plain number
  bool negated = false;       // !%p
  uint64_t bits = 0;          // integer: two's complement; single, real: IEEE bits; address: the offset
  std::vector<Operand> parts; // vector {a, b} and pair a|b
};

struct Statement {
  std::string_view guard; // empty: none
  bool guard_negated = false;
  std::string_view opcode; // with its modifiers
  std::vector<Operand> operands;
  uint32_t line = 0;
  std::string text; // as written, blanks squeezed

  // The modifiers: opcode split at dots, the first being the opcode's own name.
  std::vector<std::string_view> modifiers() const;
};

// Reads from tokens; every `parse_` leaves `at` behind what it read.
class TokenReader {
public:
  explicit TokenReader(const std::vector<Token> &tokens) : tokens_(tokens) {}
  const Token &peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token &next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool accept(std::string_view text);
  Status expect(std::string_view text);
  Status parse_integer(int64_t *value); // with sign
  Status parse_statement(Statement *s); // behind its label, to its semicolon
  Status error(const Token &t, const char *what) const;

private:
  Status parse_operand(Operand *o, unsigned depth);
  Status parse_number(Operand *o);

  const std::vector<Token> &tokens_;
  size_t at_ = 0;
};

} // namespace ingot::emulator
