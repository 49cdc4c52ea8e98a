// Puts float weights of linears and embedding tables on an integer grid, by a `quantise` op at the end of their recipe.
// A recipe that already has a grid keeps it: re-rounding a 4-bit grid destroys the text (design section 9).
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/RecipeBuilder.h"
#include "passes/quantize/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "passes/quantize/Passes.h.inc"
} // namespace ingot

/// "int4:64" -> a symmetric grid with f16 scales; null for "none". Fails on anything else.
static FailureOr<weights::GridAttr> parseFormat(ModuleOp module, StringRef text) {
  if (text == "none") return weights::GridAttr();
  auto [name, size] = text.split(':');
  unsigned bits = name == "int8" ? 8 : name == "int4" ? 4 : 0, group = 32;
  if (!bits || (!size.empty() && size.getAsInteger(10, group)) || (group != 32 && group != 64 && group != 128)) {
    module.emitError() << "quantisation '" << text << "': expected none, int8 or int4, with :32, :64 or :128 behind it";
    return failure();
  }
  return weights::GridAttr::get(module.getContext(), bits, group, weights::ZeroKind::symmetric,
                                Float16Type::get(module.getContext()));
}

namespace {
struct QuantizeWeights : ingot::impl::QuantizeWeightsBase<QuantizeWeights> {
  using QuantizeWeightsBase::QuantizeWeightsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto bodyGrid = parseFormat(module, body), headGrid = parseFormat(module, head);
    if (failed(bodyGrid) || failed(headGrid)) return signalPassFailure();

    // A tied table is the head's weight: the head's format wins over the body's.
    llvm::MapVector<StringAttr, weights::GridAttr> wanted; // by recipe name
    module.walk([&](decoder::LinearOp op) {
      bool inHead = op->getParentOfType<func::FuncOp>().getName() == "head";
      if (inHead)
        wanted[op.getWeightAttr().getAttr()] = *headGrid;
      else
        wanted.try_emplace(op.getWeightAttr().getAttr(), *bodyGrid);
    });
    module.walk([&](decoder::ExpertLinearOp op) { wanted.try_emplace(op.getWeightAttr().getAttr(), *bodyGrid); });
    module.walk([&](decoder::EmbedOp op) { wanted.try_emplace(op.getTableAttr().getAttr(), *headGrid); });

    AttrTypeReplacer rename;
    DenseMap<StringAttr, FlatSymbolRefAttr> renamed;
    for (auto [name, grid] : wanted) {
      auto symbol = FlatSymbolRefAttr::get(name);
      RankedTensorType type = recipeType(module, symbol);
      if (!grid || type.getEncoding()) continue;
      RecipeBuilder recipe(module, module.getLoc());
      Value value = recipe.cast(recipe.load(symbol), Float32Type::get(module.getContext()));
      renamed[name] = recipe.finish(recipe.quantise(value, grid), name);
    }
    rename.addReplacement([&](FlatSymbolRefAttr symbol) -> std::optional<Attribute> {
      auto found = renamed.find(symbol.getAttr());
      return found == renamed.end() ? std::nullopt : std::optional<Attribute>(found->second);
    });
    for (auto function : module.getOps<func::FuncOp>()) rename.recursivelyReplaceElementsIn(function);
  }
};
} // namespace
