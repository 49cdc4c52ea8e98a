// Where values begin: constants, weights, ranges, fills, shapes.
#include "passes/infer/Rules.h"

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

struct RangeRule {
  void infer(graph::RangeOp op, Typing &typing) const {
    if (!allClosed(typing, op)) return typing.report(op, "has bounds that depend on the tokens");
    auto start = typing.integers(op.getStart(), op), limit = typing.integers(op.getLimit(), op);
    auto delta = typing.integers(op.getDelta(), op);
    if (!start || !limit || !delta) return;
    if (!(*delta)[0].is(1))
      return typing.report(op, "steps by " + typing.exprs.print((*delta)[0]) + "; only 1 is understood");
    Expr count = typing.exprs.sub((*limit)[0], (*start)[0]);
    if (typing.exprs.lessEqual(typing.exprs.integer(0), count).asBool() != true)
      return typing.report(op, "has the length " + typing.exprs.print(count) + ", which may be negative");
    auto form = [&typing, first = (*start)[0]](Indices indices) { return typing.exprs.add(first, indices[0]); };
    typing.setClosed(op, {Dim(typing.exprs, count)}, form, allConstant(typing, op));
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
