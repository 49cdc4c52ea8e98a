#include "passes/fuse/LinearPart.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ingot;

std::optional<LinearPart> ingot::partOf(Value value) {
  int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(1);
  if (auto linear = value.getDefiningOp<decoder::LinearOp>()) return LinearPart{value, linear, 0, size};
  auto split = value.getDefiningOp<decoder::SplitOp>();
  auto linear = split ? split.getInput().getDefiningOp<decoder::LinearOp>() : decoder::LinearOp();
  if (!linear) return std::nullopt;
  int64_t begin = 0;
  for (auto [result, width] : llvm::zip(split.getResults(), split.getSizes())) {
    begin = llvm::alignTo(begin, split.getAlign());
    if (result == value) return LinearPart{value, linear, begin, width};
    begin += width;
  }
  return std::nullopt;
}

bool ingot::mergeable(ArrayRef<LinearPart> parts) {
  auto type = [](const LinearPart &part) { return recipeType(part.linear, part.linear.getWeightAttr()); };
  return llvm::all_of(parts, [&](const LinearPart &part) {
    decoder::LinearOp a = parts[0].linear, b = part.linear;
    return a.getInput() == b.getInput() && a.getBias().has_value() == b.getBias().has_value() &&
           a.getAccuracyLevel() == b.getAccuracyLevel() &&
           type(parts[0]).getElementType() == type(part).getElementType() &&
           type(parts[0]).getEncoding() == type(part).getEncoding();
  });
}

SmallVector<Value> ingot::loadParts(RecipeBuilder &recipe, ArrayRef<LinearPart> parts, int64_t unit, bool bias) {
  SmallVector<Value> rows;
  for (const LinearPart &part : parts) {
    FlatSymbolRefAttr symbol = bias ? part.linear.getBiasAttr() : part.linear.getWeightAttr();
    Value piece = recipe.slice(recipe.load(symbol), 0, part.begin, part.size);
    rows.push_back(recipe.padRows(piece, llvm::alignTo(part.size, unit)));
  }
  return rows;
}

void ingot::eraseDeadParts(ArrayRef<LinearPart> parts) {
  llvm::SmallSetVector<Operation *, 4> old; // splits before their linears
  for (const LinearPart &part : parts) old.insert(part.value.getDefiningOp());
  for (const LinearPart &part : parts) old.insert(part.linear);
  for (Operation *op : old)
    if (op->use_empty()) op->erase();
}
