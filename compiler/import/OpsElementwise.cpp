// Arithmetic, logic, comparison, choice and casts: ONNX's names for graph.unary, binary, compare, select and cast.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind, graph::UnaryKind;

static OpHandler unary(UnaryKind kind) {
  return [kind](NodeImporter &n) { n.set(0, n.unary(kind, n.input(0))); };
}

static OpHandler binary(BinaryKind kind) {
  return [kind](NodeImporter &n) { n.set(0, n.binary(kind, n.input(0), n.input(1))); };
}

static OpHandler compare(CompareKind kind) {
  return [kind](NodeImporter &n) { n.set(0, n.create<graph::CompareOp>(kind, n.input(0), n.input(1))); };
}

static Value fold(NodeImporter &n, BinaryKind kind) {
  Value result = n.input(0);
  for (size_t i = 1; i < n.inputCount(); ++i) result = n.binary(kind, result, n.input(i));
  return result;
}

static OpHandler variadic(BinaryKind kind) {
  return [kind](NodeImporter &n) { n.set(0, fold(n, kind)); };
}

static void importMean(NodeImporter &n) {
  Value sum = fold(n, BinaryKind::add);
  n.set(0, n.binary(BinaryKind::div, sum, n.scalar(double(n.inputCount()), n.element(sum))));
}

static void importMod(NodeImporter &n) {
  bool fmod = n.flag("fmod", false);
  Value lhs = n.input(0);
  n.require(fmod || !n.isFloat(lhs), "floats need fmod = 1");
  n.set(0, n.binary(fmod ? BinaryKind::rem : BinaryKind::mod, lhs, n.input(1)));
}

static void importBitShift(NodeImporter &n) {
  std::string direction = n.text("direction", "");
  n.require(direction == "LEFT" || direction == "RIGHT", "direction must be LEFT or RIGHT");
  BinaryKind kind = direction == "LEFT" ? BinaryKind::shift_left : BinaryKind::shift_right;
  n.set(0, n.binary(kind, n.input(0), n.input(1)));
}

static void importIsInf(NodeImporter &n) {
  bool negative = n.flag("detect_negative", true), positive = n.flag("detect_positive", true);
  Value x = n.input(0), result = n.unary(UnaryKind::is_inf, x), zero = n.scalar(0, n.element(x));
  if (!negative)
    result = n.binary(BinaryKind::logical_and, result, n.create<graph::CompareOp>(CompareKind::gt, x, zero));
  if (!positive)
    result = n.binary(BinaryKind::logical_and, result, n.create<graph::CompareOp>(CompareKind::lt, x, zero));
  n.set(0, result);
}

static void importWhere(NodeImporter &n) { n.set(0, n.create<graph::SelectOp>(n.input(0), n.input(1), n.input(2))); }

static void importClip(NodeImporter &n) {
  Value result = n.input(0), low = n.optional(1), high = n.optional(2);
  if (low) result = n.binary(BinaryKind::max, result, low);
  if (high) result = n.binary(BinaryKind::min, result, high);
  n.set(0, result);
}

// Opset 6 to 10: the bounds in attributes.
static void importClipOfAttributes(NodeImporter &n) {
  Value x = n.input(0);
  Type element = n.element(x);
  if (n.hasAttribute("min")) x = n.binary(BinaryKind::max, x, n.scalar(n.real("min"), element));
  if (n.hasAttribute("max")) x = n.binary(BinaryKind::min, x, n.scalar(n.real("max"), element));
  n.set(0, x);
}

static void castTo(NodeImporter &n, Type element) {
  n.expect("saturate", 1);
  n.ignore("round_mode");
  n.set(0, n.cast(n.input(0), element));
}

static void importCast(NodeImporter &n) { castTo(n, n.elementOf(n.integer("to"))); }

static void importCastLike(NodeImporter &n) { castTo(n, n.element(n.input(1))); }

void ingot::addElementwiseOps(OpTable &table) {
  static constexpr std::pair<const char *, UnaryKind> unaries[] = {
      {"Neg", UnaryKind::neg},         {"Abs", UnaryKind::abs},         {"Sign", UnaryKind::sign},
      {"Sqrt", UnaryKind::sqrt},       {"Exp", UnaryKind::exp},         {"Log", UnaryKind::log},
      {"Erf", UnaryKind::erf},         {"Floor", UnaryKind::floor},     {"Ceil", UnaryKind::ceil},
      {"Round", UnaryKind::round},     {"Sin", UnaryKind::sin},         {"Cos", UnaryKind::cos},
      {"Tan", UnaryKind::tan},         {"Asin", UnaryKind::asin},       {"Acos", UnaryKind::acos},
      {"Atan", UnaryKind::atan},       {"Sinh", UnaryKind::sinh},       {"Cosh", UnaryKind::cosh},
      {"Tanh", UnaryKind::tanh},       {"Asinh", UnaryKind::asinh},     {"Acosh", UnaryKind::acosh},
      {"Atanh", UnaryKind::atanh},     {"Sigmoid", UnaryKind::sigmoid}, {"Reciprocal", UnaryKind::reciprocal},
      {"Not", UnaryKind::logical_not}, {"IsNaN", UnaryKind::is_nan},    {"BitwiseNot", UnaryKind::bit_not}};
  static constexpr std::pair<const char *, BinaryKind> binaries[] = {
      {"Add", BinaryKind::add},          {"Sub", BinaryKind::sub},           {"Mul", BinaryKind::mul},
      {"Div", BinaryKind::div},          {"Pow", BinaryKind::pow},           {"And", BinaryKind::logical_and},
      {"Or", BinaryKind::logical_or},    {"Xor", BinaryKind::logical_xor},   {"BitwiseAnd", BinaryKind::bit_and},
      {"BitwiseOr", BinaryKind::bit_or}, {"BitwiseXor", BinaryKind::bit_xor}};
  static constexpr std::pair<const char *, CompareKind> compares[] = {{"Equal", CompareKind::eq},
                                                                      {"Less", CompareKind::lt},
                                                                      {"LessOrEqual", CompareKind::le},
                                                                      {"Greater", CompareKind::gt},
                                                                      {"GreaterOrEqual", CompareKind::ge}};
  for (auto [name, kind] : unaries) table.add("", name, unary(kind));
  for (auto [name, kind] : binaries) table.add("", name, binary(kind), 7);
  for (auto [name, kind] : compares) table.add("", name, compare(kind), 7);
  table.add("", "Min", variadic(BinaryKind::min), 8);
  table.add("", "Max", variadic(BinaryKind::max), 8);
  table.add("", "Sum", variadic(BinaryKind::add), 8);
  table.add("", "Mean", importMean, 8);
  table.add("", "Mod", importMod);
  table.add("", "BitShift", importBitShift);
  table.add("", "IsInf", importIsInf);
  table.add("", "Where", importWhere);
  table.add("", "Clip", importClip, 11);
  table.add("", "Clip", importClipOfAttributes, 6, 10);
  table.add("", "Cast", importCast, 6);
  table.add("", "CastLike", importCastLike);
}
