// One case an op. The dialect's verifiers have checked shapes, axes and grids; here files are opened and ranges
// checked.
#include "compiler/weights/tensor_builder.h"

#include "compiler/weights/arithmetic.h"
#include "compiler/weights/dequant_linear.h"
#include "compiler/weights/grid.h"
#include "compiler/weights/movement.h"
#include "runtime/base/checked.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using llvm::createStringError, llvm::Error, llvm::Expected;

namespace ingot {
namespace {

Expected<Element> elementOf(Type type) {
  if (type.isF32()) return Element::f32;
  if (type.isF16()) return Element::f16;
  if (type.isBF16()) return Element::bf16;
  if (type.isF64()) return Element::f64;
  auto integer = dyn_cast<IntegerType>(type);
  bool isUnsigned = integer && (integer.isUnsigned() || integer.getWidth() == 1);
  switch (integer ? integer.getWidth() : 0) {
  case 1:
  case 4:
  case 8:
    return isUnsigned ? Element::u8 : Element::i8;
  case 16:
    return isUnsigned ? Element::u16 : Element::i16;
  case 32:
    return isUnsigned ? Element::u32 : Element::i32;
  case 64:
    return isUnsigned ? Element::u64 : Element::i64;
  }
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return createStringError("weights of element type " + text + " are not supported");
}

GridFormat gridOf(RankedTensorType type) {
  auto grid = cast<weights::GridAttr>(type.getEncoding());
  return {grid.getBits(), int64_t(grid.getGroup()), WeightFormat::Zero(uint32_t(grid.getZero())),
          grid.getScale().isF16() ? WeightFormat::Scale::f16 : WeightFormat::Scale::f32};
}

bool hasGrid(RankedTensorType type) { return isa_and_nonnull<weights::GridAttr>(type.getEncoding()); }

GridRef gridRef(const TensorRef &tensor) {
  return tensor->asGrid() ? std::static_pointer_cast<const GridTensor>(tensor) : nullptr;
}

class Builder {
public:
  explicit Builder(SourceFiles &files) : files(files) {}

  Expected<TensorRef> build(Value value) {
    auto found = built.find(value);
    if (found != built.end()) return found->second;
    Operation *op = value.getDefiningOp();
    if (!op) return createStringError("a recipe value has no defining op");
    std::vector<TensorRef> inputs;
    for (Value operand : op->getOperands()) {
      Expected<TensorRef> input = build(operand);
      if (!input) return input.takeError();
      inputs.push_back(*input);
    }
    Expected<TensorRef> result = make(op, cast<RankedTensorType>(value.getType()), inputs);
    if (result) built[value] = *result;
    return result;
  }

private:
  Expected<TensorRef> make(Operation *op, RankedTensorType type, std::vector<TensorRef> &inputs) {
    Expected<Element> element = elementOf(type.getElementType());
    if (!element) return element.takeError();
    ArrayRef<int64_t> shape = type.getShape();
    using Result = Expected<TensorRef>;
    return TypeSwitch<Operation *, Result>(op)
        .Case([&](weights::LoadOp load) { return makeSource(load, shape, *element); })
        .Case([&](weights::ConstantOp constant) { return makeLiteral(constant, shape, *element); })
        .Case([&](weights::ReshapeOp) -> Result { return makeReshape(inputs[0], shape); })
        .Case([&](weights::TransposeOp transpose) -> Result {
          return makeTranspose(inputs[0], transpose.getPermutation());
        })
        .Case([&](weights::CastOp) -> Result { return makeCast(inputs[0], *element); })
        .Case([&](weights::ScaleOp scale) -> Result {
          return makeScale(inputs[0], scale.getFactor().convertToFloat(), *element);
        })
        .Case([&](weights::AddScalarOp add) -> Result {
          return makeAddScalar(inputs[0], add.getAddend().convertToFloat(), *element);
        })
        .Case([&](weights::DequantOp dequant) -> Result {
          return makeDequant(inputs[0], inputs[1], dequant.getZeros() ? inputs[2] : nullptr, shape, gridOf(type),
                             dequant.getMinima());
        })
        .Case([&](weights::DequantLinearOp op) -> Result {
          TensorRef zeros = op.getZeros() ? inputs[2] : nullptr, minima = op.getMinima() ? inputs.back() : nullptr;
          return makeDequantLinear(inputs[0], inputs[1], zeros, minima, op.getBlocks());
        })
        .Case([&](weights::RepeatOp repeat) -> Result {
          return makeRepeat(inputs[0], shape, repeat.getAxis(), repeat.getTimes());
        })
        .Case([&](weights::UnpackOp unpack) -> Result {
          return makeUnpack(inputs[0], shape, uint32_t(unpack.getBits()), unpack.getHighFirst());
        })
        .Case([&](weights::LookupOp) -> Result { return makeLookup(inputs[0], inputs[1]); })
        .Case([&](weights::QuantiseOp) -> Result { return makeQuantise(inputs[0], gridOf(type)); })
        .Case([&](weights::PackOp) -> Result { return inputs[0]; })
        .Default([&](Operation *) { return move(op, type, inputs); });
  }

  // The ops that keep a grid when their result type has one.
  Expected<TensorRef> move(Operation *op, RankedTensorType type, std::vector<TensorRef> &inputs) {
    ArrayRef<int64_t> shape = type.getShape();
    bool grid = hasGrid(type);
    if (auto slice = dyn_cast<weights::SliceOp>(op)) {
      int64_t axis = slice.getAxis(), begin = slice.getBegin();
      return grid ? makeGridSlice(gridRef(inputs[0]), shape, axis, begin, gridOf(type))
                  : makeSlice(inputs[0], shape, axis, begin);
    }
    if (auto concat = dyn_cast<weights::ConcatOp>(op)) {
      int64_t axis = concat.getAxis();
      if (!grid) return makeConcat(std::move(inputs), shape, axis);
      std::vector<GridRef> grids;
      for (const TensorRef &input : inputs) grids.push_back(gridRef(input));
      return makeGridConcat(std::move(grids), shape, axis, gridOf(type));
    }
    RowMap map{{shape[0]}, {1}}; // pad_rows
    if (auto permute = dyn_cast<weights::PermuteRowsOp>(op))
      map = {Shape(permute.getExtents()), Shape(permute.getStrides())};
    else if (!isa<weights::PadRowsOp>(op))
      return createStringError(op->getName().getStringRef() + " cannot be evaluated");
    return grid ? makeGridRowMap(gridRef(inputs[0]), shape, std::move(map), gridOf(type))
                : makeRowMap(inputs[0], shape, std::move(map));
  }

  Expected<TensorRef> makeSource(weights::LoadOp load, ArrayRef<int64_t> shape, Element element) {
    auto source = SymbolTable::lookupNearestSymbolFrom<weights::SourceOp>(load, load.getSourceAttr());
    if (!source) return createStringError("source @" + load.getSource() + " does not exist");
    Expected<const SourceFile *> file = files.open(source.getFile());
    if (!file) return file.takeError();
    if (!in_range(uint64_t(source.getOffset()), uint64_t(source.getLength()), (*file)->size()))
      return createStringError("source @" + source.getSymName() + ": bytes [" + llvm::Twine(source.getOffset()) +
                               ", +" + llvm::Twine(source.getLength()) + ") lie outside " + (*file)->name() + " of " +
                               llvm::Twine((*file)->size()) + " bytes; is the file complete?");
    Storage storage = Storage::plain;
    if (cast<RankedTensorType>(source.getType()).getElementTypeBitWidth() == 4)
      storage = element == Element::u8 ? Storage::packedU4 : Storage::packedI4;
    return makeLoad(**file, uint64_t(source.getOffset()), shape, element, storage);
  }

  Expected<TensorRef> makeLiteral(weights::ConstantOp op, ArrayRef<int64_t> shape, Element element) {
    auto values = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!values) return createStringError("a recipe constant must hold dense elements");
    size_t size = elementBytes(element);
    std::vector<uint8_t> bytes;
    auto append = [&](const APInt &bits, bool isSigned) {
      uint64_t value = isSigned ? uint64_t(bits.getSExtValue()) : bits.getZExtValue();
      for (size_t i = 0; i < size; ++i) bytes.push_back(uint8_t(value >> 8 * i));
    };
    if (isa<FloatType>(values.getElementType()))
      for (const APFloat &value : values.getValues<APFloat>()) append(value.bitcastToAPInt(), false);
    else
      for (const APInt &value : values.getValues<APInt>()) append(value, element == Element::i8);
    return makeConstant(shape, element, std::move(bytes));
  }

  SourceFiles &files;
  DenseMap<Value, TensorRef> built;
};

} // namespace

Expected<TensorRef> buildTensor(Value value, SourceFiles &files) { return Builder(files).build(value); }

} // namespace ingot
