#include "compiler/tokenize/TemplateLexer.h"

#include "runtime/tokenize/utf8.h"

#include <algorithm>
#include <cstring>

namespace ingot {

namespace {

bool isSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool isNameStart(char c) { return isalpha(static_cast<unsigned char>(c)) || c == '_'; }

class Lexer {
public:
  Lexer(const std::string &source, std::vector<TemplateChunk> &chunks, TemplateProblem &problem)
      : source(source), chunks(chunks), problem(problem) {}

  bool run() {
    while (at < source.size()) {
      size_t open = findOpen(at);
      addText(open);
      if (open == std::string::npos) break;
      if (!lexTag(open)) return false;
    }
    return true;
  }

private:
  size_t findOpen(size_t from) const {
    for (size_t i = from; i + 1 < source.size(); ++i)
      if (source[i] == '{' && strchr("{%#", source[i + 1])) return i;
    return std::string::npos;
  }

  int lineAt(size_t offset) const { return 1 + int(std::count(source.begin(), source.begin() + long(offset), '\n')); }

  // Text up to `open`, with what the tag there strips from it.
  void addText(size_t open) {
    std::string text = source.substr(at, open == std::string::npos ? open : open - at);
    if (stripNext) text.erase(0, std::find_if_not(text.begin(), text.end(), isSpace) - text.begin());
    if (open != std::string::npos) {
      char marker = open + 2 < source.size() ? source[open + 2] : ' ';
      if (marker == '-') {
        while (!text.empty() && isSpace(text.back())) text.pop_back();
      } else if (marker != '+' && source[open + 1] != '{') {
        size_t lineStart = text.rfind('\n') + 1; // 0 when there is none
        bool startsLine = lineStart > 0 || at == 0 || source[at - 1] == '\n';
        if (startsLine && text.find_first_not_of(" \t", lineStart) == std::string::npos) text.resize(lineStart);
      }
    }
    if (!text.empty()) chunks.push_back({TemplateChunk::text, text, {}, lineAt(at)});
    at = open == std::string::npos ? source.size() : open;
  }

  bool lexTag(size_t open) {
    const char kind = source[open + 1];
    const int line = lineAt(open);
    at = open + 2;
    if (at < source.size() && (source[at] == '-' || source[at] == '+')) ++at;
    std::string close = std::string(1, kind == '{' ? '}' : kind) + "}";
    if (kind == '#') {
      size_t end = source.find(close, at);
      if (end == std::string::npos) return problem.report(line, "a comment is not closed");
      at = end + 2;
      return afterClose(source[end - 1], true);
    }
    TemplateChunk chunk{kind == '{' ? TemplateChunk::output : TemplateChunk::statement, {}, {}, line};
    char marker;
    if (!lexTokens(close, chunk.tokens, marker)) return false;
    bool raw = kind == '%' && chunk.tokens[0].text == "raw";
    if (raw) return problem.report(line, "{% raw %} is not supported");
    chunks.push_back(std::move(chunk));
    return afterClose(marker, kind == '%');
  }

  bool afterClose(char marker, bool trims) {
    stripNext = marker == '-';
    if (trims && marker != '-' && marker != '+' && at < source.size() && source[at] == '\n') ++at;
    return true;
  }

  // Tokens up to `close`; `marker` becomes the - or + before it, or a space.
  bool lexTokens(const std::string &close, std::vector<Token> &tokens, char &marker) {
    int nesting = 0; // of braces, so that a map may end in }}
    while (at < source.size()) {
      const int line = lineAt(at);
      char c = source[at];
      if (isSpace(c)) {
        ++at;
        continue;
      }
      bool marked = (c == '-' || c == '+') && source.compare(at + 1, 2, close) == 0;
      if (nesting == 0 && (marked || source.compare(at, 2, close) == 0)) {
        marker = marked ? c : ' ';
        at += marked ? 3 : 2;
        tokens.push_back({Token::end, "end of tag", line});
        return true;
      }
      nesting += (c == '{') - (c == '}');
      if (!lexToken(tokens, line)) return false;
    }
    return problem.report(lineAt(source.size()), "a tag is not closed");
  }

  bool lexToken(std::vector<Token> &tokens, int line) {
    const char c = source[at];
    size_t start = at;
    if (isNameStart(c)) {
      while (at < source.size() && (isNameStart(source[at]) || isdigit(static_cast<unsigned char>(source[at])))) ++at;
      tokens.push_back({Token::name, source.substr(start, at - start), line});
      return true;
    }
    if (isdigit(static_cast<unsigned char>(c))) {
      while (at < source.size() && isdigit(static_cast<unsigned char>(source[at]))) ++at;
      bool real = at + 1 < source.size() && source[at] == '.' && isdigit(static_cast<unsigned char>(source[at + 1]));
      if (real || at - start > 9) return problem.report(line, "a number that is no small integer is not supported");
      tokens.push_back({Token::integer, source.substr(start, at - start), line});
      return true;
    }
    if (c == '"' || c == '\'') return lexString(c, tokens, line);
    static const char *const symbols[] = {"==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "<",
                                          ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ",", ".", ":", "|"};
    for (const char *symbol : symbols)
      if (source.compare(at, strlen(symbol), symbol) == 0) {
        tokens.push_back({Token::symbol, symbol, line});
        at += strlen(symbol);
        return true;
      }
    return problem.report(line, std::string("unexpected character '") + c + "'");
  }

  bool lexString(char quote, std::vector<Token> &tokens, int line) {
    std::string text;
    for (++at; at < source.size() && source[at] != quote; ++at) {
      if (source[at] != '\\' || at + 1 == source.size()) {
        text.push_back(source[at]);
        continue;
      }
      static const char codes[] = "ntr\\'\"abfv0", values[] = "\n\t\r\\'\"\a\b\f\v\0";
      const char code = source[++at];
      const char *found = strchr(codes, code);
      if (code == 'x' || code == 'u') {
        if (!lexCodePoint(code == 'x' ? 2 : 4, text)) return problem.report(line, "a broken escape in a string");
      } else if (found && *found) {
        text.push_back(values[found - codes]);
      } else {
        text.append({'\\', code}); // as Python keeps unknown escapes
      }
    }
    if (at >= source.size()) return problem.report(line, "a string is not closed");
    ++at;
    tokens.push_back({Token::string, text, line});
    return true;
  }

  // The hexadecimal digits after \x or \u; leaves `at` on the last one.
  bool lexCodePoint(size_t digits, std::string &text) {
    uint32_t scalar = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (++at >= source.size() || !isxdigit(static_cast<unsigned char>(source[at]))) return false;
      scalar = scalar * 16 + uint32_t(std::stoi(std::string(1, source[at]), nullptr, 16));
    }
    if (scalar >= 0xD800 && scalar <= 0xDFFF) return false;
    utf8::append(scalar, &text);
    return true;
  }

  const std::string &source;
  std::vector<TemplateChunk> &chunks;
  TemplateProblem &problem;
  size_t at = 0;
  bool stripNext = false; // the tag before closed with a minus
};

} // namespace

bool lexTemplate(const std::string &source, std::vector<TemplateChunk> &chunks, TemplateProblem &problem) {
  if (size_t at = utf8::find_invalid(source); at != source.size())
    return problem.report(1, "the template is not UTF-8 at byte " + std::to_string(at));
  // One trailing newline is dropped, and Windows line ends count as one newline, as Jinja does.
  std::string text;
  for (size_t i = 0; i < source.size(); ++i)
    if (source[i] != '\r')
      text.push_back(source[i]);
    else if (i + 1 == source.size() || source[i + 1] != '\n')
      text.push_back('\n');
  if (text.ends_with('\n')) text.pop_back();
  return Lexer(text, chunks, problem).run();
}

} // namespace ingot
