// One graph op on one row.
#include "passes/infer/RowRegion.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

// Beyond so many elements a float constant is a weight (invariant 3); no literal has more than graph.constant may.
static constexpr int64_t WeightElements = 16, LiteralBytes = 64 << 10;

RowRegion::RowRegion(RowBuilder &rows, Operation *from) : rows(rows), from(from), builder(from->getContext()) {
  builder.setInsertionPointToEnd(&body.emplaceBlock());
}

//===- values inside ----------------------------------------------------------------------------------------------===//

RankedTensorType RowRegion::typeOf(Value graphValue) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : rows.typing.shape(graphValue)) {
    int64_t size = 1;
    for (Expr factor : dim.factors()) {
      if (factor == rows.typing.exprs.fresh()) continue;
      if (!factor.asInteger()) return {};
      size *= *factor.asInteger();
    }
    shape.push_back(size);
  }
  Type element = cast<RankedTensorType>(graphValue.getType()).getElementType();
  return RankedTensorType::get(shape, isa<FloatType>(element) ? builder.getF32Type() : element);
}

Value RowRegion::constant(DenseElementsAttr value) { return create<graph::ConstantOp>(value.getType(), value); }

Value RowRegion::integers(ArrayRef<int64_t> values) {
  return constant(
      DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, builder.getI64Type()), values));
}

Value RowRegion::cast(Value value, Type element) {
  auto type = mlir::cast<RankedTensorType>(value.getType());
  return type.getElementType() == element ? value : create<graph::CastOp>(type.clone(element), value);
}

Value RowRegion::argument(Value rowsValue, ArrayRef<int64_t> shape) {
  Type element = mlir::cast<RankedTensorType>(rowsValue.getType()).getElementType();
  unsigned place = inputs.size();
  inputs.push_back(rowsValue); // arguments of rows come before those of weights
  return body.front().insertArgument(place, RankedTensorType::get(shape, element), from->getLoc());
}

Value RowRegion::weight(FlatSymbolRefAttr recipe, ArrayRef<int64_t> shape) {
  weights.push_back(recipe);
  return body.addArgument(RankedTensorType::get(shape, builder.getF32Type()), from->getLoc());
}

/// A file's constant, perhaps reshaped or cast: what recipes hold without arithmetic.
static bool isPlainWeight(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op) return false;
  if (isa<graph::WeightOp, graph::ConstantOp>(op)) return true;
  return isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::TransposeOp, graph::CastOp>(op) &&
         isPlainWeight(op->getOperand(0));
}

static std::optional<APFloat> floatLiteral(Expr e) {
  auto value = e ? e.asReal() : std::nullopt;
  if (!value) return std::nullopt;
  APFloat number(*value);
  bool inexact;
  number.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &inexact);
  return number;
}

static std::optional<APInt> integerLiteral(Expr e, unsigned width) {
  if (!e) return std::nullopt;
  if (auto truth = e.asBool()) return APInt(width, *truth);
  auto value = e.asInteger();
  return value ? std::optional(APInt(width, *value, /*isSigned=*/true)) : std::nullopt;
}

/// The elements of a closed value that depends on no token, if all are known.
std::optional<DenseElementsAttr> RowRegion::literal(Value graphValue, RankedTensorType type) {
  Typing &typing = rows.typing;
  ExprContext &exprs = typing.exprs;
  Type element = type.getElementType();
  int64_t count = type.getNumElements();
  if (count * std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8) > LiteralBytes) return std::nullopt;
  Shape shape(typing.shape(graphValue));
  SmallVector<Expr, 4> tokens(shape.size());
  for (auto [dim, index] : llvm::zip(shape, tokens))
    if (!dim.constant()) {
      if (dim != typing.freshDim()) return std::nullopt;
      index = exprs.variable(exprs.newVariable("i"));
    }
  SmallVector<APFloat> floats;
  SmallVector<APInt> numbers;
  SmallVector<int64_t> place(shape.size(), 0);
  for (int64_t k = 0; k < count; ++k) {
    SmallVector<Expr, 4> indices;
    for (auto [token, at] : llvm::zip(tokens, place)) indices.push_back(token ? token : exprs.integer(at));
    Expr value = typing.at(graphValue, indices);
    if (isa<FloatType>(element)) {
      auto number = floatLiteral(value);
      if (!number) return std::nullopt;
      floats.push_back(*number);
    } else {
      auto number = integerLiteral(value, element.getIntOrFloatBitWidth());
      if (!number) return std::nullopt;
      numbers.push_back(*number);
    }
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++place[axis] < type.getDimSize(axis)) break;
      place[axis] = 0;
    }
  }
  return floats.empty() ? DenseElementsAttr::get(type, numbers) : DenseElementsAttr::get(type, floats);
}

Value RowRegion::closedOperand(Value graphValue, RankedTensorType type) {
  bool manyFloats = isa<FloatType>(type.getElementType()) && type.getNumElements() > WeightElements;
  bool plain = rows.typing[graphValue].constant && isPlainWeight(graphValue);
  if (!manyFloats || !plain)
    if (auto elements = literal(graphValue, type)) return constant(*elements);
  if (rows.typing[graphValue].constant) {
    auto recipe = rows.recipes.of(rows.typing, graphValue, from);
    return recipe ? weight(recipe, type.getShape()) : Value();
  }
  Value made = rows.materialise(graphValue, from);
  return made ? argument(made, type.getShape()) : made;
}

Value RowRegion::operand(Value graphValue) {
  RankedTensorType type = typeOf(graphValue);
  const AbstractValue &value = rows.typing[graphValue];
  if (!type || !(value.isToken() || value.isClosed())) {
    rows.typing.report(from, "takes " + print(rows.typing.exprs, rows.typing.shape(graphValue)) +
                                 ", which is neither constant nor one row a token");
    return {};
  }
  Value inside;
  if (value.isClosed())
    inside = closedOperand(graphValue, type);
  else if (Value made = rows.rows(graphValue))
    inside = argument(made, type.getShape());
  return inside ? cast(inside, type.getElementType()) : inside;
}

//===- the op -----------------------------------------------------------------------------------------------------===//

SmallVector<Value> RowRegion::finish(ValueRange values) {
  SmallVector<Value> yields;
  SmallVector<Type> types;
  for (Value value : values) {
    yields.push_back(cast(value, builder.getF32Type()));
    types.push_back(rows.rowType(mlir::cast<RankedTensorType>(value.getType()).getNumElements()));
  }
  builder.create<decoder::YieldOp>(from->getLoc(), yields);
  auto made = rows.create<decoder::RowsOp>(from, types, inputs, builder.getArrayAttr(weights));
  made.getBody().takeBody(body);
  return SmallVector<Value>(made.getResults());
}

/// A slice's bounds on one row: the whole token axis, literals elsewhere.
static bool sliceOperands(RowRegion &region, graph::SliceOp op, SmallVectorImpl<Value> &operands) {
  Typing &typing = region.rows.typing;
  auto starts = typing.integers(op.getStarts(), op), ends = typing.integers(op.getEnds(), op);
  if (!starts || !ends) return false;
  SmallVector<int64_t> from, to;
  for (auto [k, axis] : llvm::enumerate(op.getAxes())) {
    bool whole = !typing.shape(op.getInput())[axis].constant();
    auto start = (*starts)[k].asInteger(), end = (*ends)[k].asInteger();
    if (!whole && (!start || !end)) return false;
    from.push_back(whole ? 0 : *start);
    to.push_back(whole ? INT64_MAX : *end);
  }
  llvm::append_values(operands, region.operand(op.getInput()), region.integers(from), region.integers(to));
  return true;
}

/// The operands inside. False if the op has no row form; a null operand failed otherwise.
static bool operandsOf(RowRegion &region, Operation *op, SmallVectorImpl<Value> &operands) {
  if (auto slice = dyn_cast<graph::SliceOp>(op)) return sliceOperands(region, slice, operands);
  if (isa<graph::ReshapeOp, graph::ExpandOp>(op)) {
    RankedTensorType type = region.typeOf(op->getResult(0));
    if (!type) return false;
    llvm::append_values(operands, region.operand(op->getOperand(0)), region.integers(type.getShape()));
    return true;
  }
  for (Value operand : op->getOperands()) operands.push_back(region.operand(operand));
  return true;
}

bool RowRegion::lower(RowBuilder &rows, Operation *op) {
  if (!isa<graph::GraphDialect>(op->getDialect()) || op->getNumRegions() ||
      isa<graph::NonzeroOp, graph::ShapeOp, graph::RangeOp>(op))
    return false;
  RowRegion region(rows, op);
  SmallVector<Value> operands;
  if (!operandsOf(region, op, operands)) return false;
  if (!llvm::all_of(operands, [](Value v) { return bool(v); })) return true; // told upstream
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(operands);
  state.addAttributes(op->getAttrs());
  for (Value result : op->getResults()) {
    RankedTensorType type = region.typeOf(result);
    if (!type) return false;
    state.addTypes(type);
  }
  Operation *inside = region.builder.create(state);
  for (auto [result, made] : llvm::zip(op->getResults(), region.finish(inside->getResults()))) rows.set(result, made);
  return true;
}
