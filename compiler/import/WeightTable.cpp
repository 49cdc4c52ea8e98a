// Sources and recipes are inserted before the module's functions, in the order of their first use.
#include "compiler/import/WeightTable.h"

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

Value RecipeWriter::reshape(Value input, ArrayRef<int64_t> shape) {
  if (auto inner = input.getDefiningOp<weights::ReshapeOp>()) input = inner.getInput();
  RankedTensorType type = typeOf(input).clone(shape);
  return type == typeOf(input) ? input : Value(builder.create<weights::ReshapeOp>(recipe.getLoc(), type, input));
}

Value RecipeWriter::transpose(Value input, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> order(permutation), shape;
  if (auto inner = input.getDefiningOp<weights::TransposeOp>()) {
    for (int64_t &axis : order) axis = inner.getPermutation()[axis];
    input = inner.getInput();
  }
  for (int64_t axis : order) shape.push_back(typeOf(input).getDimSize(axis));
  if (llvm::is_sorted(order)) return input;
  return builder.create<weights::TransposeOp>(recipe.getLoc(), typeOf(input).clone(shape), input, order);
}

Value RecipeWriter::cast(Value input, Type element) {
  if (typeOf(input).getElementType() == element) return input;
  return builder.create<weights::CastOp>(recipe.getLoc(), typeOf(input).clone(element), input);
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
  return builder.create<weights::DequantOp>(recipe.getLoc(), type, quants, scales, zeros, bits, block);
}

FlatSymbolRefAttr RecipeWriter::finish(Value result, StringRef hint) {
  builder.create<weights::YieldOp>(recipe.getLoc(), result);
  weights::RecipeOp done = std::exchange(recipe, weights::RecipeOp());
  // Ops that a later one made superfluous (an inner reshape) would tell equal recipes apart.
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(done.getBody().front())))
    if (isOpTriviallyDead(&op)) op.erase();
  return table.add(done, firstTensor.empty() ? hint : StringRef(firstTensor));
}
