// The syntax tree of a chat template.
#pragma once
#include "compiler/tokenize/TemplateLexer.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum Kind {
    undefined,
    none,
    boolean,
    integer,
    string,
    name,        // text
    attribute,   // of[0] . text
    item,        // of[0] [ of[1] ]
    slice,       // of[0] [ of[1] : of[2] : of[3] ], parts may be `none`
    call,        // of[0] ( of[1..], named )
    filter,      // of[0] | text ( of[1..], named )
    test,        // of[0] is text ( of[1..] )
    unary,       // text of[0]
    binary,      // of[0] text of[1]; "and" and "or" give one of their operands
    conditional, // of[0] if of[1] else of[2]
    list,
    map, // of: key, value, key, value ...
  } kind;
  int line;
  std::string text;
  int64_t number = 0;
  std::vector<ExpressionPtr> of;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Statement;
using Block = std::vector<Statement>;

struct Statement {
  enum Kind {
    text,         // name is the text
    output,       // value
    branch,       // branches; the last condition may be null: else
    loop,         // for targets in value if condition: body, otherwise: no items
    set,          // targets = value, or the text of body when value is null
    setAttribute, // targets[0].name = value
    macro,        // name(targets with defaults): body
    scope,        // body with its own names ({% generation %})
    leave,        // break
    proceed,      // continue
  } kind;
  int line;
  std::string name;
  std::vector<std::string> targets;
  std::vector<ExpressionPtr> defaults; // parallel to targets; null without one
  ExpressionPtr value, condition;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block body, otherwise;
};

// The tokens of one tag, with a place in them.
class TokenStream {
public:
  TokenStream(const std::vector<Token> &tokens, TemplateProblem &problem) : problem(problem), tokens(tokens) {}
  const Token &peek(size_t ahead = 0) const { return tokens[std::min(at + ahead, tokens.size() - 1)]; }
  int line() const { return peek().line; }
  bool atEnd() const { return peek().kind == Token::end; }
  bool isSymbol(const char *text) const { return peek().kind == Token::symbol && peek().text == text; }
  bool isName(const char *text) const { return peek().kind == Token::name && peek().text == text; }
  void skip() { at += at + 1 < tokens.size(); }
  bool takeSymbol(const char *text) { return isSymbol(text) && (skip(), true); }
  bool takeName(const char *text) { return isName(text) && (skip(), true); }
  bool expectSymbol(const char *text) {
    return takeSymbol(text) ||
           problem.report(line(), std::string("expected '") + text + "', found '" + peek().text + "'");
  }
  bool expectName(std::string &name) {
    if (peek().kind != Token::name) return problem.report(line(), "expected a name, found '" + peek().text + "'");
    name = peek().text;
    skip();
    return true;
  }
  TemplateProblem &problem;

private:
  const std::vector<Token> &tokens;
  size_t at = 0;
};

// Null after a problem was reported. `conditional`: "x if y else z" may stand here.
ExpressionPtr parseExpression(TokenStream &tokens, bool conditional = true);
// Expressions with commas between them make a list, as in `for k, v in ...` or `set x = a, b`.
bool parseTemplate(const std::vector<TemplateChunk> &chunks, Block &block, TemplateProblem &problem);

} // namespace ingot
