// What can be read off the IR about values that serve as shapes, and how shapes combine.
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot::graph;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

bool ingot::graph::areCompatible(TypeRange a, TypeRange b) {
  if (a.size() != b.size()) return false;
  for (auto [left, right] : llvm::zip(a, b)) {
    auto x = dyn_cast<RankedTensorType>(left), y = dyn_cast<RankedTensorType>(right);
    if (!x || !y || x.getElementType() != y.getElementType() || failed(verifyCompatibleShape(x, y))) return false;
  }
  return true;
}

std::optional<SmallVector<int64_t>> ingot::graph::constantIntegers(Value value) {
  auto constant = value ? value.getDefiningOp<ConstantOp>() : ConstantOp();
  auto elements = constant ? dyn_cast<DenseIntElementsAttr>(constant.getValue()) : DenseIntElementsAttr();
  if (!elements) return std::nullopt;
  bool isUnsigned = elements.getElementType().isUnsignedInteger() || elements.getElementType().isInteger(1);
  SmallVector<int64_t> integers;
  for (const APInt &element : elements.getValues<APInt>())
    integers.push_back(isUnsigned ? int64_t(element.getZExtValue()) : element.getSExtValue());
  return integers;
}

static SmallVector<int64_t> shapeOfShape(ShapeOp shape) {
  ArrayRef<int64_t> dims = cast<RankedTensorType>(shape.getInput().getType()).getShape();
  return SmallVector<int64_t>(dims.slice(shape.getStart(), shape.getEnd() - shape.getStart()));
}

std::optional<SmallVector<int64_t>> ingot::graph::knownShape(Value shape) {
  if (auto integers = constantIntegers(shape)) return integers;
  auto type = dyn_cast<RankedTensorType>(shape.getType());
  if (!type || type.getRank() != 1 || type.isDynamicDim(0) || type.getDimSize(0) > 64) return std::nullopt;
  SmallVector<int64_t> unknown(type.getDimSize(0), kDynamic);
  if (auto source = shape.getDefiningOp<ShapeOp>()) return shapeOfShape(source);
  auto concat = shape.getDefiningOp<ConcatOp>();
  if (!concat) return unknown;
  SmallVector<int64_t> parts;
  for (Value input : concat.getInputs()) {
    auto part = knownShape(input);
    if (!part) return unknown;
    llvm::append_range(parts, *part);
  }
  return parts.size() == unknown.size() ? parts : unknown;
}

std::optional<SmallVector<int64_t>> ingot::graph::broadcastShapes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t> result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) { // i counts dims from the last
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    int64_t &dim = result[result.size() - 1 - i];
    if (x == y || y == 1)
      dim = x;
    else if (x == 1)
      dim = y;
    else if (x == kDynamic || y == kDynamic)
      dim = x == kDynamic ? y : x; // the known one is neither 1 nor absent, so the other is it or 1
    else
      return std::nullopt;
  }
  return result;
}
