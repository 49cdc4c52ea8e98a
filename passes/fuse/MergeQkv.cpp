// Query, key and value of an attention come out of one linear: one pass over x, and rotary embedding and cache append
// can follow in registers. Each part starts at a multiple of the unit: lcm(16, head dim), so that whole heads share a
// unit.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/RecipeBuilder.h"
#include <numeric>

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_MERGEQKV
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kLanes = 16;

namespace {
/// Columns [begin, begin + size) of a linear: where query, key or value come from.
struct Part {
  Value value;                      // the split's or linear's result
  mutable decoder::LinearOp linear; // op accessors are not const
  int64_t begin, size;
};
} // namespace

/// Goes back through row-wise per-head ops to the linear behind `value`.
static std::optional<Part> findPart(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto rope = dyn_cast<decoder::RopeOp>(op))
      value = rope.getInput();
    else if (auto norm = dyn_cast<decoder::NormOp>(op); norm && norm.getGroups() > 1)
      value = norm.getInput();
    else
      break;
  }
  int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(1);
  if (auto linear = value.getDefiningOp<decoder::LinearOp>()) return Part{value, linear, 0, size};
  auto split = value.getDefiningOp<decoder::SplitOp>();
  auto linear = split ? split.getInput().getDefiningOp<decoder::LinearOp>() : decoder::LinearOp();
  if (!linear) return std::nullopt;
  int64_t begin = 0;
  for (auto [result, width] : llvm::zip(split.getResults(), split.getSizes())) {
    begin = llvm::alignTo(begin, split.getAlign());
    if (result == value) return Part{value, linear, begin, width};
    begin += width;
  }
  return std::nullopt;
}

/// Parts can share a linear when they read the same rows and their recipes are of one kind.
static bool mergeable(ArrayRef<Part> parts) {
  auto type = [](const Part &part) { return recipeType(part.linear, part.linear.getWeightAttr()); };
  return llvm::all_of(parts, [&](const Part &part) {
    decoder::LinearOp a = parts[0].linear, b = part.linear;
    return a.getInput() == b.getInput() && a.getBias().has_value() == b.getBias().has_value() &&
           a.getAccuracyLevel() == b.getAccuracyLevel() &&
           type(parts[0]).getElementType() == type(part).getElementType() &&
           type(parts[0]).getEncoding() == type(part).getEncoding();
  });
}

static FlatSymbolRefAttr joinRows(ModuleOp module, ArrayRef<Part> parts, int64_t unit, bool bias) {
  RecipeBuilder recipe(module, parts[0].linear.getLoc());
  SmallVector<Value> rows;
  std::string name;
  for (const Part &part : parts) {
    decoder::LinearOp linear = part.linear;
    FlatSymbolRefAttr symbol = bias ? linear.getBiasAttr() : linear.getWeightAttr();
    Value piece = recipe.slice(recipe.load(symbol), 0, part.begin, part.size);
    rows.push_back(recipe.padRows(piece, llvm::alignTo(part.size, unit)));
    if (name.empty()) name = symbol.getValue().str() + "_qkv";
  }
  return recipe.finish(recipe.concatRows(rows), name);
}

static void merge(decoder::AttentionOp attention, ArrayRef<Part> parts) {
  auto module = attention->getParentOfType<ModuleOp>();
  int64_t headDim = parts[0].size / int64_t(attention.getHeads());
  int64_t valueDim = parts[2].size / int64_t(attention.getKvHeads());
  int64_t unit = std::lcm(std::lcm(kLanes, headDim), std::lcm(kLanes, valueDim));

  // Operands of the linears dominate the first of them; ropes and norms follow in place.
  decoder::LinearOp first = parts[0].linear;
  for (const Part &part : parts)
    if (part.linear->isBeforeInBlock(first)) first = part.linear;
  OpBuilder b(first);
  auto weight = joinRows(module, parts, unit, false);
  FlatSymbolRefAttr bias = first.getBias() ? joinRows(module, parts, unit, true) : FlatSymbolRefAttr();

  auto type = cast<RankedTensorType>(parts[0].value.getType());
  auto withColumns = [&](int64_t n) { return RankedTensorType::get({type.getDimSize(0), n}, type.getElementType()); };
  int64_t columns = 0;
  SmallVector<int64_t> sizes;
  SmallVector<Type> types;
  for (const Part &part : parts) {
    columns += llvm::alignTo(part.size, unit);
    sizes.push_back(part.size);
    types.push_back(withColumns(part.size));
  }
  auto linear = b.create<decoder::LinearOp>(first.getLoc(), withColumns(columns), first.getInput(), weight, bias,
                                            b.getI64IntegerAttr(first.getAccuracyLevel()));
  auto split = b.create<decoder::SplitOp>(first.getLoc(), types, linear.getResult(), sizes, unit);
  llvm::SmallSetVector<Operation *, 4> old;
  for (auto [part, result] : llvm::zip(parts, split.getResults())) {
    old.insert(part.value.getDefiningOp());
    Value value = part.value;
    value.replaceAllUsesWith(result);
  }
  for (const Part &part : parts) old.insert(part.linear);
  for (Operation *op : old)
    if (op->use_empty()) op->erase();
}

namespace {
struct MergeQkv : ingot::impl::MergeQkvBase<MergeQkv> {
  void runOnOperation() override {
    getOperation().walk([](decoder::AttentionOp attention) {
      SmallVector<Part> parts;
      for (Value value : {attention.getQuery(), attention.getKey(), attention.getValue()})
        if (auto part = findPart(value)) parts.push_back(*part);
      if (parts.size() == 3 && mergeable(parts)) merge(attention, parts);
    });
  }
};
} // namespace
