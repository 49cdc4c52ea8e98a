// Reductions and products of closed values.
#include "passes/infer/GlueForms.h"
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;
using graph::ReduceKind;

static constexpr int64_t MaxTerms = 64;

static Expr combine(ExprContext &exprs, ReduceKind kind, Expr a, Expr b) {
  switch (kind) {
  case ReduceKind::sum:
  case ReduceKind::mean:
    return exprs.add(a, b);
  case ReduceKind::max:
    return exprs.maximum(a, b);
  case ReduceKind::min:
    return exprs.minimum(a, b);
  case ReduceKind::prod:
    return exprs.mul(a, b);
  }
  return {};
}

/// The element at r = 0 or r = size - 1, whichever an affine form (as an integer or a real) is largest or least at.
static Expr extremum(ExprContext &exprs, ReduceKind kind, Expr element, Variable r, Expr size) {
  Expr affine = element->op == ExprOp::ToReal ? element->operands[0] : element;
  if (!affine.isAffine() || exprs.lessEqual(exprs.integer(1), size).asBool() != true) return {};
  int64_t slope = 0;
  for (auto [v, coefficient] : affine->terms)
    if (v == r) slope = coefficient;
  bool last = (slope > 0) == (kind == ReduceKind::max);
  return exprs.substitute(element, {{r, last ? exprs.sub(size, exprs.integer(1)) : exprs.integer(0)}});
}

/// How many r in [0, size) fulfil a conjunction of bounds on r. Null if it is none.
static Expr countOf(ExprContext &exprs, Expr condition, Variable r, Expr size) {
  Expr least = exprs.integer(0), most = exprs.sub(size, exprs.integer(1));
  SmallVector<Expr> work{condition};
  while (!work.empty()) {
    Expr bound = work.pop_back_val();
    if (bound->op == ExprOp::And) {
      work.append(bound->operands.begin(), bound->operands.end());
      continue;
    }
    if (bound->op != ExprOp::AtMostZero) return {};
    Expr form = bound->operands[0], index = exprs.variable(r);
    Expr upper = exprs.sub(index, form), lower = exprs.add(index, form); // r - form, where form = r - upper <= 0
    if (!exprs.mentions(upper, r))
      most = exprs.minimum(most, upper);
    else if (!exprs.mentions(lower, r))
      least = exprs.maximum(least, lower);
    else
      return {};
  }
  return exprs.maximum(exprs.integer(0), exprs.add(exprs.sub(most, least), exprs.integer(1)));
}

namespace {
/// How many r in [0, size) make a condition true: an interval where it is a conjunction of bounds on r.
struct Counter {
  ExprContext &exprs;
  Variable r;
  Expr size;
  Expr low, high, guard; ///< r in [low, high) where the guard holds

  Counter(ExprContext &exprs, Variable r, Expr size)
      : exprs(exprs), r(r), size(size), low(exprs.integer(0)), high(size), guard(exprs.boolean(true)) {}

  int64_t slope(Expr affine) const {
    for (auto [v, coefficient] : affine->terms)
      if (v == r) return coefficient;
    return 0;
  }

  /// Narrows the interval by a bound; false if the condition is no bound.
  bool meet(Expr condition, bool truth) {
    if (!exprs.mentions(condition, r)) {
      guard = exprs.logicalAnd(guard, truth ? condition : exprs.logicalNot(condition));
      return true;
    }
    if (condition->op == ExprOp::Not) return meet(condition->operands[0], !truth);
    if (condition->op == (truth ? ExprOp::And : ExprOp::Or))
      return meet(condition->operands[0], truth) && meet(condition->operands[1], truth);
    if (condition->op == ExprOp::IsZero && truth) {
      Expr at = rootOf(condition->operands[0]);
      if (!at) return false;
      return raise(at), lower(exprs.add(at, exprs.integer(1))), true;
    }
    if (condition->op != ExprOp::AtMostZero) return false;
    Expr form = truth ? condition->operands[0] : exprs.sub(exprs.integer(1), condition->operands[0]);
    Expr at = rootOf(form);
    if (!at) return false;
    slope(form) > 0 ? lower(exprs.add(at, exprs.integer(1))) : raise(at);
    return true;
  }

  /// The r where an affine form of slope 1 or -1 is 0; null for other slopes.
  Expr rootOf(Expr form) const {
    int64_t k = slope(form);
    if (k != 1 && k != -1) return {};
    Expr rest = exprs.sub(form, exprs.mul(exprs.integer(k), exprs.variable(r)));
    return exprs.mul(exprs.integer(-k), rest);
  }
  void raise(Expr bound) { low = exprs.maximum(low, bound); }
  void lower(Expr bound) { high = exprs.minimum(high, bound); }

  Expr count() { return exprs.select(guard, exprs.maximum(exprs.integer(0), exprs.sub(high, low)), exprs.integer(0)); }
};
} // namespace

/// The number of r in [0, size) where the condition holds; null if it is neither an interval nor all but one.
static Expr countTrue(ExprContext &exprs, Expr condition, Variable r, Expr size) {
  for (bool truth : {true, false}) {
    Counter counter(exprs, r, size);
    if (counter.meet(condition, truth)) return truth ? counter.count() : exprs.sub(size, counter.count());
  }
  return {};
}

/// A combination of elements that are one of two literals (a mask as numbers or truth values).
static Expr ofTwoLiterals(ExprContext &exprs, ReduceKind kind, Expr element, Variable r, Expr size) {
  if (element->op != ExprOp::Select || !element->operands[1].isLiteral() || !element->operands[2].isLiteral())
    return {};
  Expr yes = element->operands[1], no = element->operands[2];
  Expr count = countTrue(exprs, element->operands[0], r, size);
  if (!count) return {};
  bool real = yes.asReal().has_value();
  if (kind == ReduceKind::max || kind == ReduceKind::min) {
    bool first = exprs.less(yes, no).asBool() == (kind == ReduceKind::min); // the first literal wins where it occurs
    Expr winner = first ? yes : no, loser = first ? no : yes;
    Expr occurrences = first ? count : exprs.sub(size, count);
    return exprs.select(exprs.lessEqual(exprs.integer(1), occurrences), winner, loser);
  }
  if (kind != ReduceKind::sum) return {};
  Expr rest = exprs.sub(size, count);
  auto times = [&](Expr n, Expr literal) { return exprs.mul(real ? exprs.toReal(n) : n, literal); };
  if (no.is(0) || no.asReal() == 0.0) return times(count, yes);
  if (yes.is(0) || yes.asReal() == 0.0) return times(rest, no);
  return exprs.add(times(count, yes), times(rest, no));
}

/// Combines the elements of a long or symbolic axis, where `element` is the one at index r. Null if there is no form.
static Expr alongAxis(ExprContext &exprs, ReduceKind kind, Expr element, Variable r, Expr size) {
  if (!element) return {};
  bool varies = exprs.mentions(element, r);
  if (varies)
    if (Expr two = ofTwoLiterals(exprs, kind, element, r, size)) return two;
  if (kind == ReduceKind::max || kind == ReduceKind::min)
    return varies ? extremum(exprs, kind, element, r, size) : element;
  if (varies && kind == ReduceKind::sum && element->op == ExprOp::Select) {
    Expr yes = element->operands[1], no = element->operands[2];
    bool counts = (yes.is(1) && no.is(0)) || (yes.asReal() == 1.0 && no.asReal() == 0.0);
    Expr count = counts ? countOf(exprs, element->operands[0], r, size) : Expr();
    return count && yes.asReal() ? exprs.toReal(count) : count;
  }
  if (varies) return {};
  if (kind == ReduceKind::mean) return element;
  if (kind == ReduceKind::prod) return element.is(1) || element.asReal() == 1.0 ? element : Expr();
  return element.isAffine() ? exprs.mul(size, element) : exprs.mul(exprs.toReal(size), element);
}

namespace {
/// The axes of one reduction, one after the other.
struct Reduction {
  Typing &typing;
  Value input;
  ReduceKind kind;
  ArrayRef<int64_t> axes;

  Expr at(SmallVector<Expr, 4> &indices, size_t next) const {
    ExprContext &exprs = typing.exprs;
    if (next == axes.size()) return typing.at(input, indices);
    int64_t axis = axes[next];
    Expr size = typing.shape(input)[axis].size(exprs);
    auto length = size.asInteger();
    if (!length || *length > MaxTerms) {
      Variable r = exprs.newVariable("r", size);
      indices[axis] = exprs.variable(r);
      return alongAxis(exprs, kind, at(indices, next + 1), r, size);
    }
    Expr result;
    for (int64_t k = 0; k < *length; ++k) {
      indices[axis] = exprs.integer(k);
      Expr element = at(indices, next + 1);
      if (!element) return {};
      result = result ? combine(exprs, kind, result, element) : element;
    }
    if (kind != ReduceKind::mean || !result || *length == 1) return result;
    return result.isAffine() ? Expr() : exprs.divide(result, exprs.real(double(*length)));
  }
};
} // namespace

void ingot::infer::inferGlueReduction(graph::ReduceOp op, Typing &typing, Shape shape) {
  Value input = op.getInput();
  auto form = [op, &typing, input, rank = typing.shape(input).size()](Indices at) mutable -> Expr {
    SmallVector<Expr, 4> indices(rank);
    size_t next = 0;
    for (size_t k = 0; k < rank; ++k) {
      bool reduced = llvm::is_contained(op.getAxes(), int64_t(k));
      if (!reduced) indices[k] = at[next];
      if (!reduced || op.getKeepdims()) ++next;
    }
    return Reduction{typing, input, op.getKind(), op.getAxes()}.at(indices, 0);
  };
  typing.setClosed(op, std::move(shape), form, typing[input].constant);
}

void ingot::infer::inferGlueProduct(graph::MatmulOp op, Typing &typing) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  ArrayRef<Dim> a = typing.shape(lhs), b = typing.shape(rhs);
  if (a.empty() || b.empty()) return typing.report(op, "multiplies a scalar as if it were a matrix");
  size_t contracted = b.size() > 1 ? b.size() - 2 : 0;
  auto terms = a.back().constant();
  if (a.back() != b[contracted])
    return typing.report(op,
                         "contracts " + a.back().print(typing.exprs) + " with " + b[contracted].print(typing.exprs));
  bool rows = a.size() > 1, columns = b.size() > 1;
  auto shape = broadcast({rows ? a.drop_back(2) : ArrayRef<Dim>(), columns ? b.drop_back(2) : ArrayRef<Dim>()});
  if (!shape) return typing.report(op, "has batch axes that do not broadcast");
  size_t batch = shape->size();
  if (rows) shape->push_back(a[a.size() - 2]);
  if (columns) shape->push_back(b.back());
  auto form = [&typing, lhs, rhs, batch, rows, columns, terms](Indices at) -> Expr {
    ExprContext &exprs = typing.exprs;
    if (!terms || *terms > MaxTerms) return {};
    ArrayRef<Dim> a = typing.shape(lhs), b = typing.shape(rhs);
    Expr sum;
    for (int64_t k = 0; k < *terms; ++k) {
      SmallVector<Expr, 4> x, y;
      if (rows) x = broadcastIndices(exprs, a.drop_back(2), at.take_front(batch)), x.push_back(at[batch]);
      if (columns) y = broadcastIndices(exprs, b.drop_back(2), at.take_front(batch));
      x.push_back(exprs.integer(k)), y.push_back(exprs.integer(k));
      if (columns) y.push_back(at.back());
      Expr left = typing.at(lhs, x), right = typing.at(rhs, y);
      if (!left || !right) return {};
      Expr product = exprs.mul(left, right);
      sum = sum ? exprs.add(sum, product) : product;
    }
    return sum;
  };
  typing.setClosed(op, *shape, form, allConstant(typing, op));
}
