// Result types of elementwise and quantisation ops.
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot::graph;

static RankedTensorType ranked(Value value) { return cast<RankedTensorType>(value.getType()); }

static LogicalResult broadcastInto(std::optional<Location> location, ArrayRef<RankedTensorType> operands, Type element,
                                   SmallVectorImpl<Type> &results) {
  SmallVector<int64_t> shape;
  for (RankedTensorType operand : operands) {
    auto joined = broadcastShapes(shape, operand.getShape());
    if (!joined) return emitOptionalError(location, "operands do not broadcast: ", operand, " against the others");
    shape = *joined;
  }
  results.push_back(RankedTensorType::get(shape, element));
  return success();
}

LogicalResult UnaryOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor op,
                                        SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  bool isTest = op.getKind() == UnaryKind::is_nan || op.getKind() == UnaryKind::is_inf;
  results.push_back(isTest ? type.clone(IntegerType::get(context, 1)) : type);
  return success();
}

LogicalResult BinaryOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  RankedTensorType lhs = ranked(op.getLhs()), rhs = ranked(op.getRhs());
  return broadcastInto(location, {lhs, rhs}, lhs.getElementType(), results);
}

LogicalResult CompareOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  return broadcastInto(location, {ranked(op.getLhs()), ranked(op.getRhs())}, IntegerType::get(context, 1), results);
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  RankedTensorType yes = ranked(op.getYes());
  return broadcastInto(location, {ranked(op.getCondition()), yes, ranked(op.getNo())}, yes.getElementType(), results);
}

LogicalResult DequantOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  bool perTensor = ranked(op.getScale()).hasStaticShape() && ranked(op.getScale()).getNumElements() == 1;
  if (!perTensor && int64_t(op.getAxis()) >= type.getRank())
    return emitOptionalError(location, "axis ", op.getAxis(), " is outside of rank ", type.getRank());
  results.push_back(type.clone(ranked(op.getScale()).getElementType()));
  return success();
}

LogicalResult DynamicQuantOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor op,
                                               SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  Type byte = IntegerType::get(context, 8, IntegerType::Unsigned);
  results.push_back(type.clone(byte));
  results.push_back(RankedTensorType::get({}, type.getElementType()));
  results.push_back(RankedTensorType::get({}, byte));
  return success();
}
