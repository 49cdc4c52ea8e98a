// Jinja's expression grammar, by recursive descent. Lowest to highest: if-else, or, and, not, comparison, + -, ~,
// * / // %, unary, then calls, attributes, items, filters and tests.
#include "compiler/tokenize/Template.h"

#include <algorithm>

namespace ingot {

namespace {

using E = Expression;

class ExpressionParser {
public:
  explicit ExpressionParser(TokenStream &tokens) : tokens(tokens) {}

  ExpressionPtr parse(bool conditional) {
    if (++depth > 64) return fail("expressions are nested too deep");
    ExpressionPtr value = parseOr();
    while (conditional && value && tokens.isName("if")) {
      int line = tokens.line();
      tokens.skip();
      ExpressionPtr condition = parseOr();
      if (!condition) return nullptr;
      ExpressionPtr otherwise = tokens.takeName("else") ? parse(true) : make(E::undefined, line);
      value = node(E::conditional, "", line, std::move(value), std::move(condition), std::move(otherwise));
    }
    --depth;
    return value;
  }

private:
  ExpressionPtr fail(const std::string &what) {
    tokens.problem.report(tokens.line(), what);
    return nullptr;
  }
  static ExpressionPtr make(E::Kind kind, int line, std::string text = "") {
    auto made = std::make_unique<E>();
    made->kind = kind;
    made->line = line;
    made->text = std::move(text);
    return made;
  }
  // Null when an operand is null.
  template <class... Operands>
  static ExpressionPtr node(E::Kind kind, std::string text, int line, Operands... operands) {
    auto made = make(kind, line, std::move(text));
    (made->of.push_back(std::move(operands)), ...);
    for (auto &operand : made->of)
      if (!operand) return nullptr;
    return made;
  }

  using Level = ExpressionPtr (ExpressionParser::*)();
  // Left-associative operators of one level, given as symbols or names.
  ExpressionPtr parseBinary(std::initializer_list<const char *> operators, Level next) {
    ExpressionPtr left = (this->*next)();
    while (left) {
      auto found = std::find_if(operators.begin(), operators.end(),
                                [&](const char *o) { return tokens.isSymbol(o) || tokens.isName(o); });
      if (found == operators.end()) break;
      int line = tokens.line();
      tokens.skip();
      left = node(E::binary, *found, line, std::move(left), (this->*next)());
    }
    return left;
  }
  ExpressionPtr parseOr() { return parseBinary({"or"}, &ExpressionParser::parseAnd); }
  ExpressionPtr parseAnd() { return parseBinary({"and"}, &ExpressionParser::parseNot); }
  ExpressionPtr parseNot() {
    int line = tokens.line();
    if (!tokens.isName("not")) return parseCompare();
    if (++depth > 64) return fail("expressions are nested too deep");
    tokens.skip();
    ExpressionPtr inner = node(E::unary, "not", line, parseNot());
    --depth;
    return inner;
  }

  ExpressionPtr parseCompare() {
    ExpressionPtr left = parseSum();
    for (int count = 0; left; ++count) {
      int line = tokens.line();
      bool negated = tokens.isName("not") && tokens.peek(1).kind == Token::name && tokens.peek(1).text == "in";
      std::string op = negated || tokens.isName("in") ? "in" : "";
      for (const char *symbol : {"==", "!=", "<", "<=", ">", ">="})
        if (tokens.isSymbol(symbol)) op = symbol;
      if (op.empty()) break;
      if (count == 1) return fail("a chained comparison is not supported");
      tokens.skip();
      if (negated) tokens.skip();
      left = node(E::binary, op, line, std::move(left), parseSum());
      if (negated) left = node(E::unary, "not", line, std::move(left));
    }
    return left;
  }
  ExpressionPtr parseSum() { return parseBinary({"+", "-"}, &ExpressionParser::parseConcat); }
  ExpressionPtr parseConcat() { return parseBinary({"~"}, &ExpressionParser::parseProduct); }
  ExpressionPtr parseProduct() { return parseBinary({"*", "/", "//", "%"}, &ExpressionParser::parseFiltered); }

  ExpressionPtr parseFiltered() { return parseFilters(parseUnary()); }
  ExpressionPtr parseUnary() {
    int line = tokens.line();
    if (tokens.isSymbol("+")) return fail("unary + is not supported");
    if (!tokens.isSymbol("-")) return parsePostfix(parsePrimary());
    if (++depth > 64) return fail("expressions are nested too deep");
    tokens.skip();
    ExpressionPtr inner = node(E::unary, "-", line, parseUnary());
    --depth;
    return inner;
  }

  ExpressionPtr parsePrimary() {
    const Token token = tokens.peek();
    if (token.kind == Token::name) return parseName(token);
    if (token.kind == Token::integer) {
      tokens.skip();
      auto made = make(E::integer, token.line);
      made->number = std::stoll(token.text);
      return made;
    }
    if (token.kind == Token::string) {
      auto made = make(E::string, token.line);
      for (; tokens.peek().kind == Token::string; tokens.skip()) made->text += tokens.peek().text; // neighbours join
      return made;
    }
    if (tokens.takeSymbol("(")) return parseParentheses(token.line);
    if (tokens.takeSymbol("[")) return parseList("]", make(E::list, token.line));
    if (tokens.takeSymbol("{")) return parseMap(make(E::map, token.line));
    return fail("unexpected '" + token.text + "'");
  }
  ExpressionPtr parseName(const Token &token) {
    tokens.skip();
    const std::string &text = token.text;
    if (text == "none" || text == "None") return make(E::none, token.line);
    if (text == "true" || text == "True" || text == "false" || text == "False") {
      auto made = make(E::boolean, token.line);
      made->number = text == "true" || text == "True";
      return made;
    }
    return make(E::name, token.line, text);
  }
  // (a) is a; (a, b) is a list.
  ExpressionPtr parseParentheses(int line) {
    if (tokens.takeSymbol(")")) return make(E::list, line);
    ExpressionPtr first = parse(true);
    if (!first || tokens.takeSymbol(")")) return first;
    auto list = make(E::list, line);
    list->of.push_back(std::move(first));
    return tokens.expectSymbol(",") ? parseList(")", std::move(list)) : nullptr;
  }
  ExpressionPtr parseList(const char *close, ExpressionPtr list) {
    while (!tokens.takeSymbol(close)) {
      ExpressionPtr element = parse(true);
      if (!element) return nullptr;
      list->of.push_back(std::move(element));
      if (!tokens.isSymbol(close) && !tokens.expectSymbol(",")) return nullptr;
    }
    return list;
  }
  ExpressionPtr parseMap(ExpressionPtr map) {
    while (!tokens.takeSymbol("}")) {
      ExpressionPtr key = parse(true);
      if (!key || !tokens.expectSymbol(":")) return nullptr;
      ExpressionPtr value = parse(true);
      if (!value) return nullptr;
      map->of.push_back(std::move(key));
      map->of.push_back(std::move(value));
      if (!tokens.isSymbol("}") && !tokens.expectSymbol(",")) return nullptr;
    }
    return map;
  }

  ExpressionPtr parsePostfix(ExpressionPtr value) {
    while (value) {
      int line = tokens.line();
      if (tokens.takeSymbol(".")) {
        std::string name;
        if (!tokens.expectName(name)) return nullptr;
        value = node(E::attribute, name, line, std::move(value));
      } else if (tokens.takeSymbol("[")) {
        value = parseSubscript(std::move(value), line);
      } else if (tokens.takeSymbol("(")) {
        value = node(E::call, "", line, std::move(value));
        if (!parseArguments(*value)) return nullptr;
      } else {
        break;
      }
    }
    return value;
  }
  ExpressionPtr parseSubscript(ExpressionPtr object, int line) {
    ExpressionPtr parts[3];
    int count = 0, colons = 0;
    while (!tokens.takeSymbol("]")) {
      if (tokens.takeSymbol(":")) {
        if (++colons > 2) return fail("a slice has too many colons");
        count = colons;
      } else {
        if (parts[count]) return fail("expected ']'");
        if (!(parts[count] = parse(true))) return nullptr;
      }
    }
    if (colons == 0)
      return parts[0] ? node(E::item, "", line, std::move(object), std::move(parts[0])) : fail("an empty []");
    for (auto &part : parts)
      if (!part) part = make(E::none, line);
    return node(E::slice, "", line, std::move(object), std::move(parts[0]), std::move(parts[1]), std::move(parts[2]));
  }
  bool parseArguments(Expression &call) {
    while (!tokens.takeSymbol(")")) {
      bool named =
          tokens.peek().kind == Token::name && tokens.peek(1).kind == Token::symbol && tokens.peek(1).text == "=";
      std::string name = named ? tokens.peek().text : "";
      if (named) tokens.skip(), tokens.skip();
      ExpressionPtr value = parse(true);
      if (!value) return false;
      if (named)
        call.named.emplace_back(name, std::move(value));
      else
        call.of.push_back(std::move(value));
      if (!tokens.isSymbol(")") && !tokens.expectSymbol(",")) return false;
    }
    return true;
  }

  ExpressionPtr parseFilters(ExpressionPtr value) {
    while (value) {
      int line = tokens.line();
      std::string name;
      if (tokens.takeSymbol("|")) {
        if (!tokens.expectName(name)) return nullptr;
        value = node(E::filter, name, line, std::move(value));
        if (tokens.takeSymbol("(") && !parseArguments(*value)) return nullptr;
      } else if (tokens.takeName("is")) {
        value = parseTest(std::move(value), line);
      } else if (tokens.takeSymbol("(")) {
        value = node(E::call, "", line, std::move(value));
        if (!parseArguments(*value)) return nullptr;
      } else {
        break;
      }
    }
    return value;
  }
  ExpressionPtr parseTest(ExpressionPtr value, int line) {
    bool negated = tokens.takeName("not");
    std::string name;
    if (!tokens.expectName(name)) return nullptr;
    value = node(E::test, name, line, std::move(value));
    const Token &next = tokens.peek();
    static const char *const operators[] = {"else", "and", "or", "is", "in", "if", "not"};
    bool operand = next.kind == Token::integer || next.kind == Token::string || tokens.isSymbol("[") ||
                   (next.kind == Token::name && std::none_of(std::begin(operators), std::end(operators),
                                                             [&](const char *o) { return next.text == o; }));
    if (tokens.takeSymbol("(")) {
      if (!parseArguments(*value)) return nullptr;
    } else if (operand) {
      ExpressionPtr argument = parsePostfix(parsePrimary());
      if (!argument) return nullptr;
      value->of.push_back(std::move(argument));
    }
    return negated ? node(E::unary, "not", line, std::move(value)) : std::move(value);
  }

  TokenStream &tokens;
  int depth = 0;
};

} // namespace

ExpressionPtr parseExpression(TokenStream &tokens, bool conditional) {
  return ExpressionParser(tokens).parse(conditional);
}

} // namespace ingot
