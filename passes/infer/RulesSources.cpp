// Where values begin: constants, weights, ranges, fills, shapes.
#include "passes/infer/Rules.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

Shape staticShape(Typing &typing, Value value) {
  Shape shape;
  for (int64_t size : cast<RankedTensorType>(value.getType()).getShape()) shape.push_back(typing.dim(size));
  return shape;
}

Expr literal(ExprContext &exprs, DenseElementsAttr array, uint64_t at) {
  Type type = array.getElementType();
  if (isa<FloatType>(type)) {
    llvm::APFloat value = *(array.value_begin<llvm::APFloat>() + at);
    bool inexact;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    return exprs.real(value.convertToDouble());
  }
  llvm::APInt value = *(array.value_begin<llvm::APInt>() + at);
  if (type.isInteger(1)) return exprs.boolean(!value.isZero());
  return exprs.integer(type.isUnsignedInteger() ? int64_t(value.getZExtValue()) : value.getSExtValue());
}

/// The element at the indices: a literal where they are literals (or all elements are equal), else a table access.
Expr elementOf(ExprContext &exprs, DenseElementsAttr array, Indices indices) {
  if (array.empty()) return {};
  if (array.isSplat()) return literal(exprs, array, 0);
  uint64_t flat = 0;
  for (auto [index, size] : llvm::zip(indices, array.getType().getShape())) {
    auto place = index.asInteger();
    if (!place) return exprs.table(array, indices);
    if (*place < 0 || *place >= size) return {};
    flat = flat * size + *place;
  }
  return literal(exprs, array, flat);
}

struct ConstantRule {
  void infer(graph::ConstantOp op, Typing &typing) const {
    auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
    Attribute array = op.getValue();
    auto form = [&typing, dense, array](Indices indices) {
      return dense ? elementOf(typing.exprs, dense, indices) : typing.exprs.table(array, indices);
    };
    typing.setClosed(op, staticShape(typing, op), form, true);
  }
};

struct WeightRule {
  void infer(graph::WeightOp op, Typing &typing) const {
    Attribute source = op.getSourceAttr();
    auto form = [&typing, source](Indices indices) { return typing.exprs.table(source, indices); };
    typing.setClosed(op, staticShape(typing, op), form, true);
  }
};

struct ShapeRule {
  void infer(graph::ShapeOp op, Typing &typing) const {
    Value input = op.getInput();
    if (typing[input].kind == AbstractValue::Kind::Unknown) return typing.setUnknown(op);
    int64_t start = op.getStart(), end = op.getEnd();
    if (start < 0 || end < start || end > int64_t(typing.shape(input).size()))
      return typing.report(op, "has bounds outside the rank");
    auto form = [&typing, input, start, count = end - start](Indices indices) -> Expr {
      auto k = indices[0].asInteger();
      if (!k || *k < 0 || *k >= count) return {};
      return typing.shape(input)[start + *k].size(typing.exprs);
    };
    bool constant = constantProduct(typing.shape(input)).has_value();
    typing.setClosed(op, {typing.dim(end - start)}, form, constant);
  }
};

/// The one element of a closed scalar; null otherwise.
Expr scalarOf(Typing &typing, Value value) {
  if (!typing[value].isClosed() || constantProduct(typing.shape(value)) != 1) return {};
  return typing.at(value, SmallVector<Expr, 1>(typing.shape(value).size(), typing.exprs.integer(0)));
}

struct RangeRule {
  void infer(graph::RangeOp op, Typing &typing) const {
    if (!allClosed(typing, op)) return typing.report(op, "has bounds that depend on the tokens");
    ExprContext &exprs = typing.exprs;
    Expr start = scalarOf(typing, op.getStart()), limit = scalarOf(typing, op.getLimit());
    Expr delta = scalarOf(typing, op.getDelta());
    if (!start || !limit || !delta) return typing.report(op, "has bounds without a closed form");
    bool real = isa<FloatType>(cast<RankedTensorType>(op.getType()).getElementType());
    if (auto count = countOf(exprs, start, limit, delta)) {
      auto form = [&exprs, start, delta, real](Indices indices) {
        Expr step = real ? exprs.toReal(indices[0]) : indices[0];
        return exprs.add(start, exprs.mul(step, delta));
      };
      return typing.setClosed(op, {Dim(exprs, *count)}, form, allConstant(typing, op));
    }
    typing.report(op, "goes from " + exprs.print(start) + " to " + exprs.print(limit) + " in steps of " +
                          exprs.print(delta) + "; the number of steps must be known and not negative");
  }

  /// ceil((limit - start) / delta); nullopt where it may be negative or is not affine.
  static std::optional<Expr> countOf(ExprContext &exprs, Expr start, Expr limit, Expr delta) {
    if (start.asReal() && limit.asReal() && delta.asReal()) {
      double count = std::ceil((*limit.asReal() - *start.asReal()) / *delta.asReal());
      if (!(count >= 0) || count > 1e9) return std::nullopt;
      return exprs.integer(int64_t(count));
    }
    auto step = exprs.toInteger(delta).asInteger();
    Expr length = exprs.sub(exprs.toInteger(limit), exprs.toInteger(start));
    if (!step || !*step || !length.isAffine() || (delta.asReal() && double(*step) != *delta.asReal()))
      return std::nullopt;
    if (*step < 0) length = exprs.sub(exprs.integer(0), length);
    int64_t stride = *step < 0 ? -*step : *step;
    Expr count = exprs.floorDiv(exprs.add(length, exprs.integer(stride - 1)), stride);
    if (!count.isAffine() || exprs.lessEqual(exprs.integer(0), count).asBool() != true) return std::nullopt;
    return count;
  }
};

std::optional<Shape> shapeFrom(Typing &typing, Value shape, Operation *user) {
  auto sizes = typing.integers(shape, user);
  if (!sizes) return std::nullopt;
  Shape result;
  for (Expr size : *sizes) result.emplace_back(typing.exprs, size);
  return result;
}

struct FillRule {
  void infer(graph::FillOp op, Typing &typing) const {
    auto shape = shapeFrom(typing, op.getShape(), op);
    if (!shape) return;
    Value value = op.getValue();
    if (!typing[value].isClosed())
      return typing.report(op, "spreads one value of the tokens over all; that mixes tokens");
    auto form = [&typing, value](Indices) {
      return typing.at(value, SmallVector<Expr, 1>(typing.shape(value).size(), typing.exprs.integer(0)));
    };
    typing.setClosed(op, *shape, form, allConstant(typing, op));
  }
};

struct IotaRule {
  void infer(graph::IotaOp op, Typing &typing) const {
    auto shape = shapeFrom(typing, op.getShape(), op);
    if (!shape) return;
    auto form = [axis = op.getAxis()](Indices indices) { return indices[axis]; };
    typing.setClosed(op, *shape, form, allConstant(typing, op));
  }
};

} // namespace

void ingot::infer::attachSources(MLIRContext *context) {
  attach<graph::ConstantOp, ConstantRule>(context);
  attach<graph::WeightOp, WeightRule>(context);
  attach<graph::ShapeOp, ShapeRule>(context);
  attach<graph::RangeOp, RangeRule>(context);
  attach<graph::FillOp, FillRule>(context);
  attach<graph::IotaOp, IotaRule>(context);
}
