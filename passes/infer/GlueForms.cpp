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

/// Combines the elements of a long or symbolic axis, where `element` is the one at index r. Null if there is no form.
static Expr alongAxis(ExprContext &exprs, ReduceKind kind, Expr element, Variable r, Expr size) {
  if (!element) return {};
  bool varies = exprs.mentions(element, r);
  if (kind == ReduceKind::max || kind == ReduceKind::min)
    return varies ? extremum(exprs, kind, element, r, size) : element;
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
