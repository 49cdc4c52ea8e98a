// Elementwise ops. Reals are computed in double and rounded once; integers wrap to their width.
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/numerics.h"
#include "dialects/graph/Graph.h"
#include <cmath>
#include <functional>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;
using graph::BinaryKind, graph::CompareKind, graph::UnaryKind;

static double gelu(double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }
static double geluTanh(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double sign(double x) { return std::isnan(x) ? x : double((x > 0) - (x < 0)); }

static double real(UnaryKind kind, double x) {
  switch (kind) {
  case UnaryKind::neg:
    return -x;
  case UnaryKind::abs:
    return std::fabs(x);
  case UnaryKind::sign:
    return sign(x);
  case UnaryKind::reciprocal:
    return 1 / x;
  case UnaryKind::sqrt:
    return std::sqrt(x);
  case UnaryKind::exp:
    return std::exp(x);
  case UnaryKind::log:
    return std::log(x);
  case UnaryKind::erf:
    return std::erf(x);
  case UnaryKind::floor:
    return std::floor(x);
  case UnaryKind::ceil:
    return std::ceil(x);
  case UnaryKind::round:
    return std::nearbyint(x);
  case UnaryKind::sin:
    return std::sin(x);
  case UnaryKind::cos:
    return std::cos(x);
  case UnaryKind::tan:
    return std::tan(x);
  case UnaryKind::asin:
    return std::asin(x);
  case UnaryKind::acos:
    return std::acos(x);
  case UnaryKind::atan:
    return std::atan(x);
  case UnaryKind::sinh:
    return std::sinh(x);
  case UnaryKind::cosh:
    return std::cosh(x);
  case UnaryKind::tanh:
    return std::tanh(x);
  case UnaryKind::asinh:
    return std::asinh(x);
  case UnaryKind::acosh:
    return std::acosh(x);
  case UnaryKind::atanh:
    return std::atanh(x);
  case UnaryKind::sigmoid:
    return 1 / (1 + std::exp(-x));
  case UnaryKind::softplus:
    return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x));
  case UnaryKind::relu:
    return x < 0 ? 0 : x;
  case UnaryKind::gelu:
    return gelu(x);
  case UnaryKind::gelu_tanh:
    return geluTanh(x);
  default:
    return NAN; // logical and test kinds do not come here
  }
}

// The numerics contract's elementary functions; the rest are exact in f32 anyway.
static std::optional<float> contract(UnaryKind kind, float x) {
  switch (kind) {
  case UnaryKind::exp:
    return numerics::exp(x);
  case UnaryKind::log:
    return numerics::log(x);
  case UnaryKind::tanh:
    return numerics::tanh(x);
  case UnaryKind::sin:
    return numerics::sin(x);
  case UnaryKind::cos:
    return numerics::cos(x);
  case UnaryKind::erf:
    return numerics::erf(x);
  case UnaryKind::sigmoid:
    return numerics::sigmoid(x);
  case UnaryKind::gelu:
    return numerics::gelu(x);
  case UnaryKind::gelu_tanh:
    return numerics::geluTanh(x);
  case UnaryKind::tan:
    return numerics::tan(x);
  case UnaryKind::asin:
    return numerics::asin(x);
  case UnaryKind::acos:
    return numerics::acos(x);
  case UnaryKind::atan:
    return numerics::atan(x);
  case UnaryKind::sinh:
    return numerics::sinh(x);
  case UnaryKind::cosh:
    return numerics::cosh(x);
  case UnaryKind::asinh:
    return numerics::asinh(x);
  case UnaryKind::acosh:
    return numerics::acosh(x);
  case UnaryKind::atanh:
    return numerics::atanh(x);
  case UnaryKind::softplus:
    return numerics::softplus(x);
  default:
    return std::nullopt;
  }
}

static bool integer(UnaryKind kind, bool isUnsigned, int64_t x, int64_t &y) {
  switch (kind) {
  case UnaryKind::neg:
    return y = int64_t(0 - uint64_t(x)), true;
  case UnaryKind::abs:
    return y = x < 0 && !isUnsigned ? int64_t(0 - uint64_t(x)) : x, true;
  case UnaryKind::sign:
    return y = isUnsigned ? x != 0 : (x > 0) - (x < 0), true;
  case UnaryKind::relu:
    return y = x < 0 && !isUnsigned ? 0 : x, true;
  case UnaryKind::logical_not:
    return y = !x, true;
  case UnaryKind::bit_not:
    return y = ~x, true;
  case UnaryKind::floor:
  case UnaryKind::ceil:
  case UnaryKind::round:
    return y = x, true;
  default:
    return false;
  }
}

static bool unary(Evaluator &e, graph::UnaryOp op, const Array &x, Array &y) {
  UnaryKind kind = op.getKind();
  bool isTest = kind == UnaryKind::is_nan || kind == UnaryKind::is_inf;
  y = makeArray(getElementTypeOrSelf(op.getType()), x.shape);
  for (size_t i = 0; i < x.size(); ++i) {
    if (isTest) {
      y.integers[i] = x.isReal() && (kind == UnaryKind::is_nan ? std::isnan(x.reals[i]) : std::isinf(x.reals[i]));
    } else if (x.isReal()) {
      auto exact = e.isContract() && x.element.isF32() ? contract(kind, float(x.reals[i])) : std::nullopt;
      y.reals[i] = exact ? *exact : roundTo(x.element, real(kind, x.reals[i]));
    } else {
      if (!integer(kind, x.element.isUnsignedInteger(), x.integers[i], y.integers[i]))
        return e.fail(graph::stringifyUnaryKind(kind) + " is not defined on integers");
      y.integers[i] = wrapTo(y.element, y.integers[i]);
    }
  }
  return true;
}

static double real(BinaryKind kind, double x, double y) {
  switch (kind) {
  case BinaryKind::add:
    return x + y;
  case BinaryKind::sub:
    return x - y;
  case BinaryKind::mul:
    return x * y;
  case BinaryKind::div:
    return x / y;
  case BinaryKind::rem:
    return std::fmod(x, y);
  case BinaryKind::mod:
    return x - y * std::floor(x / y);
  case BinaryKind::pow:
    return std::pow(x, y);
  case BinaryKind::min:
    return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y);
  case BinaryKind::max:
    return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y);
  default:
    return NAN;
  }
}

static int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = uint64_t(base);
  for (uint64_t rest = uint64_t(exponent); rest; rest >>= 1, square *= square)
    if (rest & 1) result *= square;
  return int64_t(result);
}

// Quotients and remainders of 64-bit integers by their sign; the one overflow, MIN / -1, wraps.
static int64_t divide(BinaryKind kind, bool isUnsigned, int64_t x, int64_t y) {
  if (isUnsigned)
    return kind == BinaryKind::div ? int64_t(uint64_t(x) / uint64_t(y)) : int64_t(uint64_t(x) % uint64_t(y));
  if (y == -1) return kind == BinaryKind::div ? int64_t(0 - uint64_t(x)) : 0;
  if (kind == BinaryKind::div) return x / y;
  int64_t rest = x % y;
  return kind == BinaryKind::mod && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

static bool integer(Evaluator &e, BinaryKind kind, Type element, int64_t x, int64_t y, int64_t &z) {
  bool isUnsigned = element.isUnsignedInteger(), less = isUnsigned ? uint64_t(x) < uint64_t(y) : x < y;
  int64_t width = element.getIntOrFloatBitWidth();
  switch (kind) {
  case BinaryKind::add:
    return z = int64_t(uint64_t(x) + uint64_t(y)), true;
  case BinaryKind::sub:
    return z = int64_t(uint64_t(x) - uint64_t(y)), true;
  case BinaryKind::mul:
    return z = int64_t(uint64_t(x) * uint64_t(y)), true;
  case BinaryKind::div:
  case BinaryKind::mod:
  case BinaryKind::rem:
    if (y == 0) return e.fail("an integer is divided by zero");
    return z = divide(kind, isUnsigned, x, y), true;
  case BinaryKind::pow:
    return z = power(x, y), true;
  case BinaryKind::min:
    return z = less ? x : y, true;
  case BinaryKind::max:
    return z = less ? y : x, true;
  case BinaryKind::logical_and:
  case BinaryKind::bit_and:
    return z = x & y, true;
  case BinaryKind::logical_or:
  case BinaryKind::bit_or:
    return z = x | y, true;
  case BinaryKind::logical_xor:
  case BinaryKind::bit_xor:
    return z = x ^ y, true;
  case BinaryKind::shift_left:
    return z = uint64_t(y) < uint64_t(width) ? int64_t(uint64_t(x) << y) : 0, true;
  case BinaryKind::shift_right:
    return z = uint64_t(y) < uint64_t(width) ? int64_t(uint64_t(x) >> y) : 0, true;
  }
  return false;
}

static int64_t toInteger(double value) {
  if (std::isnan(value)) return 0;
  return value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : int64_t(value);
}

static bool binary(Evaluator &e, BinaryKind kind, const Array &x, const Array &y, Array &z) {
  auto shape = broadcast(x.shape, y.shape);
  if (!shape || !elementCount(*shape)) return e.fail("the operands' shapes do not broadcast");
  if (x.isReal() != y.isReal() && kind != BinaryKind::pow) return e.fail("the operands' types differ");
  z = makeArray(x.element, *shape);
  auto left = broadcastIndices(x.shape, *shape), right = broadcastIndices(y.shape, *shape);
  for (size_t i = 0; i < z.size(); ++i) {
    if (x.isReal()) {
      double a = x.reals[left[i]], b = y.number(right[i]);
      bool exact = kind == BinaryKind::pow && e.isContract() && x.element.isF32();
      z.reals[i] = exact ? numerics::pow(float(a), float(b)) : roundTo(z.element, real(kind, a, b));
    } else if (y.isReal()) { // pow of an integer base
      z.integers[i] = wrapTo(z.element, toInteger(std::pow(x.number(left[i]), y.reals[right[i]])));
    } else {
      if (!integer(e, kind, z.element, x.integers[left[i]], y.integers[right[i]], z.integers[i])) return false;
      z.integers[i] = wrapTo(z.element, z.integers[i]);
    }
  }
  return true;
}

template <typename T> static bool holds(CompareKind kind, T x, T y) {
  switch (kind) {
  case CompareKind::eq:
    return x == y;
  case CompareKind::ne:
    return x != y;
  case CompareKind::lt:
    return x < y;
  case CompareKind::le:
    return x <= y;
  case CompareKind::gt:
    return x > y;
  case CompareKind::ge:
    return x >= y;
  }
  return false;
}

static bool compare(Evaluator &e, graph::CompareOp op, const Array &x, const Array &y, Array &z) {
  auto shape = broadcast(x.shape, y.shape);
  if (!shape || !elementCount(*shape) || x.isReal() != y.isReal()) return e.fail("the operands do not fit together");
  z = makeArray(getElementTypeOrSelf(op.getType()), *shape);
  auto left = broadcastIndices(x.shape, *shape), right = broadcastIndices(y.shape, *shape);
  for (size_t i = 0; i < z.size(); ++i) {
    if (x.isReal())
      z.integers[i] = holds(op.getKind(), x.reals[left[i]], y.reals[right[i]]);
    else if (x.element.isUnsignedInteger())
      z.integers[i] = holds(op.getKind(), uint64_t(x.integers[left[i]]), uint64_t(y.integers[right[i]]));
    else
      z.integers[i] = holds(op.getKind(), x.integers[left[i]], y.integers[right[i]]);
  }
  return true;
}

static bool select(Evaluator &e, const Array &c, const Array &yes, const Array &no, Array &z) {
  auto shape = broadcast(yes.shape, no.shape);
  if (shape) shape = broadcast(*shape, c.shape);
  if (!shape || !elementCount(*shape)) return e.fail("the operands' shapes do not broadcast");
  z = makeArray(yes.element, *shape);
  auto at = broadcastIndices(c.shape, *shape), left = broadcastIndices(yes.shape, *shape),
       right = broadcastIndices(no.shape, *shape);
  for (size_t i = 0; i < z.size(); ++i) {
    bool take = c.integers[at[i]];
    if (z.isReal())
      z.reals[i] = take ? yes.reals[left[i]] : no.reals[right[i]];
    else
      z.integers[i] = take ? yes.integers[left[i]] : no.integers[right[i]];
  }
  return true;
}

static void cast(Type element, const Array &x, Array &y) {
  y = makeArray(element, x.shape);
  for (size_t i = 0; i < x.size(); ++i) {
    if (y.isReal())
      y.reals[i] = roundTo(element, x.number(i));
    else if (element.isInteger(1))
      y.integers[i] = x.isReal() ? x.reals[i] != 0 : x.integers[i] != 0;
    else
      y.integers[i] = wrapTo(element, x.isReal() ? toInteger(x.reals[i]) : x.integers[i]);
  }
}

bool ingot::reference::evaluateElementwise(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                           bool &known) {
  Array result;
  bool good = true;
  if (auto u = dyn_cast<graph::UnaryOp>(op))
    good = unary(e, u, in[0], result);
  else if (auto b = dyn_cast<graph::BinaryOp>(op))
    good = binary(e, b.getKind(), in[0], in[1], result);
  else if (auto c = dyn_cast<graph::CompareOp>(op))
    good = compare(e, c, in[0], in[1], result);
  else if (isa<graph::SelectOp>(op))
    good = select(e, in[0], in[1], in[2], result);
  else if (auto c = dyn_cast<graph::CastOp>(op))
    cast(getElementTypeOrSelf(c.getType()), in[0], result);
  else
    return known = false;
  if (good) out.push_back(std::move(result));
  return good;
}
