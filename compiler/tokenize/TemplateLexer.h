// Splits a Jinja template into text, {{ outputs }} and {% statements %}, each of the latter two into tokens, with the
// white space rules that chat templates are rendered with: trim_blocks, lstrip_blocks, and the - and + markers.
#pragma once
#include <string>
#include <vector>

namespace ingot {

struct Token {
  enum Kind { name, integer, string, symbol, end } kind;
  std::string text;
  int line;
};

struct TemplateChunk {
  enum Kind { text, output, statement } kind;
  std::string content;       // of text
  std::vector<Token> tokens; // of the others, closed by an `end` token
  int line;
};

// The first thing that is wrong or unsupported; empty is fine.
struct TemplateProblem {
  std::string message;
  bool report(int line, const std::string &what) {
    if (message.empty()) message = "line " + std::to_string(line) + ": " + what;
    return false;
  }
};

bool lexTemplate(const std::string &source, std::vector<TemplateChunk> &chunks, TemplateProblem &problem);

} // namespace ingot
