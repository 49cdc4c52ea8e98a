#include "compiler/weights/recipe.h"

#include "compiler/weights/grid.h"
#include "compiler/weights/tensor_builder.h"

using namespace mlir;
using llvm::createStringError, llvm::Error, llvm::Expected;

namespace ingot {
namespace {

constexpr int64_t itemSourceBytes = 16 << 20;
constexpr int64_t maxRowsPerItem = 256; // 1 KB runs of a transposed f32 source

// A grid's rows under the layout's group, with the parameters of a block repeated for each of its pieces.
void splitBlocks(const GridFormat &grid, const WeightFormat &format, int64_t cols, GridRows &rows) {
  if (int64_t(format.group) == grid.block) return;
  int64_t groups = int64_t(groupCount(format, uint64_t(cols))), blocks = (cols + grid.block - 1) / grid.block;
  auto repeat = [&](auto &items) {
    if (items.empty()) return;
    std::remove_reference_t<decltype(items)> pieces(size_t(rows.rows * groups));
    for (int64_t row = 0; row < rows.rows; ++row)
      for (int64_t g = 0; g < groups; ++g)
        pieces[size_t(row * groups + g)] = items[size_t(row * blocks + g * format.group / grid.block)];
    items = std::move(pieces);
  };
  repeat(rows.scales);
  repeat(rows.zeros);
  repeat(rows.minima);
}

Error named(StringRef symbol, Error error) {
  return createStringError("weight @" + symbol + ": " + toString(std::move(error)));
}

} // namespace

Expected<WeightFormat> formatOf(RankedTensorType type) {
  WeightFormat format;
  if (auto grid = dyn_cast_or_null<weights::GridAttr>(type.getEncoding())) {
    std::optional<uint32_t> group =
        layoutGroup(grid.getGroup(), type.getRank() == 2 ? uint64_t(type.getDimSize(1)) : 0);
    if (!group)
      return createStringError("blocks of " + llvm::Twine(grid.getGroup()) +
                               " columns have no packed layout; supported are "
                               "multiples of 16, and one block a row");
    format.type = grid.getBits() == 4 ? WeightFormat::Type::int4 : WeightFormat::Type::int8;
    format.zero = WeightFormat::Zero(uint32_t(grid.getZero()));
    format.scale = grid.getScale().isF16() ? WeightFormat::Scale::f16 : WeightFormat::Scale::f32;
    format.group = *group;
    return format;
  }
  Type element = type.getElementType();
  if (element.isF32()) return format;
  format.type = element.isF16() ? WeightFormat::Type::f16 : WeightFormat::Type::bf16;
  if (element.isF16() || element.isBF16()) return format;
  return createStringError("layout r16 holds f32, f16, bf16 or a grid; cast to f32 first");
}

Expected<Recipe> Recipe::build(weights::RecipeOp op, SourceFiles &files) {
  Recipe recipe;
  recipe.symbol = op.getSymName().str();
  RankedTensorType type = op.getResultType();
  if (auto pack = op.getResult().getDefiningOp<weights::PackOp>()) recipe.layout = pack.getLayout();
  Expected<TensorRef> tensor = buildTensor(op.getResult(), files);
  if (!tensor) return named(recipe.symbol, tensor.takeError());
  recipe.tensor = *tensor;
  ArrayRef<int64_t> shape = type.getShape();
  int64_t outer = shape.empty() ? 1 : shape[0], inner = shape.empty() ? 1 : elementCount(shape.drop_front());
  recipe.logicalRows = uint64_t(shape.size() < 2 ? 1 : outer);
  recipe.logicalCols = uint64_t(shape.size() < 2 ? outer : inner);
  int64_t sourceBytes =
      std::max<int64_t>(1, inner * int64_t(std::max<size_t>(4, elementBytes(recipe.tensor->element))));
  recipe.rowsPerItem = std::max<int64_t>(1, itemSourceBytes / sourceBytes);
  if (recipe.layout == weights::LayoutKind::r16) {
    Expected<WeightFormat> format = formatOf(type);
    if (!format) return named(recipe.symbol, format.takeError());
    recipe.format = *format;
    std::optional<uint64_t> bytes = packedBytes(*format, recipe.logicalRows, recipe.logicalCols);
    if (!bytes) return named(recipe.symbol, createStringError("its packed size does not fit 64 bits"));
    recipe.totalBytes = *bytes;
    recipe.rowsPerItem = std::clamp<int64_t>(recipe.rowsPerItem / kBlockRows * kBlockRows, kBlockRows, maxRowsPerItem);
  } else {
    recipe.totalBytes = uint64_t(outer) * uint64_t(inner) * elementBytes(recipe.tensor->element);
  }
  recipe.items = size_t((outer + recipe.rowsPerItem - 1) / recipe.rowsPerItem);
  return recipe;
}

std::string Recipe::layoutName() const {
  if (layout == weights::LayoutKind::r16) return format.name();
  static constexpr const char *names[] = {"f32", "f16", "bf16", "f64", "i8",  "u8",
                                          "i16", "u16", "i32",  "u32", "i64", "u64"};
  return std::string("rows.") + names[size_t(tensor->element)];
}

Error Recipe::evaluateItem(size_t item, std::vector<uint8_t> &out) const {
  int64_t outer = tensor->shape.empty() ? 1 : tensor->shape[0], row = int64_t(item) * rowsPerItem;
  int64_t count = std::min(rowsPerItem, outer - row);
  Error error = layout == weights::LayoutKind::rows ? evaluateRows(row, count, out)
                : tensor->asGrid()                  ? packGrid(row, count, out)
                                                    : packFloats(row, count, out);
  return error ? named(symbol, std::move(error)) : Error::success();
}

Error Recipe::evaluateRows(int64_t row, int64_t count, std::vector<uint8_t> &out) const {
  Box box = tensor->shape.empty() ? Box() : Box::rows(tensor->shape, row, count);
  out.resize(size_t(box.elements()) * elementBytes(tensor->element));
  return tensor->read(box, out.data());
}

Error Recipe::packGrid(int64_t row, int64_t count, std::vector<uint8_t> &out) const {
  const GridTensor &grid = *tensor->asGrid();
  GridRows rows;
  if (Error error = grid.readGrid(row, count, rows)) return error;
  splitBlocks(grid.format, format, grid.cols(), rows);
  size_t pitch = blockBytes(format, logicalCols), groups = groupCount(format, logicalCols);
  out.resize(blockCount(uint64_t(count)) * pitch);
  bool exact = true;
  for (size_t first = 0; first < size_t(count); first += kBlockRows) {
    GridView view = {rows.codes.data() + first * logicalCols, rows.scales.data() + first * groups,
                     rows.zeros.empty() ? nullptr : rows.zeros.data() + first * groups,
                     rows.minima.empty() ? nullptr : rows.minima.data() + first * groups};
    exact &= packIntegerBlock(format, uint32_t(std::min<size_t>(kBlockRows, size_t(count) - first)), logicalCols, view,
                              out.data() + first / kBlockRows * pitch);
  }
  return exact ? Error::success()
               : createStringError("a scale or minimum is not exactly an f16, though its grid says so");
}

Error Recipe::packFloats(int64_t row, int64_t count, std::vector<uint8_t> &out) const {
  ByteBuffer values = allocate(tensor->element, count * int64_t(logicalCols));
  if (Error error = tensor->read(Box::rows(tensor->shape, row, count), values.get())) return error;
  size_t pitch = blockBytes(format, logicalCols), rowBytes = logicalCols * elementBytes(tensor->element);
  out.resize(blockCount(uint64_t(count)) * pitch);
  for (size_t first = 0; first < size_t(count); first += kBlockRows)
    packFloatBlock(format, uint32_t(std::min<size_t>(kBlockRows, size_t(count) - first)), logicalCols,
                   values.get() + first * rowBytes, out.data() + first / kBlockRows * pitch);
  return Error::success();
}

Expected<std::vector<float>> evaluateDense(Value value, SourceFiles &files) {
  Expected<TensorRef> tensor = buildTensor(value, files);
  if (!tensor) return tensor.takeError();
  std::vector<float> values(size_t(elementCount((*tensor)->shape)));
  if (Error error = readFloats(**tensor, Box::whole((*tensor)->shape), values.data())) return error;
  return values;
}

Expected<std::vector<float>> evaluateDense(weights::RecipeOp op, SourceFiles &files) {
  Expected<std::vector<float>> values = evaluateDense(op.getResult(), files);
  return values ? std::move(values) : Expected<std::vector<float>>(named(op.getSymName(), values.takeError()));
}

Expected<Type> scaleTypeOf(Value gridValue, SourceFiles &files) {
  Expected<TensorRef> tensor = buildTensor(gridValue, files);
  if (!tensor) return tensor.takeError();
  const GridTensor *grid = (*tensor)->asGrid();
  if (!grid) return createStringError("the value is not on a grid");
  Expected<WeightFormat::Scale> scale = grid->scaleType();
  if (!scale) return scale.takeError();
  MLIRContext *context = gridValue.getContext();
  return *scale == WeightFormat::Scale::f16 ? Type(Float16Type::get(context)) : Type(Float32Type::get(context));
}

} // namespace ingot
