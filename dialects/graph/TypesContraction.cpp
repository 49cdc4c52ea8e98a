// Result types of ops that combine elements along an axis.
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot::graph;

static constexpr int64_t kDynamic = ShapedType::kDynamic;
static RankedTensorType ranked(Value value) { return cast<RankedTensorType>(value.getType()); }

static LogicalResult checkAxis(std::optional<Location> location, int64_t axis, RankedTensorType type) {
  if (axis >= 0 && axis < type.getRank()) return success();
  return emitOptionalError(location, "axis ", axis, " is outside of ", type);
}

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  SmallVector<int64_t> shape;
  for (size_t i = 0; i < op.getAxes().size(); ++i)
    if (failed(checkAxis(location, op.getAxes()[i], type)) || (i && op.getAxes()[i] <= op.getAxes()[i - 1]))
      return emitOptionalError(location, "axes must ascend inside of ", type);
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!llvm::is_contained(op.getAxes(), i))
      shape.push_back(type.getDimSize(i));
    else if (op.getKeepdims())
      shape.push_back(1);
  }
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  results.push_back(op.getInput().getType());
  return checkAxis(location, op.getAxis(), ranked(op.getInput()));
}

LogicalResult CumsumOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  results.push_back(op.getInput().getType());
  return checkAxis(location, op.getAxis(), ranked(op.getInput()));
}

LogicalResult TopkOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location, Adaptor op,
                                       SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  if (failed(checkAxis(location, op.getAxis(), type))) return failure();
  auto k = constantIntegers(op.getK());
  if (k && (k->size() != 1 || k->front() < 0)) return emitOptionalError(location, "k must be one natural number");
  SmallVector<int64_t> shape(type.getShape());
  shape[op.getAxis()] = k ? k->front() : kDynamic;
  results.push_back(type.clone(shape));
  results.push_back(RankedTensorType::get(shape, IntegerType::get(context, 64)));
  return success();
}

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  RankedTensorType lhs = ranked(op.getLhs()), rhs = ranked(op.getRhs());
  if (lhs.getRank() == 0 || rhs.getRank() == 0) return emitOptionalError(location, "operands must not be scalars");
  SmallVector<int64_t> a(lhs.getShape()), b(rhs.getShape());
  if (lhs.getRank() == 1) a.insert(a.begin(), 1);
  if (rhs.getRank() == 1) b.push_back(1);
  int64_t left = a.back(), right = b[b.size() - 2];
  if (left != right && left != kDynamic && right != kDynamic)
    return emitOptionalError(location, "contracted dims differ: ", lhs, " and ", rhs);
  auto shape = broadcastShapes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!shape) return emitOptionalError(location, "batch dims do not broadcast: ", lhs, " and ", rhs);
  if (lhs.getRank() > 1) shape->push_back(a[a.size() - 2]);
  if (rhs.getRank() > 1) shape->push_back(b.back());
  results.push_back(lhs.clone(*shape));
  return success();
}
