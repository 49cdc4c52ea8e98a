// What chat templates may name: operators, filters, tests, methods, functions and fields of `loop`, and the machine's
// operation for each.
#pragma once
#include "runtime/tokenize/chat_layout.h"

#include <optional>
#include <string>

namespace ingot {

struct BuiltinName {
  const char *name;
  chat_layout::Builtin builtin;
  int maxArguments; // beside the subject
};

// Null when there is none.
const BuiltinName *findFilter(const std::string &name);
const BuiltinName *findTest(const std::string &name);
const BuiltinName *findMethod(const std::string &name);
const BuiltinName *findFunction(const std::string &name);

// The place of a named argument, the subject being 0; -1: unknown.
inline constexpr int ignoredArgument = -2; // changes nothing that we can print
int findArgument(const BuiltinName &builtin, const std::string &argument);

std::optional<chat_layout::Op> findOperator(const std::string &text);
std::optional<chat_layout::LoopField> findLoopField(const std::string &name);

} // namespace ingot
