// Result types of sources and of data movement by position.
#include "dialects/graph/Graph.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ingot::graph;

static constexpr int64_t kDynamic = ShapedType::kDynamic;
static RankedTensorType ranked(Value value) { return cast<RankedTensorType>(value.getType()); }

// Ascending, distinct, inside [0, rank).
static bool areAxes(ArrayRef<int64_t> axes, int64_t rank) {
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] < (i ? axes[i - 1] + 1 : 0) || axes[i] >= rank) return false;
  return true;
}

// The rank of a result is the length of its shape operand, which must be known.
static FailureOr<SmallVector<int64_t>> shapeOperand(std::optional<Location> location, Value shape) {
  auto known = knownShape(shape);
  if (known) return *known;
  return FailureOr<SmallVector<int64_t>>(
      emitOptionalError(location, "the rank of the result is unknown: its shape is a ", shape.getType()));
}

LogicalResult RangeOp::inferReturnTypes(MLIRContext *, std::optional<Location>, Adaptor op,
                                        SmallVectorImpl<Type> &results) {
  int64_t length = kDynamic;
  auto start = constantIntegers(op.getStart()), limit = constantIntegers(op.getLimit()),
       delta = constantIntegers(op.getDelta());
  bool known = start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1;
  if (known && delta->front() != 0) {
    __int128 distance = __int128(limit->front()) - start->front(), step = delta->front();
    __int128 count = (distance + step - (step > 0 ? 1 : -1)) / step;
    length = (distance > 0) != (step > 0) || distance == 0 ? 0 : count > INT64_MAX ? kDynamic : int64_t(count);
  }
  results.push_back(RankedTensorType::get({length}, ranked(op.getStart()).getElementType()));
  return success();
}

LogicalResult FillOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                       SmallVectorImpl<Type> &results) {
  auto shape = shapeOperand(location, op.getShape());
  if (failed(shape)) return failure();
  for (int64_t dim : *shape)
    if (dim < 0 && dim != kDynamic) return emitOptionalError(location, "negative dim ", dim, " in a shape");
  results.push_back(RankedTensorType::get(*shape, ranked(op.getValue()).getElementType()));
  return success();
}

LogicalResult ShapeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> location, Adaptor op,
                                        SmallVectorImpl<Type> &results) {
  int64_t start = op.getStart(), end = op.getEnd();
  if (start < 0 || end < start || end > ranked(op.getInput()).getRank())
    return emitOptionalError(location, "dims [", start, ", ", end, ") of ", op.getInput().getType());
  results.push_back(RankedTensorType::get({end - start}, IntegerType::get(context, 64)));
  return success();
}

// Fills in the dim that -1 stands for when all else is static; dims copied by 0 may be unknown.
static LogicalResult resolveReshape(std::optional<Location> location, RankedTensorType input, bool allowzero,
                                    SmallVectorImpl<int64_t> &shape) {
  int64_t rest = -1, product = 1;
  bool isStatic = input.hasStaticShape();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allowzero) {
      if (int64_t(i) >= input.getRank()) return emitOptionalError(location, "0 at dim ", i, " has no dim to copy");
      shape[i] = input.getDimSize(i);
    } else if (shape[i] == -1) {
      if (rest >= 0) return emitOptionalError(location, "more than one dim is -1");
      rest = i;
      continue;
    } else if (shape[i] < 0 && shape[i] != kDynamic) {
      return emitOptionalError(location, "negative dim ", shape[i], " in a shape");
    }
    if (shape[i] == kDynamic)
      isStatic = false;
    else if (isStatic && llvm::MulOverflow(product, shape[i], product))
      return emitOptionalError(location, "the shape's product overflows");
  }
  if (isStatic) {
    int64_t count = input.getNumElements();
    if (rest >= 0 ? product == 0 || count % product != 0 : count != product)
      return emitOptionalError(location, "cannot reshape ", input, " to a shape of ", product, " elements");
    if (rest >= 0) shape[rest] = count / product;
  } else if (rest >= 0) {
    shape[rest] = kDynamic;
  }
  return success();
}

LogicalResult ReshapeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  auto shape = shapeOperand(location, op.getShape());
  if (failed(shape) || failed(resolveReshape(location, ranked(op.getInput()), op.getAllowzero(), *shape)))
    return failure();
  results.push_back(ranked(op.getInput()).clone(*shape));
  return success();
}

LogicalResult SqueezeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                          SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  if (!areAxes(op.getAxes(), type.getRank())) return emitOptionalError(location, "axes outside of ", type);
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    bool drop = llvm::is_contained(op.getAxes(), i);
    if (drop && !type.isDynamicDim(i) && type.getDimSize(i) != 1)
      return emitOptionalError(location, "cannot squeeze dim ", i, " of ", type);
    if (!drop) shape.push_back(type.getDimSize(i));
  }
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult UnsqueezeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                            SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  SmallVector<int64_t> shape(type.getShape());
  if (!areAxes(op.getAxes(), type.getRank() + op.getAxes().size()))
    return emitOptionalError(location, "axes outside of the result's rank ", type.getRank() + op.getAxes().size());
  for (int64_t axis : op.getAxes()) shape.insert(shape.begin() + axis, 1);
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                            SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  SmallVector<int64_t> sorted(op.getPermutation()), shape;
  llvm::sort(sorted);
  if (int64_t(sorted.size()) != type.getRank() || !areAxes(sorted, type.getRank()))
    return emitOptionalError(location, "not a permutation of the dims of ", type);
  for (int64_t axis : op.getPermutation()) shape.push_back(type.getDimSize(axis));
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult ExpandOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  auto shape = shapeOperand(location, op.getShape());
  if (failed(shape)) return failure();
  for (int64_t dim : *shape)
    if (dim < 0 && dim != kDynamic) return emitOptionalError(location, "negative dim ", dim, " in a shape");
  auto joined = broadcastShapes(ranked(op.getInput()).getShape(), *shape);
  if (!joined) return emitOptionalError(location, op.getInput().getType(), " does not broadcast to the shape");
  results.push_back(ranked(op.getInput()).clone(*joined));
  return success();
}

// NumPy's slice of one axis with a static dim and constant bounds.
static int64_t sliceLength(int64_t dim, int64_t start, int64_t end, int64_t step) {
  auto place = [&](int64_t index, int64_t low, int64_t high) {
    return std::clamp(index < 0 && index >= -dim ? index + dim : index < 0 ? int64_t(-1) : index, low, high);
  };
  if (step > 0) {
    start = place(start, 0, dim), end = place(end, 0, dim);
    return end > start ? (end - start - 1) / step + 1 : 0;
  }
  start = place(start, -1, dim - 1), end = place(end, -1, dim - 1);
  return start > end ? int64_t((__int128(start) - end - 1) / -__int128(step)) + 1 : 0;
}

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                        SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  SmallVector<int64_t> shape(type.getShape()), sorted(op.getAxes());
  size_t count = op.getAxes().size();
  llvm::sort(sorted);
  if (op.getSteps().size() != count || !areAxes(sorted, type.getRank()) || llvm::is_contained(op.getSteps(), 0))
    return emitOptionalError(location, "axes or steps do not fit ", type);
  auto starts = constantIntegers(op.getStarts()), ends = constantIntegers(op.getEnds());
  if ((starts && starts->size() != count) || (ends && ends->size() != count))
    return emitOptionalError(location, "starts, ends and axes differ in length");
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = op.getAxes()[i], step = op.getSteps()[i], dim = shape[axis];
    bool known = starts && ends && dim != kDynamic;
    bool whole = starts && ends && step == 1 && (*starts)[i] == 0 && (*ends)[i] == INT64_MAX;
    if (!whole) shape[axis] = known ? sliceLength(dim, (*starts)[i], (*ends)[i], step) : kDynamic;
  }
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                         SmallVectorImpl<Type> &results) {
  if (op.getInputs().empty()) return emitOptionalError(location, "needs at least one operand");
  RankedTensorType type = ranked(op.getInputs().front());
  int64_t axis = op.getAxis();
  if (axis < 0 || axis >= type.getRank()) return emitOptionalError(location, "axis ", axis, " is outside of ", type);
  SmallVector<int64_t> shape(type.getShape());
  for (Value input : op.getInputs().drop_front()) {
    RankedTensorType next = ranked(input);
    if (next.getRank() != type.getRank() || next.getElementType() != type.getElementType())
      return emitOptionalError(location, "cannot concatenate ", type, " and ", next);
    for (int64_t i = 0; i < type.getRank(); ++i) {
      int64_t dim = next.getDimSize(i);
      bool unknown = dim == kDynamic || shape[i] == kDynamic;
      if (i == axis)
        shape[i] = unknown ? kDynamic : shape[i] + dim;
      else if (!unknown && shape[i] != dim)
        return emitOptionalError(location, "dim ", i, " differs: ", shape[i], " and ", dim);
      else if (shape[i] == kDynamic)
        shape[i] = dim;
    }
  }
  results.push_back(type.clone(shape));
  return success();
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *, std::optional<Location> location, Adaptor op,
                                      SmallVectorImpl<Type> &results) {
  RankedTensorType type = ranked(op.getInput());
  SmallVector<int64_t> shape(type.getShape()), sorted(op.getAxes());
  llvm::sort(sorted);
  size_t count = sorted.size();
  if (!areAxes(sorted, type.getRank())) return emitOptionalError(location, "axes do not fit ", type);
  auto pads = constantIntegers(op.getPads());
  if (pads && pads->size() != 2 * count) return emitOptionalError(location, "needs ", 2 * count, " pads");
  for (size_t i = 0; i < count; ++i) {
    int64_t &dim = shape[op.getAxes()[i]];
    if (dim == kDynamic || !pads) {
      dim = kDynamic;
      continue;
    }
    __int128 sum = __int128(dim) + (*pads)[i] + (*pads)[count + i];
    if (sum < 0 || sum > INT64_MAX) return emitOptionalError(location, "pads leave no dim");
    dim = int64_t(sum);
  }
  results.push_back(type.clone(shape));
  return success();
}
