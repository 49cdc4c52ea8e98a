// The builders' normal forms (invariants 1-3 of Expr.h).
#include "passes/infer/Expr.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <numeric>

using namespace ingot::infer;

//===- affine
//------------------------------------------------------------------------------------------------------===//

/// a + factor * b, Undefined on overflow.
Expr ExprContext::combine(Expr a, Expr b, int64_t factor) {
  llvm::SmallVector<std::pair<Variable, int64_t>, 4> terms(a->terms.begin(), a->terms.end());
  int64_t constant, product;
  if (llvm::MulOverflow(b->constant, factor, product) || llvm::AddOverflow(a->constant, product, constant))
    return undefined();
  for (auto [v, coefficient] : b->terms) {
    if (llvm::MulOverflow(coefficient, factor, product)) return undefined();
    auto *place = llvm::find_if(terms, [&, v = v](auto &term) { return term.first >= v; });
    if (place == terms.end() || place->first != v)
      terms.insert(place, {v, product});
    else if (llvm::AddOverflow(place->second, product, place->second))
      return undefined();
  }
  llvm::erase_if(terms, [](auto &term) { return term.second == 0; });
  return makeAffine(constant, terms);
}

Expr ExprContext::scale(Expr a, int64_t factor) { return combine(integer(0), a, factor); }

/// Bounds of an affine form from invariant 4; nullopt = unbounded.
std::optional<int64_t> ExprContext::lowerBound(Expr e) const {
  int64_t bound = e->constant;
  for (auto [v, coefficient] : e->terms) {
    int64_t least = v == S, extreme;
    if (coefficient < 0) {
      auto size = bounds[v] ? bounds[v].asInteger() : std::nullopt;
      if (!size) return std::nullopt;
      least = *size - 1;
    }
    if (llvm::MulOverflow(coefficient, least, extreme) || llvm::AddOverflow(bound, extreme, bound)) return std::nullopt;
  }
  return bound;
}

std::optional<int64_t> ExprContext::upperBound(Expr e) const {
  int64_t bound = e->constant;
  for (auto [v, coefficient] : e->terms) {
    int64_t most = v == S, extreme;
    if (coefficient > 0) {
      auto size = bounds[v] ? bounds[v].asInteger() : std::nullopt;
      if (!size) return std::nullopt;
      most = *size - 1;
    }
    if (llvm::MulOverflow(coefficient, most, extreme) || llvm::AddOverflow(bound, extreme, bound)) return std::nullopt;
  }
  return bound;
}

static int64_t commonDivisor(Expr e) {
  int64_t divisor = 0;
  for (auto [v, coefficient] : e->terms) divisor = std::gcd(divisor, coefficient);
  return divisor;
}

static int64_t floorOf(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

Expr ExprContext::atMostZero(Expr e) {
  if (auto high = upperBound(e); high && *high <= 0) return boolean(true);
  if (auto low = lowerBound(e); low && *low > 0) return boolean(false);
  if (int64_t divisor = commonDivisor(e); divisor > 1) {
    llvm::SmallVector<std::pair<Variable, int64_t>, 4> terms(e->terms.begin(), e->terms.end());
    for (auto &term : terms) term.second /= divisor;
    e = makeAffine(-floorOf(-e->constant, divisor), terms);
  }
  return make(ExprOp::AtMostZero, {e});
}

Expr ExprContext::isZero(Expr e) {
  if (auto value = e.asInteger()) return boolean(*value == 0);
  if (auto low = lowerBound(e); low && *low > 0) return boolean(false);
  if (auto high = upperBound(e); high && *high < 0) return boolean(false);
  // At an end of its range equality is a bound, whose negation is one, too.
  if (lowerBound(e) == 0) return atMostZero(e);
  if (upperBound(e) == 0) return atMostZero(combine(integer(0), e, -1));
  int64_t divisor = commonDivisor(e);
  if (e->constant % divisor) return boolean(false);
  if (e->terms.front().second < 0) divisor = -divisor;
  llvm::SmallVector<std::pair<Variable, int64_t>, 4> terms(e->terms.begin(), e->terms.end());
  for (auto &term : terms) term.second /= divisor;
  return make(ExprOp::IsZero, {makeAffine(e->constant / divisor, terms)});
}

//===- arithmetic
//--------------------------------------------------------------------------------------------------===//

/// The leaves of an affine form or of Selects of affine forms; 0 if there is another one or too many.
static unsigned affineLeaves(Expr e) {
  if (e.isAffine()) return 1;
  if (e->op != ExprOp::Select) return 0;
  unsigned yes = affineLeaves(e->operands[1]), no = affineLeaves(e->operands[2]);
  return yes && no && yes + no <= 4 ? yes + no : 0;
}

/// Moves a two-operand op into the branches of a Select: with a literal always, with integers where the branches are.
std::optional<Expr> ExprContext::throughSelect(llvm::function_ref<Expr(Expr, Expr)> op, Expr a, Expr b) {
  bool integers = !(a.isAffine() && b.isAffine()) && affineLeaves(a) && affineLeaves(b);
  if (a->op == ExprOp::Select && (b.isLiteral() || integers))
    return select(a->operands[0], op(a->operands[1], b), op(a->operands[2], b));
  if (b->op == ExprOp::Select && (a.isLiteral() || integers))
    return select(b->operands[0], op(a, b->operands[1]), op(a, b->operands[2]));
  return std::nullopt;
}

/// The integer that a real expression surely is: ToReal(e), or an integral literal below 2^53. Null otherwise.
static Expr integral(ExprContext &context, Expr e) {
  if (e->op == ExprOp::ToReal) return e->operands[0];
  auto value = e.asReal();
  if (value && std::trunc(*value) == *value && std::fabs(*value) < 0x1p53) return context.integer(int64_t(*value));
  return {};
}

/// Both operands are integers as reals and at least one is not a literal: the op may run on the integers.
static std::optional<std::pair<Expr, Expr>> integralPair(ExprContext &context, Expr a, Expr b) {
  if (a->op != ExprOp::ToReal && b->op != ExprOp::ToReal) return std::nullopt;
  Expr x = integral(context, a), y = integral(context, b);
  if (!x || !y) return std::nullopt;
  return std::pair(x, y);
}

Expr ExprContext::add(Expr a, Expr b) {
  if (a.isAffine() && b.isAffine()) return combine(a, b, 1);
  if (a.asReal() && b.asReal()) return real(*a.asReal() + *b.asReal());
  if (auto pair = integralPair(*this, a, b)) return toReal(add(pair->first, pair->second));
  if (a.is(0) || a.asReal() == 0.0) return b;
  if (b.is(0) || b.asReal() == 0.0) return a;
  if (auto moved = throughSelect([&](Expr x, Expr y) { return add(x, y); }, a, b)) return *moved;
  if (b->id < a->id) std::swap(a, b);
  return make(ExprOp::Add, {a, b});
}

Expr ExprContext::sub(Expr a, Expr b) {
  if (a.isAffine() && b.isAffine()) return combine(a, b, -1);
  if (a.asReal() && b.asReal()) return real(*a.asReal() - *b.asReal());
  if (auto pair = integralPair(*this, a, b)) return toReal(sub(pair->first, pair->second));
  if (b.is(0) || b.asReal() == 0.0) return a;
  if (auto moved = throughSelect([&](Expr x, Expr y) { return sub(x, y); }, a, b)) return *moved;
  return make(ExprOp::Sub, {a, b});
}

Expr ExprContext::mul(Expr a, Expr b) {
  if (a.asInteger() && b.isAffine()) return scale(b, *a.asInteger());
  if (b.asInteger() && a.isAffine()) return scale(a, *b.asInteger());
  if (a.asReal() && b.asReal()) return real(*a.asReal() * *b.asReal());
  if (auto pair = integralPair(*this, a, b))
    if (pair->first.asInteger() || pair->second.asInteger()) return toReal(mul(pair->first, pair->second));
  if (a.is(1) || a.asReal() == 1.0) return b;
  if (b.is(1) || b.asReal() == 1.0) return a;
  if (a.is(0) || b.is(0)) return integer(0);
  if (auto moved = throughSelect([&](Expr x, Expr y) { return mul(x, y); }, a, b)) return *moved;
  if (b->id < a->id) std::swap(a, b);
  return make(ExprOp::Mul, {a, b});
}

Expr ExprContext::divide(Expr a, Expr b) {
  if (a.asReal() && b.asReal()) return real(*a.asReal() / *b.asReal());
  if (auto divisor = b.asInteger(); divisor && a.isAffine()) {
    if (*divisor == 0) return undefined();
    if (auto value = a.asInteger()) {
      if (*divisor == -1) return scale(a, -1);
      return integer(*value / *divisor);
    }
    // Truncation is the floor where the dividend is not negative.
    if (auto low = lowerBound(a); *divisor > 0 && low && *low >= 0) return floorDiv(a, *divisor);
    if (*divisor > 0 && a->constant % *divisor == 0 && commonDivisor(a) % *divisor == 0) return floorDiv(a, *divisor);
    return undefined();
  }
  if (b.asReal() == 1.0) return a;
  if (auto moved = throughSelect([&](Expr x, Expr y) { return divide(x, y); }, a, b)) return *moved;
  if (a.isAffine() || b.isAffine()) return undefined();
  return make(ExprOp::Div, {a, b});
}

Expr ExprContext::floorDiv(Expr a, int64_t divisor) {
  if (divisor <= 0) return undefined();
  if (divisor == 1) return a;
  if (auto value = a.asInteger()) return integer(floorOf(*value, divisor));
  if (!a.isAffine()) return make(ExprOp::FloorDiv, {a, integer(divisor)});
  if (auto low = lowerBound(a), high = upperBound(a); low && high && floorOf(*low, divisor) == floorOf(*high, divisor))
    return integer(floorOf(*low, divisor));
  // The terms divisible by the divisor leave the quotient.
  llvm::SmallVector<std::pair<Variable, int64_t>, 4> whole, rest;
  for (auto [v, c] : a->terms) {
    if (c % divisor == 0)
      whole.push_back({v, c / divisor});
    else
      rest.push_back({v, c});
  }
  Expr quotient = makeAffine(floorOf(a->constant, divisor), whole);
  if (rest.empty()) return quotient;
  if (!whole.empty()) { // the rest may lie within one multiple of the divisor
    Expr left = floorDiv(makeAffine(a->constant, rest), divisor);
    return add(makeAffine(0, whole), left);
  }
  if (a->constant >= 0 && a->constant < divisor) return make(ExprOp::FloorDiv, {a, integer(divisor)});
  int64_t remainder = a->constant - floorOf(a->constant, divisor) * divisor;
  return add(quotient, make(ExprOp::FloorDiv, {makeAffine(remainder, rest), integer(divisor)}));
}

Expr ExprContext::mod(Expr a, int64_t divisor) {
  if (divisor <= 0) return undefined();
  if (divisor == 1) return integer(0);
  if (auto value = a.asInteger()) return integer(*value - floorOf(*value, divisor) * divisor);
  if (!a.isAffine()) return make(ExprOp::Mod, {a, integer(divisor)});
  llvm::SmallVector<std::pair<Variable, int64_t>, 4> rest;
  for (auto [v, c] : a->terms)
    if (c % divisor) rest.push_back({v, c % divisor});
  int64_t constant = a->constant - floorOf(a->constant, divisor) * divisor;
  if (rest.empty()) return integer(constant);
  Expr left = makeAffine(constant, rest);
  auto low = left.isAffine() ? lowerBound(left) : std::nullopt, high = low ? upperBound(left) : low;
  if (high && *low >= 0 && *high < divisor) return left;
  return make(ExprOp::Mod, {left, integer(divisor)});
}

//===- conversions
//-------------------------------------------------------------------------------------------------===//

/// A comparison or connective: surely a Boolean.
static bool isTruth(Expr e) {
  switch (e->op) {
  case ExprOp::AtMostZero:
  case ExprOp::IsZero:
  case ExprOp::Less:
  case ExprOp::Equal:
  case ExprOp::And:
  case ExprOp::Or:
  case ExprOp::Not:
    return true;
  default:
    return false;
  }
}

Expr ExprContext::toReal(Expr a) {
  if (isTruth(a)) return select(a, real(1), real(0));
  if (auto value = a.asInteger()) return real(double(*value));
  if (a->op == ExprOp::Bool) return real(a->constant);
  if (a->op == ExprOp::Real) return a;
  if (a->op == ExprOp::Select) return select(a->operands[0], toReal(a->operands[1]), toReal(a->operands[2]));
  return a.isAffine() ? make(ExprOp::ToReal, {a}) : a;
}

Expr ExprContext::toInteger(Expr a) {
  if (isTruth(a)) return select(a, integer(1), integer(0));
  if (auto value = a.asReal()) return std::fabs(*value) < 0x1p62 ? integer(int64_t(*value)) : undefined();
  if (a->op == ExprOp::Bool) return integer(a->constant);
  if (a->op == ExprOp::ToReal) return a->operands[0];
  if (a->op == ExprOp::Select) return select(a->operands[0], toInteger(a->operands[1]), toInteger(a->operands[2]));
  if (a->op == ExprOp::Div) return unary(TruncatedToInteger, a); // of reals: seldom whole
  return a;
}

Expr ExprContext::toBool(Expr a) {
  if (auto value = a.asReal()) return boolean(*value != 0);
  if (a->op == ExprOp::Select) return select(a->operands[0], toBool(a->operands[1]), toBool(a->operands[2]));
  if (a->op == ExprOp::ToReal) return toBool(a->operands[0]);
  if (a.isAffine()) return logicalNot(isZero(a));
  return a;
}

//===- comparison and logic
//----------------------------------------------------------------------------------------===//

Expr ExprContext::less(Expr a, Expr b) {
  if (a.isAffine() && b.isAffine()) return lessEqual(add(a, integer(1)), b);
  if (a.asReal() && b.asReal()) return boolean(*a.asReal() < *b.asReal());
  if (auto pair = integralPair(*this, a, b)) return less(pair->first, pair->second);
  if (auto moved = throughSelect([&](Expr x, Expr y) { return less(x, y); }, a, b)) return *moved;
  return make(ExprOp::Less, {a, b});
}

Expr ExprContext::lessEqual(Expr a, Expr b) {
  if (a.isAffine() && b.isAffine()) {
    Expr difference = combine(a, b, -1);
    return difference.isAffine() ? atMostZero(difference) : difference;
  }
  if (a.asReal() && b.asReal()) return boolean(*a.asReal() <= *b.asReal());
  if (auto pair = integralPair(*this, a, b)) return lessEqual(pair->first, pair->second);
  if (auto moved = throughSelect([&](Expr x, Expr y) { return lessEqual(x, y); }, a, b)) return *moved;
  return logicalOr(less(a, b), equal(a, b)); // not (b < a) would be true for NaN
}

Expr ExprContext::equal(Expr a, Expr b) {
  if (a.isAffine() && b.isAffine()) {
    Expr difference = combine(a, b, -1);
    return difference.isAffine() ? isZero(difference) : difference;
  }
  if (a.asReal() && b.asReal()) return boolean(*a.asReal() == *b.asReal());
  if (a.asBool()) return *a.asBool() ? b : logicalNot(b);
  if (b.asBool()) return *b.asBool() ? a : logicalNot(a);
  if (auto pair = integralPair(*this, a, b)) return equal(pair->first, pair->second);
  if (auto moved = throughSelect([&](Expr x, Expr y) { return equal(x, y); }, a, b)) return *moved;
  if (b->id < a->id) std::swap(a, b);
  return make(ExprOp::Equal, {a, b});
}

Expr ExprContext::logicalNot(Expr a) {
  if (auto value = a.asBool()) return boolean(!*value);
  if (a->op == ExprOp::Not) return a->operands[0];
  if (a->op == ExprOp::AtMostZero) { // not (L <= 0) is 1 - L <= 0
    Expr flipped = combine(integer(1), a->operands[0], -1);
    return flipped.isAffine() ? atMostZero(flipped) : flipped;
  }
  if (a->op == ExprOp::Select) return select(a->operands[0], logicalNot(a->operands[1]), logicalNot(a->operands[2]));
  return make(ExprOp::Not, {a});
}

Expr ExprContext::logicalAnd(Expr a, Expr b) {
  if (auto value = a.asBool()) return *value ? b : a;
  if (auto value = b.asBool()) return *value ? a : b;
  if (a == b) return a;
  if (a == logicalNot(b)) return boolean(false);
  if (b->id < a->id) std::swap(a, b);
  return make(ExprOp::And, {a, b});
}

Expr ExprContext::logicalOr(Expr a, Expr b) {
  if (auto value = a.asBool()) return *value ? a : b;
  if (auto value = b.asBool()) return *value ? b : a;
  if (a == b) return a;
  if (a == logicalNot(b)) return boolean(true);
  if (b->id < a->id) std::swap(a, b);
  return make(ExprOp::Or, {a, b});
}

Expr ExprContext::select(Expr condition, Expr yes, Expr no) {
  if (auto value = condition.asBool()) return *value ? yes : no;
  if (yes == no) return yes;
  if (condition->op == ExprOp::Not) return select(condition->operands[0], no, yes);
  if (yes->op == ExprOp::Select && yes->operands[0] == condition) yes = yes->operands[1];
  if (no->op == ExprOp::Select && no->operands[0] == condition) no = no->operands[2];
  if (yes == no) return yes;
  if (Expr zero = condition->op == ExprOp::AtMostZero ? condition->operands[0] : Expr();
      zero && zero->constant == 0 && zero->terms.size() == 1 &&
      zero->terms[0] == std::pair(zero->terms[0].first, int64_t(1)))
    if (mentions(yes, zero->terms[0].first)) // v <= 0 with v >= 0 (invariant 4)
      return select(condition, substitute(yes, {{zero->terms[0].first, integer(0)}}), no);
  if (yes.asBool() && no.asBool()) return *yes.asBool() ? condition : logicalNot(condition);
  if (yes.asBool()) return *yes.asBool() ? logicalOr(condition, no) : logicalAnd(logicalNot(condition), no);
  if (no.asBool()) return *no.asBool() ? logicalOr(logicalNot(condition), yes) : logicalAnd(condition, yes);
  return make(ExprOp::Select, {condition, yes, no});
}

//===- opaque
//------------------------------------------------------------------------------------------------------===//

/// A number as the type of a rounding code holds it; nullopt where the code does not tell the type.
static std::optional<double> roundedNumber(unsigned code, double value) {
  bool known = code == roundingTo(16, false) || code == roundingTo(16, true) || code == roundingTo(32, false);
  if (!known) return std::nullopt;
  const llvm::fltSemantics &type = code == roundingTo(32, false)  ? llvm::APFloat::IEEEsingle()
                                   : code == roundingTo(16, true) ? llvm::APFloat::BFloat()
                                                                  : llvm::APFloat::IEEEhalf();
  bool inexact;
  llvm::APFloat number(value);
  number.convert(type, llvm::APFloat::rmNearestTiesToEven, &inexact);
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

Expr ExprContext::unary(unsigned code, Expr a) {
  if (isRounding(code) && a->op == ExprOp::Select)
    return select(a->operands[0], unary(code, a->operands[1]), unary(code, a->operands[2]));
  if (auto value = a.asReal(); value && isRounding(code))
    if (auto number = roundedNumber(code, *value)) return real(*number);
  if (auto value = a.asReal(); value && code == TruncatedToInteger && std::fabs(*value) < 0x1p62)
    return integer(int64_t(*value));
  return make(ExprOp::Unary, {a}, code);
}

Expr ExprContext::table(mlir::Attribute array, llvm::ArrayRef<Expr> indices) {
  return make(ExprOp::Table, indices, 0, array);
}
