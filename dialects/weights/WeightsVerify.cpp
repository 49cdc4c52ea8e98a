// Verifiers of the weights dialect. What passes here can be evaluated without a further check of shapes, axes or grids.
//
// Rules, beyond each op's own
//  1. Every tensor of a recipe has a static shape and at most 2^48 elements.
//  2. A grid sits on a rank-2 f32 tensor, and only on results of dequant, quantise, pack and the ops that keep it.
//  3. An op that keeps a grid keeps bits, group and zero; scales may widen from f16 to f32, never narrow.
#include "dialects/weights/Weights.h"

using namespace mlir;
using namespace ingot::weights;

namespace {

GridAttr gridOf(RankedTensorType type) { return dyn_cast_or_null<GridAttr>(type.getEncoding()); }

LogicalResult verifyTensor(Operation *op, RankedTensorType type) {
  if (!type.hasStaticShape()) return op->emitOpError() << "needs static shapes, got " << type;
  int64_t count = 1;
  for (int64_t extent : type.getShape())
    if (__builtin_mul_overflow(count, extent, &count) || count > int64_t(1) << 48)
      return op->emitOpError() << "is too large: " << type;
  if (!type.getElementType().isIntOrFloat()) return op->emitOpError() << "has elements that are not numbers: " << type;
  if (!type.getEncoding()) return success();
  if (!gridOf(type) || type.getRank() != 2 || !type.getElementType().isF32())
    return op->emitOpError() << "has an encoding other than a grid on [rows, cols] f32: " << type;
  return success();
}

LogicalResult verifyTensors(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (failed(verifyTensor(op, cast<RankedTensorType>(type)))) return failure();
  for (Type type : op->getResultTypes())
    if (failed(verifyTensor(op, cast<RankedTensorType>(type)))) return failure();
  return success();
}

RankedTensorType resultOf(Operation *op) { return cast<RankedTensorType>(op->getResult(0).getType()); }
RankedTensorType inputOf(Operation *op, unsigned index = 0) {
  return cast<RankedTensorType>(op->getOperand(index).getType());
}

LogicalResult verifyNoGrid(Operation *op) {
  if (gridOf(resultOf(op))) return op->emitOpError("cannot make a grid");
  return success();
}

// Rule 3 for one input: the result has no grid, or a compatible one.
LogicalResult verifyKeptGrid(Operation *op, RankedTensorType from) {
  GridAttr to = gridOf(resultOf(op)), grid = gridOf(from);
  if (!to) return success();
  if (!grid || grid.getBits() != to.getBits() || grid.getGroup() != to.getGroup() || grid.getZero() != to.getZero())
    return op->emitOpError() << "result has another grid than input " << from;
  if (grid.getScale().isF32() && to.getScale().isF16()) return op->emitOpError("narrows the scales of a grid");
  return success();
}

LogicalResult verifySameElements(Operation *op) {
  for (Type type : op->getOperandTypes())
    if (cast<RankedTensorType>(type).getElementType() != resultOf(op).getElementType())
      return op->emitOpError("changes the element type");
  return success();
}

// Shapes agree but for the extent of `axis`.
LogicalResult verifyOtherAxes(Operation *op, RankedTensorType from, int64_t axis) {
  RankedTensorType to = resultOf(op);
  if (axis < 0 || axis >= to.getRank() || from.getRank() != to.getRank()) return op->emitOpError("has no such axis");
  for (int64_t i = 0; i < to.getRank(); ++i)
    if (i != axis && from.getDimSize(i) != to.getDimSize(i))
      return op->emitOpError("changes an axis other than its own");
  return success();
}

int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

} // namespace

LogicalResult GridAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned bits, unsigned group, ZeroKind,
                               Type scale) {
  if (bits != 4 && bits != 8) return emitError() << "grids have 4 or 8 bits, not " << bits;
  if (group == 0) return emitError() << "a grid's group is at least 1";
  if (!scale.isF16() && !scale.isF32()) return emitError() << "a grid's scale is f16 or f32, not " << scale;
  return success();
}

LogicalResult SourceOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type) return emitOpError("needs a ranked tensor type");
  if (failed(verifyTensor(*this, type))) return failure();
  if (type.getEncoding()) return emitOpError("has no encoding");
  int64_t bits =
      type.getNumElements() * int64_t(type.getElementTypeBitWidth() == 1 ? 8 : type.getElementTypeBitWidth());
  if (int64_t(getOffset()) < 0) return emitOpError("has a negative offset");
  if (int64_t(getLength()) != ceilDiv(bits, 8))
    return emitOpError() << "has " << getLength() << " bytes, but its type needs " << ceilDiv(bits, 8);
  return success();
}

LogicalResult RecipeOp::verify() {
  Block &block = getBody().front();
  if (block.empty() || !isa<YieldOp>(block.back())) return emitOpError("must end in weights.yield");
  for (Operation &op : block) {
    if (!isa<WeightsDialect>(op.getDialect()) || isa<RecipeOp, SourceOp>(op))
      return op.emitOpError("is not a recipe op");
    auto pack = dyn_cast<PackOp>(op);
    if (pack && (pack.getResult() != getResult())) return op.emitOpError("must be what the recipe yields");
  }
  if (block.getNumArguments()) return emitOpError("has no arguments");
  return success();
}

LogicalResult LoadOp::verify() {
  if (failed(verifyTensors(*this))) return failure();
  return verifyNoGrid(*this);
}

LogicalResult LoadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto source = symbols.lookupNearestSymbolFrom<SourceOp>(*this, getSourceAttr());
  if (!source) return emitOpError() << "names no weights.source: " << getSourceAttr();
  if (source.getType() != getResult().getType()) return emitOpError() << "has another type than " << getSourceAttr();
  return success();
}

LogicalResult ConstantOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifyNoGrid(*this))) return failure();
  if (!isa<DenseElementsAttr>(getValue())) return emitOpError("holds dense elements only");
  int64_t bytes = ceilDiv(resultOf(*this).getNumElements() * resultOf(*this).getElementTypeBitWidth(), 8);
  if (bytes > 64 << 10) return emitOpError("is larger than 64 KiB; use a source");
  return success();
}

// Rules: begin and extent lie inside the input; along columns of a grid both ends lie on group borders (or the end).
LogicalResult SliceOp::verify() {
  int64_t axis = getAxis(), begin = getBegin();
  RankedTensorType from = inputOf(*this), to = resultOf(*this);
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) || failed(verifyOtherAxes(*this, from, axis)) ||
      failed(verifyKeptGrid(*this, from)))
    return failure();
  int64_t extent = to.getDimSize(axis), size = from.getDimSize(axis);
  if (begin < 0 || begin > size || extent > size - begin) return emitOpError("reads past its input");
  GridAttr grid = gridOf(to);
  if (grid && axis == 1 && (begin % grid.getGroup() || ((begin + extent) % grid.getGroup() && begin + extent != size)))
    return emitOpError("cuts a group of the grid");
  return success();
}

// Rules: extents along the axis add up; along columns of a grid only the last input may end inside a group.
LogicalResult ConcatOp::verify() {
  if (getInputs().empty()) return emitOpError("needs an input");
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this))) return failure();
  int64_t axis = getAxis(), total = 0;
  GridAttr grid = gridOf(resultOf(*this));
  for (unsigned i = 0; i < getInputs().size(); ++i) {
    RankedTensorType from = inputOf(*this, i);
    if (failed(verifyOtherAxes(*this, from, axis)) || failed(verifyKeptGrid(*this, from))) return failure();
    if (grid && axis == 1 && total % grid.getGroup()) return emitOpError("cuts a group of the grid");
    total += from.getDimSize(axis);
  }
  if (total != resultOf(*this).getDimSize(axis)) return emitOpError("inputs do not add up to the result");
  return success();
}

LogicalResult TransposeOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) || failed(verifyNoGrid(*this)))
    return failure();
  RankedTensorType from = inputOf(*this), to = resultOf(*this);
  ArrayRef<int64_t> permutation = getPermutation();
  if (int64_t(permutation.size()) != from.getRank() || from.getRank() != to.getRank())
    return emitOpError("permutes another number of axes");
  SmallVector<bool> used(permutation.size(), false);
  for (auto [i, axis] : llvm::enumerate(permutation)) {
    if (axis < 0 || axis >= from.getRank() || used[axis]) return emitOpError("is not a permutation of the axes");
    used[axis] = true;
    if (to.getDimSize(i) != from.getDimSize(axis)) return emitOpError("has another result shape than it permutes to");
  }
  return success();
}

LogicalResult ReshapeOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) || failed(verifyNoGrid(*this)))
    return failure();
  if (inputOf(*this).getNumElements() != resultOf(*this).getNumElements())
    return emitOpError("changes the element count");
  return success();
}

// Rules: one stride an extent, none negative; the extents count exactly the result's rows.
LogicalResult PermuteRowsOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) ||
      failed(verifyOtherAxes(*this, inputOf(*this), 0)) || failed(verifyKeptGrid(*this, inputOf(*this))))
    return failure();
  ArrayRef<int64_t> extents = getExtents(), strides = getStrides();
  if (extents.size() != strides.size() || extents.empty())
    return emitOpError("needs as many strides as extents, at least one");
  int64_t rows = 1, last = 0;
  for (auto [extent, stride] : llvm::zip(extents, strides)) {
    int64_t reach;
    if (extent <= 0 || stride < 0) return emitOpError("has an extent below 1 or a negative stride");
    if (__builtin_mul_overflow(rows, extent, &rows) || __builtin_mul_overflow(extent - 1, stride, &reach) ||
        __builtin_add_overflow(last, reach, &last))
      return emitOpError("counts too far");
  }
  if (rows != resultOf(*this).getDimSize(0)) return emitOpError("counts another number of rows than the result has");
  return success();
}

LogicalResult PadRowsOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) ||
      failed(verifyOtherAxes(*this, inputOf(*this), 0)) || failed(verifyKeptGrid(*this, inputOf(*this))))
    return failure();
  if (resultOf(*this).getDimSize(0) < inputOf(*this).getDimSize(0)) return emitOpError("drops rows");
  return success();
}

static LogicalResult verifyElementwise(Operation *op) {
  if (failed(verifyTensors(op)) || failed(verifyNoGrid(op))) return failure();
  if (inputOf(op).getShape() != resultOf(op).getShape()) return op->emitOpError("changes the shape");
  return success();
}

LogicalResult CastOp::verify() { return verifyElementwise(*this); }
LogicalResult ScaleOp::verify() { return verifyElementwise(*this); }
LogicalResult AddScalarOp::verify() { return verifyElementwise(*this); }

// Rule: every element is repeated `times` times, the last perhaps fewer.
LogicalResult RepeatOp::verify() {
  int64_t axis = getAxis(), times = getTimes();
  RankedTensorType from = inputOf(*this), to = resultOf(*this);
  if (failed(verifyTensors(*this)) || failed(verifySameElements(*this)) || failed(verifyNoGrid(*this)) ||
      failed(verifyOtherAxes(*this, from, axis)))
    return failure();
  if (times < 1 || ceilDiv(to.getDimSize(axis), times) != from.getDimSize(axis))
    return emitOpError("repeats to another extent than its result's");
  return success();
}

// Rule: the bytes of a row are just enough for its numbers.
LogicalResult UnpackOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifyNoGrid(*this))) return failure();
  RankedTensorType from = inputOf(*this), to = resultOf(*this);
  int64_t bits = getBits(), last = to.getRank() - 1;
  if (bits != 1 && bits != 2 && bits != 4) return emitOpError("unpacks 1, 2 or 4 bits");
  if (!from.getElementType().isUnsignedInteger(8) || to.getElementType() != from.getElementType())
    return emitOpError("unpacks ui8 to ui8");
  if (last < 0 || failed(verifyOtherAxes(*this, from, last))) return failure();
  if (ceilDiv(to.getDimSize(last), 8 / bits) != from.getDimSize(last))
    return emitOpError("needs another number of bytes a row");
  return success();
}

LogicalResult LookupOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifyNoGrid(*this))) return failure();
  RankedTensorType table = inputOf(*this), codes = inputOf(*this, 1), to = resultOf(*this);
  if (table.getRank() != 1 || !isa<FloatType>(table.getElementType()) || table.getNumElements() > 256)
    return emitOpError("needs a vector of at most 256 floats");
  if (!codes.getElementType().isUnsignedInteger(8) || codes.getShape() != to.getShape() ||
      to.getElementType() != table.getElementType())
    return emitOpError("looks up ui8 codes of the result's shape in a table of its type");
  return success();
}

// Rules: 1. the result is f32 of the input's shape; 2. a block an axis, at least 1; 3. scales, zeros and minima have a
// number a block, scales and minima floats.
LogicalResult DequantLinearOp::verify() {
  if (failed(verifyTensors(*this)) || failed(verifyNoGrid(*this))) return failure();
  RankedTensorType from = inputOf(*this), to = resultOf(*this);
  if (from.getShape() != to.getShape() || !to.getElementType().isF32())
    return emitOpError("makes f32 of its input's shape");
  SmallVector<int64_t> expected;
  if (int64_t(getBlocks().size()) != from.getRank()) return emitOpError("needs a block an axis");
  for (auto [extent, block] : llvm::zip(from.getShape(), getBlocks())) {
    if (block < 1) return emitOpError("has a block below 1");
    expected.push_back(ceilDiv(extent, block));
  }
  for (Value part : {getScales(), getZeros(), getMinima()}) {
    if (!part) continue;
    auto type = cast<RankedTensorType>(part.getType());
    if (type.getShape() != ArrayRef(expected)) return emitOpError() << "cannot read a number a block from " << type;
    if (part != getZeros() && !isa<FloatType>(type.getElementType()))
      return emitOpError("needs float scales and minima");
  }
  return success();
}

static ZeroKind zeroKindOf(DequantOp op) {
  if (!op.getZeros()) return ZeroKind::symmetric;
  bool integers = cast<RankedTensorType>(op.getZeros().getType()).getElementType().isInteger();
  return integers ? ZeroKind::zero_point : ZeroKind::minimum;
}

// Rule 4 of dequant.
static LogicalResult verifyZeros(DequantOp op, int64_t rows, int64_t blocks) {
  if (!op.getZeros()) return op.getMinima() ? op.emitOpError("has no minima") : success();
  auto zeros = cast<RankedTensorType>(op.getZeros().getType());
  auto quant = cast<IntegerType>(cast<RankedTensorType>(op.getQuants().getType()).getElementType());
  auto integer = dyn_cast<IntegerType>(zeros.getElementType());
  bool packed = integer && integer.isUnsigned() && integer.getWidth() == 8 &&
                zeros.getNumElements() == rows * ceilDiv(blocks * int64_t(op.getBits()), 8);
  if (zeros.getNumElements() != rows * blocks && !packed) return op.emitOpError() << "cannot read zeros of " << zeros;
  if (integer && (integer.getWidth() > 8 || integer.isUnsigned() != quant.isUnsigned()))
    return op.emitOpError("needs zeros that are integers like the quants, or floats");
  if (!integer && !quant.isUnsigned()) return op.emitOpError("needs unsigned quants for float zeros");
  if (integer && op.getMinima()) return op.emitOpError("needs float minima");
  return success();
}

// Rules: 1. the result's grid has the op's bits and block, and the zero kind that `zeros` gives; 2. quants hold a
// (perhaps packed) integer for each element; 3. scales are floats, one a block; 4. zeros likewise, packed integers,
// integers of the quants' signedness, or floats.
LogicalResult DequantOp::verify() {
  if (failed(verifyTensors(*this))) return failure();
  RankedTensorType result = resultOf(*this), quants = cast<RankedTensorType>(getQuants().getType()),
                   scales = cast<RankedTensorType>(getScales().getType());
  GridAttr grid = gridOf(result);
  if (!grid || grid.getBits() != getBits() || int64_t(grid.getGroup()) != int64_t(getBlock()))
    return emitOpError("needs a result with a grid of its own bits and block");
  int64_t n = result.getDimSize(0), k = result.getDimSize(1), bits = getBits(), block = getBlock();
  int64_t blocks = ceilDiv(k, block), blockBytes = ceilDiv(block * bits, 8);
  auto type = dyn_cast<IntegerType>(quants.getElementType());
  if (!type || type.getWidth() > 8 || quants.getRank() < 2 || quants.getDimSize(0) != n)
    return emitOpError("needs quants of [rows, ...] integers of at most 8 bits");
  bool perElement = quants.getRank() == 2 && quants.getDimSize(1) == k;
  bool packedRows = quants.getRank() == 2 && type.isUnsigned() && quants.getDimSize(1) == ceilDiv(k * bits, 8) &&
                    (k <= block || block * bits % 8 == 0);
  bool packedBlocks = quants.getRank() == 3 && type.isUnsigned() && quants.getDimSize(1) == blocks &&
                      quants.getDimSize(2) == blockBytes;
  if (!perElement && !packedRows && !packedBlocks) return emitOpError() << "cannot read quants of " << quants;
  if (!isa<FloatType>(scales.getElementType()) || scales.getNumElements() != n * blocks)
    return emitOpError() << "needs " << blocks << " float scales a row";
  if (failed(verifyZeros(*this, n, blocks))) return failure();
  ZeroKind expected = zeroKindOf(*this);
  if (grid.getZero() != expected) return emitOpError() << "gives a grid with zero = " << stringifyZeroKind(expected);
  return success();
}

LogicalResult QuantiseOp::verify() {
  if (failed(verifyTensors(*this))) return failure();
  if (inputOf(*this).getShape() != resultOf(*this).getShape()) return emitOpError("changes the shape");
  if (!isa<FloatType>(inputOf(*this).getElementType())) return emitOpError("rounds floats only");
  GridAttr grid = gridOf(resultOf(*this));
  if (!grid || grid.getZero() != ZeroKind::symmetric) return emitOpError("needs a result with a symmetric grid");
  return success();
}

LogicalResult PackOp::verify() {
  if (failed(verifyTensors(*this))) return failure();
  if (inputOf(*this) != resultOf(*this)) return emitOpError("repeats its input's type");
  GridAttr grid = gridOf(resultOf(*this));
  if (getLayout() == LayoutKind::rows && grid) return emitOpError("cannot keep a grid in layout rows");
  Type element = resultOf(*this).getElementType();
  if (getLayout() == LayoutKind::r16 &&
      (resultOf(*this).getRank() != 2 || !(element.isF32() || element.isF16() || element.isBF16())))
    return emitOpError("layout r16 holds [rows, cols] of f32, f16, bf16 or a grid");
  return success();
}
