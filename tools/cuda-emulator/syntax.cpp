#include "syntax.h"
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>

namespace ingot::emulator {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The end of the word that starts at `at`: dots belong to it ("ld.global.v4.u32", "%tid.x", ".reg"), as does "::".
size_t word_end(std::string_view s, size_t at) {
  for (++at; at < s.size(); ++at) {
    if (is_letter(s[at]) || is_digit(s[at])) continue;
    if (s[at] == '.' && at + 1 < s.size() && (is_letter(s[at + 1]) || is_digit(s[at + 1]))) continue;
    if (s[at] == ':' && at + 2 < s.size() && s[at + 1] == ':' && (is_letter(s[at + 2]) || is_digit(s[at + 2]))) {
      ++at;
      continue;
    }
    break;
  }
  return at;
}

size_t number_end(std::string_view s, size_t at) {
  bool hex = s[at] == '0' && at + 1 < s.size() && (s[at + 1] | 32) == 'x';
  for (; at < s.size(); ++at) {
    bool exponent_sign = !hex && (s[at] == '+' || s[at] == '-') && (s[at - 1] | 32) == 'e' && s[0] != '0';
    if (!is_digit(s[at]) && !is_letter(s[at]) && s[at] != '.' && !exponent_sign) break;
  }
  return at;
}

} // namespace

Status tokenize(std::string_view s, std::vector<Token> *tokens) {
  uint32_t line = 1;
  for (size_t at = 0; at < s.size();) {
    char c = s[at];
    if (c == '\n') ++line;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
      continue;
    }
    if (s.substr(at, 2) == "//") {
      at = std::min(s.find('\n', at), s.size());
      continue;
    }
    if (s.substr(at, 2) == "/*") {
      size_t end = s.find("*/", at + 2);
      if (end == s.npos) return Status::error(Code::bad_input, "PTX line %u: a comment without its end", line);
      line += uint32_t(std::count(s.data() + at, s.data() + end, '\n'));
      at = end + 2;
      continue;
    }
    size_t end = at + 1;
    Token::Kind kind = Token::mark;
    if (is_digit(c)) {
      kind = Token::number;
      end = number_end(s, at);
    } else if (is_letter(c) || (c == '.' && at + 1 < s.size() && is_letter(s[at + 1]))) {
      kind = Token::word;
      end = word_end(s, at);
    } else if (c == '"') {
      kind = Token::string;
      end = s.find('"', at + 1);
      if (end == s.npos) return Status::error(Code::bad_input, "PTX line %u: a string without its end", line);
      ++end;
    } else if (std::string_view("{}[]()<>,;:+-!|@=*&").find(c) == std::string_view::npos) {
      return Status::error(Code::bad_input, "PTX line %u: unexpected character 0x%02x", line, unsigned(uint8_t(c)));
    }
    tokens->push_back({kind, s.substr(at, end - at), line});
    at = end;
  }
  tokens->push_back({Token::end, "end of text", line});
  return {};
}

std::vector<std::string_view> Statement::modifiers() const {
  std::vector<std::string_view> list;
  for (size_t at = 0; at <= opcode.size();) {
    size_t dot = std::min(opcode.find('.', at), opcode.size());
    list.push_back(opcode.substr(at, dot - at));
    at = dot + 1;
  }
  return list;
}

Status TokenReader::error(const Token &t, const char *what) const {
  return Status::error(Code::bad_input, "PTX line %u: %s, found '%.*s'", t.line, what,
                       int(std::min<size_t>(t.text.size(), 80)), t.text.data());
}

bool TokenReader::accept(std::string_view text) {
  if (!peek().is(text)) return false;
  next();
  return true;
}

Status TokenReader::expect(std::string_view text) {
  if (accept(text)) return {};
  std::string what = "expected '" + std::string(text) + "'";
  return error(peek(), what.c_str());
}

// 0f3F800000 and 0d... are IEEE bits; 1.5 is a double; the rest are integers with an optional U.
Status TokenReader::parse_number(Operand *o) {
  const Token &t = next();
  std::string text(t.text);
  char *end = nullptr;
  if (text[0] == '0' && text.size() > 2 && ((text[1] | 32) == 'f' || (text[1] | 32) == 'd')) {
    o->kind = (text[1] | 32) == 'f' ? Operand::single : Operand::real;
    o->bits = strtoull(text.c_str() + 2, &end, 16);
    if (*end || text.size() != (o->kind == Operand::single ? 10u : 18u)) return error(t, "expected a number");
    return {};
  }
  if (text.find('.') != text.npos) {
    o->kind = Operand::real;
    o->bits = std::bit_cast<uint64_t>(strtod(text.c_str(), &end));
    return *end ? error(t, "expected a number") : Status();
  }
  o->kind = Operand::integer;
  bool binary = text.size() > 2 && text[0] == '0' && (text[1] | 32) == 'b';
  errno = 0;
  o->bits = binary ? strtoull(text.c_str() + 2, &end, 2) : strtoull(text.c_str(), &end, 0);
  if (*end == 'U' && !end[1]) ++end;
  return *end || errno ? error(t, "expected a number") : Status();
}

Status TokenReader::parse_integer(int64_t *value) {
  bool minus = accept("-");
  Operand o;
  if (peek().kind != Token::number) return error(peek(), "expected an integer");
  INGOT_TRY(parse_number(&o));
  if (o.kind != Operand::integer) return error(peek(), "expected an integer");
  *value = int64_t(minus ? 0 - o.bits : o.bits);
  return {};
}

Status TokenReader::parse_operand(Operand *o, unsigned depth) {
  const Token &t = peek();
  if (depth > 2) return error(t, "operands nested too deeply");
  if (accept("{")) {
    o->kind = Operand::vector;
    while (!accept("}")) {
      INGOT_TRY(parse_operand(&o->parts.emplace_back(), depth + 1));
      if (!peek().is("}")) INGOT_TRY(expect(","));
    }
    return {};
  }
  if (accept("[")) {
    o->kind = Operand::address;
    if (peek().kind == Token::word) o->text = next().text;
    while (!accept("]")) {
      int64_t offset;
      if (!peek().is("-") && !o->text.empty()) INGOT_TRY(expect("+"));
      INGOT_TRY(parse_integer(&offset));
      o->bits += uint64_t(offset);
      if (o->text.empty() && !peek().is("]")) return error(peek(), "expected ']'");
    }
    return {};
  }
  if (accept("-")) {
    if (peek().kind != Token::number) return error(peek(), "expected a number");
    INGOT_TRY(parse_number(o));
    if (o->kind == Operand::integer)
      o->bits = 0 - o->bits;
    else
      o->bits ^= o->kind == Operand::single ? uint64_t(1) << 31 : uint64_t(1) << 63;
    return {};
  }
  if (t.kind == Token::number) return parse_number(o);
  o->negated = accept("!");
  if (peek().kind != Token::word) return error(peek(), "expected an operand");
  o->text = next().text;
  if (peek().is("|")) { // two destinations
    Operand first = std::move(*o);
    *o = Operand();
    o->kind = Operand::pair;
    o->parts.push_back(std::move(first));
    next();
    INGOT_TRY(parse_operand(&o->parts.emplace_back(), depth + 1));
  } else if (peek().is("+") || (peek().is("-") && peek(1).kind == Token::number)) { // mov.u64 %rd1, table+16
    int64_t offset;
    if (peek().is("+")) next();
    INGOT_TRY(parse_integer(&offset));
    o->bits = uint64_t(offset);
  }
  return {};
}

Status TokenReader::parse_statement(Statement *s) {
  size_t begin = at_;
  s->line = peek().line;
  if (accept("@")) {
    s->guard_negated = accept("!");
    if (peek().kind != Token::word) return error(peek(), "expected a predicate");
    s->guard = next().text;
  }
  if (peek().kind != Token::word || peek().text[0] == '.') return error(peek(), "expected an instruction");
  s->line = peek().line;
  s->opcode = next().text;
  while (!accept(";")) {
    if (!s->operands.empty()) INGOT_TRY(expect(","));
    if (peek().is("(")) {
      return Status::error(Code::unsupported, "PTX line %u: '%.*s' with an argument list is not emulated", s->line,
                           int(s->opcode.size()), s->opcode.data());
    }
    INGOT_TRY(parse_operand(&s->operands.emplace_back(), 0));
  }
  for (size_t k = begin; k + 1 < at_; ++k) { // without the semicolon
    const Token &t = tokens_[k];
    bool glued = t.kind == Token::mark || (k > begin && tokens_[k - 1].kind == Token::mark);
    bool after_comma =
        k > begin && (tokens_[k - 1].is(",") || (tokens_[begin].is("@") && t.text.data() == s->opcode.data()));
    if (k > begin && (after_comma || !glued || (t.is("[") && tokens_[k - 1].kind == Token::word) ||
                      (t.is("{") && tokens_[k - 1].kind == Token::word)))
      s->text += ' ';
    s->text += t.text;
  }
  return {};
}

} // namespace ingot::emulator
