#include "compiler/tokenize/TemplateNames.h"

#include <cstring>
#include <iterator>

namespace ingot {
using namespace chat_layout;

namespace {

constexpr BuiltinName filters[] = {{"trim", Builtin::strip, 1},
                                   {"upper", Builtin::upper, 0},
                                   {"lower", Builtin::lower, 0},
                                   {"capitalize", Builtin::capitalize, 0},
                                   {"title", Builtin::title, 0},
                                   {"replace", Builtin::replace, 2},
                                   {"join", Builtin::join, 1},
                                   {"length", Builtin::length, 0},
                                   {"count", Builtin::length, 0},
                                   {"string", Builtin::string, 0},
                                   {"safe", Builtin::string, 0},
                                   {"int", Builtin::integer, 0},
                                   {"default", Builtin::fallback, 2},
                                   {"d", Builtin::fallback, 2},
                                   {"first", Builtin::first, 0},
                                   {"last", Builtin::last, 0},
                                   {"items", Builtin::items, 0},
                                   {"list", Builtin::to_list, 0},
                                   {"reverse", Builtin::reverse, 0},
                                   {"tojson", Builtin::tojson, 1},
                                   {"selectattr", Builtin::select_attribute, 3},
                                   {"rejectattr", Builtin::reject_attribute, 3},
                                   {"map", Builtin::map_attribute, 1}};

constexpr BuiltinName tests[] = {{"defined", Builtin::is_defined, 0},
                                 {"undefined", Builtin::is_undefined, 0},
                                 {"none", Builtin::is_none, 0},
                                 {"string", Builtin::is_string, 0},
                                 {"number", Builtin::is_number, 0},
                                 {"integer", Builtin::is_number, 0},
                                 {"boolean", Builtin::is_boolean, 0},
                                 {"true", Builtin::is_true, 0},
                                 {"false", Builtin::is_false, 0},
                                 {"mapping", Builtin::is_mapping, 0},
                                 {"iterable", Builtin::is_iterable, 0},
                                 {"sequence", Builtin::is_sequence, 0},
                                 {"odd", Builtin::is_odd, 0},
                                 {"even", Builtin::is_even, 0},
                                 {"divisibleby", Builtin::is_divisible, 1}};

constexpr BuiltinName methods[] = {{"strip", Builtin::strip, 1},           {"lstrip", Builtin::lstrip, 1},
                                   {"rstrip", Builtin::rstrip, 1},         {"split", Builtin::split, 2},
                                   {"startswith", Builtin::startswith, 1}, {"endswith", Builtin::endswith, 1},
                                   {"replace", Builtin::replace, 2},       {"upper", Builtin::upper, 0},
                                   {"lower", Builtin::lower, 0},           {"capitalize", Builtin::capitalize, 0},
                                   {"title", Builtin::title, 0},           {"join", Builtin::join, 1},
                                   {"items", Builtin::items, 0},           {"keys", Builtin::keys, 0},
                                   {"values", Builtin::values, 0},         {"get", Builtin::get, 2}};

constexpr BuiltinName functions[] = {{"range", Builtin::range, 2}, {"strftime_now", Builtin::strftime, 0}};

template <size_t N> const BuiltinName *find(const BuiltinName (&names)[N], const std::string &name) {
  for (const BuiltinName &entry : names)
    if (name == entry.name) return &entry;
  return nullptr;
}

} // namespace

const BuiltinName *findFilter(const std::string &name) { return find(filters, name); }
const BuiltinName *findTest(const std::string &name) { return find(tests, name); }
const BuiltinName *findMethod(const std::string &name) { return find(methods, name); }
const BuiltinName *findFunction(const std::string &name) { return find(functions, name); }

int findArgument(const BuiltinName &builtin, const std::string &argument) {
  static const struct {
    Builtin builtin;
    const char *argument;
    int place;
  } places[] = {{Builtin::tojson, "indent", 1},
                {Builtin::tojson, "ensure_ascii", ignoredArgument},
                {Builtin::fallback, "default_value", 1},
                {Builtin::fallback, "boolean", 2},
                {Builtin::join, "d", 1},
                {Builtin::map_attribute, "attribute", 1}};
  for (const auto &entry : places)
    if (entry.builtin == builtin.builtin && argument == entry.argument) return entry.place;
  return -1;
}

std::optional<Op> findOperator(const std::string &text) {
  static const struct {
    const char *text;
    Op op;
  } operators[] = {{"+", Op::add},      {"-", Op::subtract},    {"*", Op::multiply}, {"//", Op::floor_divide},
                   {"%", Op::modulo},   {"~", Op::concat},      {"==", Op::equal},   {"!=", Op::not_equal},
                   {"<", Op::less},     {"<=", Op::less_equal}, {">", Op::greater},  {">=", Op::greater_equal},
                   {"in", Op::contains}};
  for (const auto &entry : operators)
    if (text == entry.text) return entry.op;
  return std::nullopt;
}

std::optional<LoopField> findLoopField(const std::string &name) {
  static const char *const names[] = {"index", "index0", "revindex", "revindex0", "first",
                                      "last",  "length", "previtem", "nextitem"};
  static_assert(std::size(names) == size_t(LoopField::n_fields));
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) return LoopField(i);
  return std::nullopt;
}

} // namespace ingot
