// Turns the tree into bytecode. Names are resolved here: every name of every scope has a slot, a scope's own names
// start with the outer value (as Jinja's do), macros are expanded where they are called, and what the machine has no
// operation for is a problem that names the construct and its line.
#include "compiler/tokenize/Template.h"
#include "compiler/tokenize/TemplateNames.h"
#include "compiler/tokenize/tokenize.h"
#include "runtime/tokenize/chat_layout.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

namespace ingot {
using namespace chat_layout;

namespace {

struct Scope {
  Scope *outer;
  std::map<std::string, uint32_t> slots;
};

// The names that a block sets in its own scope.
void collectNames(const Block &block, std::set<std::string> &names) {
  for (const Statement &statement : block) {
    if (statement.kind == Statement::set) {
      names.insert(statement.targets.begin(), statement.targets.end());
      collectNames(statement.body, names);
    }
    for (auto &branch : statement.branches) collectNames(branch.second, names);
  }
}

class TemplateWriter {
public:
  explicit TemplateWriter(TemplateProblem &problem) : problem(problem) {}

  bool write(const Block &block, std::vector<uint8_t> &program) {
    static const char *const globals[] = {"messages",  "add_generation_prompt", "bos_token", "eos_token", "tools",
                                          "documents", "strftime_now"};
    static_assert(std::size(globals) == n_global_slots);
    for (const char *name : globals) top.slots[name] = nSlots++;
    std::set<std::string> names;
    collectNames(block, names);
    for (const std::string &name : names) nSlots += top.slots.try_emplace(name, nSlots).second;
    if (!writeBlock(block)) return false;
    emit(Op::halt);
    if (code.size() > max_code || nSlots > max_slots) return problem.report(1, "the template is too large");
    program = serialize();
    return true;
  }

private:
  // --- the program under construction
  size_t emit(Op op, uint32_t b = 0, uint32_t a = 0) {
    code.push_back({op, uint16_t(a), b});
    return code.size() - 1;
  }
  void land(size_t jump) { code[jump].b = uint32_t(code.size()); }
  uint32_t intern(const std::string &text) {
    auto [entry, added] = stringIndex.try_emplace(text, uint32_t(strings.size()));
    if (added) strings.push_back(text);
    return entry->second;
  }

  std::vector<uint8_t> serialize() const {
    std::vector<StringRef> refs;
    std::string pool;
    for (const std::string &text : strings) {
      refs.push_back({uint32_t(pool.size()), uint32_t(text.size())});
      pool += text;
    }
    Header header{};
    memcpy(header.magic, magic, sizeof magic);
    header.version = version;
    header.n_code = uint32_t(code.size());
    header.n_strings = uint32_t(refs.size());
    header.n_slots = nSlots;
    header.n_string_bytes = uint32_t(pool.size());
    header.total_size =
        uint32_t(sizeof header + code.size() * sizeof code[0] + refs.size() * sizeof refs[0] + pool.size());
    std::vector<uint8_t> bytes;
    auto append = [&](const void *data, size_t size) {
      bytes.insert(bytes.end(), static_cast<const uint8_t *>(data), static_cast<const uint8_t *>(data) + size);
    };
    append(&header, sizeof header);
    append(code.data(), code.size() * sizeof code[0]);
    append(refs.data(), refs.size() * sizeof refs[0]);
    append(pool.data(), pool.size());
    return bytes;
  }

  // --- names
  const uint32_t *findSlot(const std::string &name) const {
    for (const Scope *at = scope; at; at = at->outer)
      if (auto found = at->slots.find(name); found != at->slots.end()) return &found->second;
    return nullptr;
  }
  // Gives `inner` its own slot for each name; code copies the outer value in.
  void openNames(Scope &inner, const std::set<std::string> &names) {
    for (const std::string &name : names) {
      if (inner.slots.count(name)) continue;
      const uint32_t *outer = findSlot(name);
      outer ? emit(Op::load, *outer) : emit(Op::push_undefined);
      emit(Op::store, inner.slots[name] = nSlots++);
    }
  }

  // --- statements
  bool writeBlock(const Block &block) {
    for (const Statement &statement : block) {
      if (code.size() > max_code) return problem.report(statement.line, "the template is too large");
      if (!writeStatement(statement)) return false;
    }
    return true;
  }

  bool writeStatement(const Statement &s) {
    switch (s.kind) {
    case Statement::text:
      emit(Op::push_string, intern(s.name)), emit(Op::emit);
      return true;
    case Statement::output:
      return writeValue(*s.value) && (emit(Op::emit), true);
    case Statement::branch:
      return writeBranches(s);
    case Statement::loop:
      return writeLoop(s);
    case Statement::set:
      return writeSet(s);
    case Statement::setAttribute:
      return writeSetAttribute(s);
    case Statement::scope:
      return writeScope(s);
    case Statement::macro:
      if (scope != &top) return problem.report(s.line, "a macro inside a block is not supported");
      macros[s.name] = &s;
      return true;
    case Statement::leave:
    case Statement::proceed:
      break;
    }
    if (!jumps) return problem.report(s.line, "break or continue outside a loop");
    (s.kind == Statement::leave ? jumps->leave : jumps->proceed).push_back(emit(Op::jump));
    return true;
  }

  bool writeBranches(const Statement &s) {
    std::vector<size_t> ends;
    for (auto &[condition, body] : s.branches) {
      if (!condition) {
        if (!writeBlock(body)) return false;
        continue;
      }
      if (!writeValue(*condition)) return false;
      size_t skip = emit(Op::jump_if_false);
      if (!writeBlock(body)) return false;
      ends.push_back(emit(Op::jump));
      land(skip);
    }
    for (size_t end : ends) land(end);
    return true;
  }

  struct LoopJumps {
    std::vector<size_t> leave, proceed;
  };

  void storeTargets(const Statement &s, const Scope &inner) {
    if (s.targets.size() > 1) emit(Op::unpack, 0, uint32_t(s.targets.size()));
    for (const std::string &target : s.targets) emit(Op::store, inner.slots.at(target));
  }

  // for x in value if condition: the chosen items first become a list.
  bool writeFilteredItems(const Statement &s, Scope &inner) {
    const uint32_t item = nSlots++;
    emit(Op::make_list);
    if (!writeValue(*s.value)) return false;
    emit(Op::iterate);
    size_t next = emit(Op::next);
    emit(Op::store, item);
    emit(Op::load, item);
    storeTargets(s, inner);
    Scope *outer = scope;
    scope = &inner;
    bool written = writeValue(*s.condition);
    scope = outer;
    size_t reject = emit(Op::jump_if_false);
    emit(Op::load, item);
    emit(Op::append);
    emit(Op::jump, uint32_t(next));
    code[reject].b = uint32_t(next);
    land(next);
    emit(Op::end_loop);
    return written;
  }

  bool writeLoop(const Statement &s) {
    Scope inner{scope, {}};
    std::set<std::string> names;
    collectNames(s.body, names);
    for (const std::string &target : s.targets) inner.slots[target] = nSlots++;
    if (!(s.condition ? writeFilteredItems(s, inner) : writeValue(*s.value))) return false;
    emit(Op::iterate);
    size_t next = emit(Op::next);
    storeTargets(s, inner);
    openNames(inner, names);
    LoopJumps own;
    LoopJumps *outerJumps = std::exchange(jumps, &own);
    Scope *outer = std::exchange(scope, &inner);
    ++loopDepth;
    bool written = writeBlock(s.body);
    --loopDepth;
    scope = outer;
    jumps = outerJumps;
    emit(Op::jump, uint32_t(next));
    for (size_t jump : own.proceed) code[jump].b = uint32_t(next);
    land(next);
    for (size_t jump : own.leave) land(jump);
    return written && endLoop(s);
  }

  // for-else runs when there were no items.
  bool endLoop(const Statement &s) {
    if (s.otherwise.empty()) return emit(Op::end_loop), true;
    emit(Op::loop_field, 0, uint32_t(LoopField::length));
    emit(Op::end_loop);
    emit(Op::logical_not);
    size_t skip = emit(Op::jump_if_false);
    bool written = writeBlock(s.otherwise);
    land(skip);
    return written;
  }

  bool writeCaptured(const Block &body) {
    emit(Op::begin_capture);
    LoopJumps *outer = std::exchange(jumps, nullptr); // a jump out would leave the capture open
    bool written = writeBlock(body);
    jumps = outer;
    emit(Op::end_capture);
    return written;
  }

  bool writeSet(const Statement &s) {
    if (!(s.value ? writeValue(*s.value) : writeCaptured(s.body))) return false;
    if (s.targets.size() > 1) emit(Op::unpack, 0, uint32_t(s.targets.size()));
    for (const std::string &target : s.targets) {
      const uint32_t *slot = findSlot(target);
      if (!slot) return problem.report(s.line, "'" + target + "' cannot be set here");
      emit(Op::store, *slot);
    }
    return true;
  }

  bool writeSetAttribute(const Statement &s) {
    const uint32_t *slot = findSlot(s.targets[0]);
    if (!slot || s.targets.size() != 1) return problem.report(s.line, "'" + s.targets[0] + "' is no namespace");
    emit(Op::load, *slot);
    if (!writeValue(*s.value)) return false;
    emit(Op::set_attribute, intern(s.name));
    return true;
  }

  bool writeScope(const Statement &s) {
    Scope inner{scope, {}};
    std::set<std::string> names;
    collectNames(s.body, names);
    openNames(inner, names);
    Scope *outer = std::exchange(scope, &inner);
    bool written = writeBlock(s.body);
    scope = outer;
    return written;
  }

  // --- expressions: each leaves one value on the stack
  bool writeValue(const Expression &e) {
    using E = Expression;
    switch (e.kind) {
    case E::undefined:
      emit(Op::push_undefined);
      return true;
    case E::none:
      emit(Op::push_none);
      return true;
    case E::boolean:
      emit(Op::push_bool, uint32_t(e.number));
      return true;
    case E::integer:
      emit(Op::push_int, uint32_t(e.number));
      return true;
    case E::string:
      emit(Op::push_string, intern(e.text));
      return true;
    case E::name:
      return writeName(e);
    case E::attribute:
      return writeAttribute(e);
    case E::item:
      return writeAll(e.of) && (emit(Op::get_item), true);
    case E::slice:
      return writeAll(e.of) && (emit(Op::slice), true);
    case E::call:
      return writeCall(e);
    case E::filter:
      return writeBuiltin(e, findFilter(e.text), "the filter");
    case E::test:
      return writeTest(e);
    case E::unary:
      return writeAll(e.of) && (emit(e.text == "not" ? Op::logical_not : Op::negate), true);
    case E::binary:
      return writeBinary(e);
    case E::conditional:
      return writeConditional(e);
    case E::list:
      if (e.of.size() > 1000) return problem.report(e.line, "a list of over 1000 values is not supported");
      return writeAll(e.of) && (emit(Op::make_list, 0, uint32_t(e.of.size())), true);
    case E::map:
      if (e.of.size() > 1000) return problem.report(e.line, "a map of over 500 values is not supported");
      return writeAll(e.of) && (emit(Op::make_map, 0, uint32_t(e.of.size() / 2)), true);
    }
    return false;
  }
  bool writeAll(const std::vector<ExpressionPtr> &values) {
    for (auto &value : values)
      if (!writeValue(*value)) return false;
    return true;
  }

  bool writeName(const Expression &e) {
    if (const uint32_t *slot = findSlot(e.text)) return emit(Op::load, *slot), true;
    if (e.text == "loop" && loopDepth > 0) return problem.report(e.line, "'loop' as a value is not supported");
    if (macros.count(e.text) || e.text == "namespace" || e.text == "raise_exception" || e.text == "range")
      return emit(Op::push_bool, 1), true; // good for `is defined`
    return emit(Op::push_undefined), true;
  }

  bool writeAttribute(const Expression &e) {
    if (e.of[0]->kind == Expression::name && e.of[0]->text == "loop" && loopDepth > 0 && !findSlot("loop")) {
      auto field = findLoopField(e.text);
      if (!field) return problem.report(e.line, "loop." + e.text + " is not supported");
      emit(Op::loop_field, 0, uint32_t(*field));
      return true;
    }
    if (!writeValue(*e.of[0])) return false;
    emit(Op::push_string, intern(e.text));
    emit(Op::get_item);
    return true;
  }

  bool writeBinary(const Expression &e) {
    if (e.text == "and" || e.text == "or") {
      if (!writeValue(*e.of[0])) return false;
      size_t keep = emit(e.text == "and" ? Op::jump_if_false_or_pop : Op::jump_if_true_or_pop);
      if (!writeValue(*e.of[1])) return false;
      land(keep);
      return true;
    }
    auto op = findOperator(e.text);
    if (!op) return problem.report(e.line, "the operator " + e.text + " is not supported");
    return writeAll(e.of) && (emit(*op), true);
  }

  bool writeConditional(const Expression &e) {
    if (!writeValue(*e.of[1])) return false;
    size_t otherwise = emit(Op::jump_if_false);
    if (!writeValue(*e.of[0])) return false;
    size_t end = emit(Op::jump);
    land(otherwise);
    if (!writeValue(*e.of[2])) return false;
    land(end);
    return true;
  }

  bool writeTest(const Expression &e) {
    static const std::map<std::string, Op> comparisons = {
        {"equalto", Op::equal}, {"eq", Op::equal},      {"ne", Op::not_equal}, {"in", Op::contains},
        {"lt", Op::less},       {"le", Op::less_equal}, {"gt", Op::greater},   {"ge", Op::greater_equal}};
    if (auto found = comparisons.find(e.text); found != comparisons.end() && e.of.size() == 2)
      return writeAll(e.of) && (emit(found->second), true);
    return writeBuiltin(e, findTest(e.text), "the test");
  }

  // The subject and the arguments, in the order that the builtin wants.
  bool writeBuiltin(const Expression &e, const BuiltinName *builtin, const char *what) {
    if (!builtin) return problem.report(e.line, std::string(what) + " '" + e.text + "' is not supported");
    return writeArguments(e, e.of, *builtin);
  }
  bool writeArguments(const Expression &e, const std::vector<ExpressionPtr> &of, const BuiltinName &builtin) {
    std::vector<const Expression *> arguments;
    for (auto &value : of) arguments.push_back(value.get());
    static const Expression missing{Expression::undefined, 0, "", 0, {}, {}};
    for (auto &[name, value] : e.named) {
      int place = findArgument(builtin, name);
      if (place == ignoredArgument) continue;
      if (place < 0)
        return problem.report(e.line, "the argument " + name + " of '" + builtin.name + "' is not supported");
      while (arguments.size() <= size_t(place)) arguments.push_back(&missing);
      arguments[size_t(place)] = value.get();
    }
    if (arguments.size() > 1 + size_t(builtin.maxArguments))
      return problem.report(e.line, std::string("too many arguments of '") + builtin.name + "'");
    if (!checkSelector(e, builtin, arguments)) return false;
    for (const Expression *argument : arguments)
      if (!writeValue(*argument)) return false;
    emit(Op::call, uint32_t(builtin.builtin), uint32_t(arguments.size()));
    return true;
  }

  // selectattr(name, "equalto", value) keeps name and value; other tests have no operation.
  bool checkSelector(const Expression &e, const BuiltinName &builtin, std::vector<const Expression *> &arguments) {
    if (builtin.builtin != Builtin::select_attribute && builtin.builtin != Builtin::reject_attribute) return true;
    if (arguments.size() < 2) return problem.report(e.line, std::string(builtin.name) + " needs an attribute");
    if (arguments.size() == 2) return true;
    const std::string &test = arguments[2]->text;
    if (arguments.size() != 4 || (test != "equalto" && test != "eq" && test != "=="))
      return problem.report(e.line, std::string(builtin.name) + " with the test '" + test + "' is not supported");
    arguments.erase(arguments.begin() + 2);
    return true;
  }

  // --- calls
  bool writeCall(const Expression &e) {
    const Expression &callee = *e.of[0];
    if (callee.kind == Expression::attribute) return writeMethod(e, callee);
    if (callee.kind != Expression::name) return problem.report(e.line, "this call is not supported");
    const std::string &name = callee.text;
    if (auto macro = macros.find(name); macro != macros.end()) return expandMacro(e, *macro->second);
    if (name == "namespace" || name == "dict") return writeNamespace(e);
    if (name == "raise_exception" && e.of.size() == 2) {
      if (!writeValue(*e.of[1])) return false;
      emit(Op::fail);
      emit(Op::push_undefined);
      return true;
    }
    if (const BuiltinName *function = findFunction(name); function && e.of.size() >= 2) {
      if (e.of.size() - 2 > size_t(function->maxArguments) || !e.named.empty())
        return problem.report(e.line, "too many arguments of '" + name + "'");
      for (size_t i = 1; i < e.of.size(); ++i)
        if (!writeValue(*e.of[i])) return false;
      emit(Op::call, uint32_t(function->builtin), uint32_t(e.of.size() - 1));
      return true;
    }
    return problem.report(e.line, "the function " + name + "() is not supported");
  }

  bool writeNamespace(const Expression &e) {
    if (e.of.size() > 1) return problem.report(e.line, "a positional argument of namespace() is not supported");
    for (auto &[name, value] : e.named) {
      emit(Op::push_string, intern(name));
      if (!writeValue(*value)) return false;
    }
    emit(Op::make_map, 0, uint32_t(e.named.size()));
    return true;
  }

  bool writeMethod(const Expression &e, const Expression &callee) {
    const BuiltinName *method = findMethod(callee.text);
    bool loopMethod = callee.of[0]->kind == Expression::name && callee.of[0]->text == "loop";
    if (!method || loopMethod) return problem.report(e.line, "the method ." + callee.text + "() is not supported");
    if (method->builtin == Builtin::join) { // separator.join(list)
      if (e.of.size() != 2 || !writeValue(*e.of[1]) || !writeValue(*callee.of[0]))
        return problem.report(e.line, ".join() takes one list");
      emit(Op::call, uint32_t(Builtin::join), 2);
      return true;
    }
    if (!writeValue(*callee.of[0])) return false;
    if (!e.named.empty() || e.of.size() - 1 > size_t(method->maxArguments))
      return problem.report(e.line, "these arguments of ." + callee.text + "() are not supported");
    for (size_t i = 1; i < e.of.size(); ++i)
      if (!writeValue(*e.of[i])) return false;
    emit(Op::call, uint32_t(method->builtin), uint32_t(e.of.size()));
    return true;
  }

  // The macro's body where it is called, its text as a value.
  bool expandMacro(const Expression &e, const Statement &macro) {
    if (active.count(&macro))
      return problem.report(e.line, "the recursive macro '" + macro.name + "' is not supported");
    if (e.of.size() - 1 > macro.targets.size())
      return problem.report(e.line, "too many arguments of the macro '" + macro.name + "'");
    Scope inner{&top, {}};
    if (!bindArguments(e, macro, inner)) return false;
    std::set<std::string> names;
    collectNames(macro.body, names);
    Scope *outer = std::exchange(scope, &top);
    openNames(inner, names);
    scope = &inner;
    int outerLoops = std::exchange(loopDepth, 0);
    active.insert(&macro);
    bool written = writeCaptured(macro.body);
    active.erase(&macro);
    loopDepth = outerLoops;
    scope = outer;
    return written;
  }

  bool bindArguments(const Expression &e, const Statement &macro, Scope &inner) {
    for (auto &[name, value] : e.named)
      if (std::find(macro.targets.begin(), macro.targets.end(), name) == macro.targets.end())
        return problem.report(e.line, "the macro '" + macro.name + "' has no argument " + name);
    for (size_t i = 0; i < macro.targets.size(); ++i) {
      const Expression *value = i + 1 < e.of.size() ? e.of[i + 1].get() : macro.defaults[i].get();
      for (auto &[name, given] : e.named)
        if (name == macro.targets[i]) value = given.get();
      if (!(value ? writeValue(*value) : (emit(Op::push_undefined), true))) return false;
      emit(Op::store, inner.slots[macro.targets[i]] = nSlots++);
    }
    return true;
  }

  TemplateProblem &problem;
  std::vector<Instruction> code;
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

} // namespace

bool compileChatTemplate(const std::string &source, std::vector<uint8_t> &program, std::string &message) {
  TemplateProblem problem;
  std::vector<TemplateChunk> chunks;
  Block block;
  bool written = lexTemplate(source, chunks, problem) && parseTemplate(chunks, block, problem) &&
                 TemplateWriter(problem).write(block, program);
  message = problem.message;
  if (!written) program.clear();
  return written;
}

} // namespace ingot
