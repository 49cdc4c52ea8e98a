// Jinja's statements: chunks become a tree of blocks.
#include "compiler/tokenize/Template.h"

#include <algorithm>

namespace ingot {

namespace {

class StatementParser {
public:
  StatementParser(const std::vector<TemplateChunk> &chunks, TemplateProblem &problem)
      : chunks(chunks), problem(problem) {}

  // Reads statements until one of `ends` opens a statement, which is left for the caller; no ends: to the last chunk.
  bool parseBlock(std::vector<std::string> ends, int openedAt, Block &block) {
    if (++depth > 64) return problem.report(openedAt, "statements are nested too deep");
    while (at < chunks.size()) {
      const TemplateChunk &chunk = chunks[at];
      if (chunk.kind == TemplateChunk::statement && std::count(ends.begin(), ends.end(), chunk.tokens[0].text) != 0) {
        --depth;
        return true;
      }
      ++at;
      if (!parseChunk(chunk, block)) return false;
    }
    --depth;
    return ends.empty() || problem.report(openedAt, "the block that starts here has no {% " + ends.back() + " %}");
  }

private:
  static Statement &add(Block &block, Statement::Kind kind, int line) {
    Statement statement{};
    statement.kind = kind;
    statement.line = line;
    block.push_back(std::move(statement));
    return block.back();
  }

  bool parseChunk(const TemplateChunk &chunk, Block &block) {
    if (chunk.kind == TemplateChunk::text) {
      add(block, Statement::text, chunk.line).name = chunk.content;
      return true;
    }
    TokenStream tokens(chunk.tokens, problem);
    if (chunk.kind == TemplateChunk::output) {
      Statement &statement = add(block, Statement::output, chunk.line);
      return parseValue(tokens, statement.value) && finish(tokens);
    }
    std::string keyword;
    if (!tokens.expectName(keyword)) return false;
    if (keyword == "for") return parseFor(tokens, add(block, Statement::loop, chunk.line));
    if (keyword == "if") return parseIf(tokens, add(block, Statement::branch, chunk.line));
    if (keyword == "set") return parseSet(tokens, add(block, Statement::set, chunk.line));
    if (keyword == "macro") return parseMacro(tokens, add(block, Statement::macro, chunk.line));
    if (keyword == "break" || keyword == "continue") {
      add(block, keyword == "break" ? Statement::leave : Statement::proceed, chunk.line);
      return finish(tokens);
    }
    if (keyword == "generation") {
      Statement &statement = add(block, Statement::scope, chunk.line);
      return finish(tokens) && parseBody({"endgeneration"}, statement, statement.body);
    }
    return problem.report(chunk.line, "{% " + keyword + " %} is not supported");
  }

  bool finish(TokenStream &tokens) {
    return tokens.atEnd() || problem.report(tokens.line(), "unexpected '" + tokens.peek().text + "'");
  }
  bool parseValue(TokenStream &tokens, ExpressionPtr &value) { return (value = parseExpression(tokens)) != nullptr; }

  // A body and its closing statement, which must stand alone.
  bool parseBody(std::vector<std::string> ends, const Statement &statement, Block &body) {
    if (!parseBlock(ends, statement.line, body)) return false;
    ++at;
    return true;
  }

  bool parseFor(TokenStream &tokens, Statement &loop) {
    do {
      if (!tokens.expectName(loop.targets.emplace_back())) return false;
    } while (tokens.takeSymbol(","));
    if (!tokens.takeName("in")) return problem.report(tokens.line(), "expected 'in'");
    if (!(loop.value = parseExpression(tokens, false))) return false;
    if (tokens.takeName("if") && !parseValue(tokens, loop.condition)) return false;
    if (tokens.isName("recursive")) return problem.report(tokens.line(), "a recursive loop is not supported");
    if (!finish(tokens) || !parseBlock({"else", "endfor"}, loop.line, loop.body)) return false;
    bool hasElse = chunks[at++].tokens[0].text == "else";
    return !hasElse || parseBody({"endfor"}, loop, loop.otherwise);
  }

  bool parseIf(TokenStream &tokens, Statement &branch) {
    ExpressionPtr condition;
    if (!parseValue(tokens, condition) || !finish(tokens)) return false;
    while (true) {
      Block body;
      bool last = !condition;
      std::vector<std::string> ends =
          last ? std::vector<std::string>{"endif"} : std::vector<std::string>{"elif", "else", "endif"};
      if (!parseBlock(ends, branch.line, body)) return false;
      branch.branches.emplace_back(std::move(condition), std::move(body));
      const TemplateChunk &chunk = chunks[at++];
      TokenStream next(chunk.tokens, problem);
      next.skip();
      if (chunk.tokens[0].text == "endif") return finish(next);
      if (chunk.tokens[0].text == "elif" && !parseValue(next, condition)) return false;
      if (!finish(next)) return false;
    }
  }

  bool parseSet(TokenStream &tokens, Statement &set) {
    do {
      if (!tokens.expectName(set.targets.emplace_back())) return false;
    } while (tokens.takeSymbol(","));
    if (tokens.takeSymbol(".")) {
      set.kind = Statement::setAttribute;
      if (!tokens.expectName(set.name)) return false;
    }
    if (tokens.atEnd() && set.kind == Statement::set) return parseBody({"endset"}, set, set.body);
    return tokens.expectSymbol("=") && parseValue(tokens, set.value) && finish(tokens);
  }

  bool parseMacro(TokenStream &tokens, Statement &macro) {
    if (!tokens.expectName(macro.name) || !tokens.expectSymbol("(")) return false;
    while (!tokens.takeSymbol(")")) {
      if (!tokens.expectName(macro.targets.emplace_back())) return false;
      macro.defaults.emplace_back();
      if (tokens.takeSymbol("=") && !parseValue(tokens, macro.defaults.back())) return false;
      if (!tokens.isSymbol(")") && !tokens.expectSymbol(",")) return false;
    }
    return finish(tokens) && parseBody({"endmacro"}, macro, macro.body);
  }

  const std::vector<TemplateChunk> &chunks;
  TemplateProblem &problem;
  size_t at = 0;
  int depth = 0;
};

} // namespace

bool parseTemplate(const std::vector<TemplateChunk> &chunks, Block &block, TemplateProblem &problem) {
  return StatementParser(chunks, problem).parseBlock({}, 1, block);
}

} // namespace ingot
