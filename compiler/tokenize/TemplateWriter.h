// Turns the tree into bytecode. Names are resolved here: every name of every scope has a slot, a scope's own names
// start with the outer value (as Jinja's do), macros are expanded where they are called, and what the machine has no
// operation for is a problem that names the construct and its line.
#pragma once
#include "compiler/tokenize/Template.h"
#include "compiler/tokenize/TemplateNames.h"
#include "runtime/tokenize/chat_layout.h"

#include <map>
#include <set>

namespace ingot {

// The names that a block sets in its own scope.
void collectNames(const Block &block, std::set<std::string> &names);

class TemplateWriter {
public:
  explicit TemplateWriter(TemplateProblem &problem) : problem(problem) {}

  // One whole template; false after a problem was reported. Call once.
  bool write(const Block &block, std::vector<uint8_t> &program);

private:
  using Op = chat_layout::Op;
  struct Scope {
    Scope *outer;
    std::map<std::string, uint32_t> slots;
  };
  struct LoopJumps {
    std::vector<size_t> leave, proceed;
  };

  // --- the program under construction
  // Returns where the instruction is.
  size_t emit(Op op, uint32_t b = 0, uint32_t a = 0) {
    code.push_back({op, uint16_t(a), b});
    return code.size() - 1;
  }
  // The jump at `jump` leads to what is emitted next.
  void land(size_t jump) { code[jump].b = uint32_t(code.size()); }
  uint32_t intern(const std::string &text);
  std::vector<uint8_t> serialize() const;

  // --- names
  const uint32_t *findSlot(const std::string &name) const;
  void openNames(Scope &inner, const std::set<std::string> &names);

  // --- statements
  bool writeBlock(const Block &block);
  bool writeStatement(const Statement &s);
  bool writeBranches(const Statement &s);
  void storeTargets(const Statement &s, const Scope &inner);
  bool writeFilteredItems(const Statement &s, Scope &inner);
  bool writeLoop(const Statement &s);
  bool endLoop(const Statement &s);
  bool writeCaptured(const Block &body);
  bool writeSet(const Statement &s);
  bool writeSetAttribute(const Statement &s);
  bool writeScope(const Statement &s);

  // --- expressions: each leaves one value on the stack
  bool writeValue(const Expression &e);
  bool writeAll(const std::vector<ExpressionPtr> &values);
  bool writeName(const Expression &e);
  bool writeAttribute(const Expression &e);
  bool writeBinary(const Expression &e);
  bool writeConditional(const Expression &e);
  bool writeTest(const Expression &e);
  bool writeBuiltin(const Expression &e, const BuiltinName *builtin, const char *what);
  bool writeArguments(const Expression &e, const std::vector<ExpressionPtr> &of, const BuiltinName &builtin);
  bool checkSelector(const Expression &e, const BuiltinName &builtin, std::vector<const Expression *> &arguments);

  // --- calls
  bool writeCall(const Expression &e);
  bool writeNamespace(const Expression &e);
  bool writeMethod(const Expression &e, const Expression &callee);
  bool expandMacro(const Expression &e, const Statement &macro);
  bool bindArguments(const Expression &e, const Statement &macro, Scope &inner);

  TemplateProblem &problem;
  std::vector<chat_layout::Instruction> code;
  std::vector<std::string> strings;
  std::map<std::string, uint32_t> stringIndex;
  Scope top{nullptr, {}};
  Scope *scope = &top;
  uint32_t nSlots = 0;
  int loopDepth = 0;
  LoopJumps *jumps = nullptr;
  std::map<std::string, const Statement *> macros;
  std::set<const Statement *> active;
};

} // namespace ingot
