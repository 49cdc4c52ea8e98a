// Sources and recipes are inserted before the module's functions, in the order of their first use.
#include "compiler/import/WeightTable.h"

#include "dialects/weights/NormalForm.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ingot;

std::string WeightTable::freeName(StringRef hint) {
  std::string name;
  for (char c : hint) name.push_back(llvm::isAlnum(c) || c == '.' || c == '_' ? c : '_');
  if (name.empty()) name = "weight";
  std::string unique = name;
  for (unsigned &next = counters[name]; !names.insert(unique).second;) unique = name + "_" + std::to_string(++next);
  return unique;
}

FlatSymbolRefAttr WeightTable::source(const TensorData &tensor) {
  std::string key;
  llvm::raw_string_ostream(key) << tensor.file << '\0' << tensor.offset << ' ' << tensor.length << ' ' << tensor.type;
  FlatSymbolRefAttr &symbol = sources[key];
  if (symbol) return symbol;
  std::string name = freeName("src." + tensor.name);
  builder.create<weights::SourceOp>(module.getLoc(), name, tensor.file, tensor.offset, tensor.length, tensor.type);
  return symbol = FlatSymbolRefAttr::get(module.getContext(), name);
}

FlatSymbolRefAttr WeightTable::add(weights::RecipeOp recipe, StringRef hint) {
  std::string body;
  llvm::raw_string_ostream stream(body);
  recipe->print(stream, OpPrintingFlags().useLocalScope());
  FlatSymbolRefAttr &symbol = recipes[body];
  if (symbol) {
    recipe->erase();
    return symbol;
  }
  std::string name = freeName(hint);
  recipe.setSymName(name);
  builder.insert(recipe);
  return symbol = FlatSymbolRefAttr::get(module.getContext(), name);
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

RecipeWriter::RecipeWriter(WeightTable &table, Location location)
    : table(table), builder(location.getContext()), recipe(builder.create<weights::RecipeOp>(location, "recipe")) {
  builder.setInsertionPointToEnd(&recipe.getBody().emplaceBlock());
}

RecipeWriter::~RecipeWriter() {
  if (recipe) recipe->erase();
}

Value RecipeWriter::load(const TensorData &tensor) {
  if (firstTensor.empty()) firstTensor = tensor.name;
  if (tensor.literal) return constant(tensor.literal);
  return builder.create<weights::LoadOp>(recipe.getLoc(), tensor.type, table.source(tensor));
}

Value RecipeWriter::constant(DenseElementsAttr value) {
  return builder.create<weights::ConstantOp>(recipe.getLoc(), value.getType(), value);
}

Value RecipeWriter::reshape(Value input, ArrayRef<int64_t> shape) { return weights::reshape(builder, input, shape); }

Value RecipeWriter::transpose(Value input, ArrayRef<int64_t> permutation) {
  return weights::transpose(builder, input, permutation);
}

Value RecipeWriter::slice(Value input, int64_t axis, int64_t begin, int64_t extent) {
  return weights::slice(builder, input, axis, begin, extent);
}

Value RecipeWriter::cast(Value input, Type element) { return weights::cast(builder, input, element); }

Value RecipeWriter::dequantise(Value quants, Value scale, Value zero, int64_t axis, int64_t block) {
  return weights::dequantise(builder, quants, scale, zero, axis, block);
}

Value RecipeWriter::filled(ArrayRef<int64_t> shape, Type element, double value) {
  return weights::filled(builder, recipe.getLoc(), shape, element, value);
}

Value RecipeWriter::onGrid(Value matrix) { return weights::onGrid(builder, matrix); }

Value RecipeWriter::unpack(Value bytes, int64_t bits, int64_t count, bool highFirst) {
  SmallVector<int64_t> shape(typeOf(bytes).getShape());
  shape.back() = count;
  return builder.create<weights::UnpackOp>(recipe.getLoc(), typeOf(bytes).clone(shape), bytes, bits, highFirst);
}

Value RecipeWriter::lookup(Value table, Value codes) {
  auto type = RankedTensorType::get(typeOf(codes).getShape(), typeOf(table).getElementType());
  return builder.create<weights::LookupOp>(recipe.getLoc(), type, table, codes);
}

// Values of a grid are exact in f32 whatever the scales are stored in. Minima are products, so that only `quantize` can
// tell whether f16 holds them.
Value RecipeWriter::dequant(Value quants, Value scales, Value zeros, int64_t bits, int64_t block, int64_t rows,
                            int64_t cols) {
  bool minimum = zeros && isa<FloatType>(typeOf(zeros).getElementType());
  weights::ZeroKind kind = !zeros    ? weights::ZeroKind::symmetric
                           : minimum ? weights::ZeroKind::minimum
                                     : weights::ZeroKind::zero_point;
  Type f32 = builder.getF32Type(), stored = typeOf(scales).getElementType();
  auto grid =
      weights::GridAttr::get(builder.getContext(), bits, block, kind, stored.isF16() && !minimum ? stored : f32);
  auto type = RankedTensorType::get({rows, cols}, f32, grid);
  return builder.create<weights::DequantOp>(recipe.getLoc(), type, quants, scales, zeros, bits, block, false);
}

FlatSymbolRefAttr RecipeWriter::finish(Value result, StringRef hint) {
  builder.create<weights::YieldOp>(recipe.getLoc(), result);
  weights::RecipeOp done = std::exchange(recipe, weights::RecipeOp());
  // Ops that a later one made superfluous (an inner reshape) would tell equal recipes apart.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(done.getBody().front())))
    if (isOpTriviallyDead(&op)) op.erase();
  return table.add(done, firstTensor.empty() ? hint : StringRef(firstTensor));
}
