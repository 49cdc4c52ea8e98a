// Expressions and calls. Each leaves one value on the machine's stack.
#include "compiler/tokenize/TemplateWriter.h"

#include <algorithm>
#include <utility>

namespace ingot {
using namespace chat_layout;

bool TemplateWriter::writeValue(const Expression &e) {
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

bool TemplateWriter::writeAll(const std::vector<ExpressionPtr> &values) {
  for (auto &value : values)
    if (!writeValue(*value)) return false;
  return true;
}

bool TemplateWriter::writeName(const Expression &e) {
  if (const uint32_t *slot = findSlot(e.text)) return emit(Op::load, *slot), true;
  if (e.text == "loop" && loopDepth > 0) return problem.report(e.line, "'loop' as a value is not supported");
  if (macros.count(e.text) || e.text == "namespace" || e.text == "raise_exception" || e.text == "range")
    return emit(Op::push_bool, 1), true; // good for `is defined`
  return emit(Op::push_undefined), true;
}

bool TemplateWriter::writeAttribute(const Expression &e) {
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

bool TemplateWriter::writeBinary(const Expression &e) {
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

bool TemplateWriter::writeConditional(const Expression &e) {
  if (!writeValue(*e.of[1])) return false;
  size_t otherwise = emit(Op::jump_if_false);
  if (!writeValue(*e.of[0])) return false;
  size_t end = emit(Op::jump);
  land(otherwise);
  if (!writeValue(*e.of[2])) return false;
  land(end);
  return true;
}

bool TemplateWriter::writeTest(const Expression &e) {
  static const std::map<std::string, Op> comparisons = {
      {"equalto", Op::equal}, {"eq", Op::equal},      {"ne", Op::not_equal}, {"in", Op::contains},
      {"lt", Op::less},       {"le", Op::less_equal}, {"gt", Op::greater},   {"ge", Op::greater_equal}};
  if (auto found = comparisons.find(e.text); found != comparisons.end() && e.of.size() == 2)
    return writeAll(e.of) && (emit(found->second), true);
  return writeBuiltin(e, findTest(e.text), "the test");
}

// The subject and the arguments, in the order that the builtin wants.
bool TemplateWriter::writeBuiltin(const Expression &e, const BuiltinName *builtin, const char *what) {
  if (!builtin) return problem.report(e.line, std::string(what) + " '" + e.text + "' is not supported");
  return writeArguments(e, e.of, *builtin);
}

bool TemplateWriter::writeArguments(const Expression &e, const std::vector<ExpressionPtr> &of,
                                    const BuiltinName &builtin) {
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
bool TemplateWriter::checkSelector(const Expression &e, const BuiltinName &builtin,
                                   std::vector<const Expression *> &arguments) {
  if (builtin.builtin != Builtin::select_attribute && builtin.builtin != Builtin::reject_attribute) return true;
  if (arguments.size() < 2) return problem.report(e.line, std::string(builtin.name) + " needs an attribute");
  if (arguments.size() == 2) return true;
  const std::string &test = arguments[2]->text;
  if (arguments.size() != 4 || (test != "equalto" && test != "eq" && test != "=="))
    return problem.report(e.line, std::string(builtin.name) + " with the test '" + test + "' is not supported");
  arguments.erase(arguments.begin() + 2);
  return true;
}

bool TemplateWriter::writeCall(const Expression &e) {
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

bool TemplateWriter::writeNamespace(const Expression &e) {
  if (e.of.size() > 1) return problem.report(e.line, "a positional argument of namespace() is not supported");
  for (auto &[name, value] : e.named) {
    emit(Op::push_string, intern(name));
    if (!writeValue(*value)) return false;
  }
  emit(Op::make_map, 0, uint32_t(e.named.size()));
  return true;
}

bool TemplateWriter::writeMethod(const Expression &e, const Expression &callee) {
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
bool TemplateWriter::expandMacro(const Expression &e, const Statement &macro) {
  if (active.count(&macro)) return problem.report(e.line, "the recursive macro '" + macro.name + "' is not supported");
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

bool TemplateWriter::bindArguments(const Expression &e, const Statement &macro, Scope &inner) {
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

} // namespace ingot
