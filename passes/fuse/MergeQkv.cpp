// Query, key and value of an attention come out of one linear: one pass over x, and rotary embedding and cache append
// can follow in registers. Each part starts at a multiple of the unit: lcm(16, head dim), so that whole heads share a
// unit.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/LinearPart.h"
#include "passes/fuse/Passes.h"
#include <numeric>

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_MERGEQKV
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kLanes = 16;

/// Goes back through ops that work head by head to the linear behind `value`.
static std::optional<LinearPart> findPart(Value value, int64_t heads) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto rope = dyn_cast<decoder::RopeOp>(op))
      value = rope.getInput();
    else if (auto norm = dyn_cast<decoder::NormOp>(op); norm && int64_t(norm.getGroups()) == heads)
      value = norm.getInput();
    else
      break;
  }
  return partOf(value);
}

static FlatSymbolRefAttr joinRows(ModuleOp module, ArrayRef<LinearPart> parts, int64_t unit, bool bias) {
  RecipeBuilder recipe(module, parts[0].linear.getLoc());
  FlatSymbolRefAttr first = bias ? parts[0].linear.getBiasAttr() : parts[0].linear.getWeightAttr();
  Value rows = recipe.concatRows(loadParts(recipe, parts, unit, bias));
  return recipe.finish(rows, (first.getValue() + "_qkv").str());
}

static void merge(decoder::AttentionOp attention, ArrayRef<LinearPart> parts) {
  auto module = attention->getParentOfType<ModuleOp>();
  int64_t headDim = parts[0].size / int64_t(attention.getHeads());
  int64_t valueDim = parts[2].size / int64_t(attention.getKvHeads());
  int64_t unit = std::lcm(std::lcm(kLanes, headDim), std::lcm(kLanes, valueDim));

  // Operands of the linears dominate the first of them; ropes and norms follow in place.
  decoder::LinearOp first = parts[0].linear;
  for (const LinearPart &part : parts)
    if (part.linear->isBeforeInBlock(first)) first = part.linear;
  OpBuilder b(first);
  auto weight = joinRows(module, parts, unit, false);
  FlatSymbolRefAttr bias = first.getBias() ? joinRows(module, parts, unit, true) : FlatSymbolRefAttr();

  auto type = cast<RankedTensorType>(parts[0].value.getType());
  auto withColumns = [&](int64_t n) { return RankedTensorType::get({type.getDimSize(0), n}, type.getElementType()); };
  int64_t columns = 0;
  SmallVector<int64_t> sizes;
  SmallVector<Type> types;
  for (const LinearPart &part : parts) {
    columns += llvm::alignTo(part.size, unit);
    sizes.push_back(part.size);
    types.push_back(withColumns(part.size));
  }
  auto linear = b.create<decoder::LinearOp>(first.getLoc(), withColumns(columns), first.getInput(), weight, bias,
                                            b.getI64IntegerAttr(first.getAccuracyLevel()));
  auto split = b.create<decoder::SplitOp>(first.getLoc(), types, linear.getResult(), sizes, unit);
  for (auto [part, result] : llvm::zip(parts, split.getResults())) {
    Value value = part.value;
    value.replaceAllUsesWith(result);
  }
  eraseDeadParts(parts);
}

namespace {
struct MergeQkv : ingot::impl::MergeQkvBase<MergeQkv> {
  void runOnOperation() override {
    getOperation().walk([](decoder::AttentionOp attention) {
      SmallVector<LinearPart> parts;
      auto add = [&](Value value, int64_t heads) {
        if (auto part = findPart(value, heads)) parts.push_back(*part);
      };
      add(attention.getQuery(), attention.getHeads());
      add(attention.getKey(), attention.getKvHeads());
      add(attention.getValue(), attention.getKvHeads());
      if (parts.size() == 3 && mergeable(parts)) merge(attention, parts);
    });
  }
};
} // namespace
