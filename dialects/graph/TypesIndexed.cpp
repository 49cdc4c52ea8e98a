// Result types of ops that move elements by index tensors.
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot::graph;

static constexpr int64_t kDynamic = ShapedType::kDynamic;
static RankedTensorType ranked(Value value) { return cast<RankedTensorType>(value.getType()); }

static LogicalResult checkAxis(std::optional<Location> location, int64_t axis, RankedTensorType type) {
  if (axis >= 0 && axis < type.getRank()) return success();
  return emitOptionalError(location, "axis ", axis, " is outside of ", type);
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  if (failed(checkAxis(location, op.getAxis(), type))) return failure();
  SmallVector<int64_t> shape(type.getShape().take_front(op.getAxis()));
  llvm::append_range(shape, ranked(op.getIndices()).getShape());
  llvm::append_range(shape, type.getShape().drop_front(op.getAxis() + 1));
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                                 SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput()), indices = ranked(op.getIndices());
  if (failed(checkAxis(location, op.getAxis(), type))) return failure();
  if (indices.getRank() != type.getRank())
    return emitOptionalError(location, "indices ", indices, " differ in rank from ", type);
  results.push_back(type.clone(indices.getShape()));
  return success();
}

LogicalResult GatherNDOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                           SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput()), indices = ranked(op.getIndices());
  int64_t batch = op.getBatchDims(), last = indices.getRank() - 1;
  if (last < 0 || indices.isDynamicDim(last)) return emitOptionalError(location, "indices need a static last dim");
  int64_t depth = indices.getDimSize(last);
  if (batch < 0 || batch > last || batch > type.getRank() || depth > type.getRank() - batch)
    return emitOptionalError(location, "indices ", indices, " do not fit ", type);
  SmallVector<int64_t> shape(indices.getShape().take_front(last));
  llvm::append_range(shape, type.getShape().drop_front(batch + depth));
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult ScatterElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                                  SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput()), indices = ranked(op.getIndices()), updates = ranked(op.getUpdates());
  if (failed(checkAxis(location, op.getAxis(), type))) return failure();
  if (indices.getRank() != type.getRank() || failed(verifyCompatibleShape(indices, updates)) ||
      updates.getElementType() != type.getElementType())
    return emitOptionalError(location, "indices ", indices, " and updates ", updates, " do not fit ", type);
  results.push_back(type);
  return success();
}

LogicalResult ScatterNDOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                            SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput()), indices = ranked(op.getIndices()), updates = ranked(op.getUpdates());
  int64_t last = indices.getRank() - 1;
  bool fits = last >= 0 && !indices.isDynamicDim(last) && indices.getDimSize(last) <= type.getRank() &&
              updates.getRank() == last + type.getRank() - indices.getDimSize(last) &&
              updates.getElementType() == type.getElementType();
  if (!fits) return emitOptionalError(location, "indices ", indices, " and updates ", updates, " do not fit ", type);
  results.push_back(type);
  return success();
}

LogicalResult NonzeroOp::inferReturnTypes(MLIRContext *context, std::optional<Location>, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  int64_t rank = ranked(op.getInput()).getRank();
  results.push_back(RankedTensorType::get({rank, kDynamic}, IntegerType::get(context, 64)));
  return success();
}
