// Gives every recipe its packed layout. Matrices that a linear or an embed reads become r16 (float types and grids kept
// exactly, bf16 widened to f32); vectors and look-up tables become plain f32 rows. A recipe read both ways is made
// twice.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/RecipeBuilder.h"
#include "passes/specialize/Passes.h"

using namespace mlir;
using namespace ingot;
using weights::LayoutKind;

namespace ingot {
#define GEN_PASS_DEF_PACKRECIPES
#include "passes/specialize/Passes.h.inc"
} // namespace ingot

static bool readsMatrix(Operation *op, StringAttr attribute) {
  return (isa<decoder::LinearOp>(op) && attribute == "weight") || (isa<decoder::EmbedOp>(op) && attribute == "table");
}

static FlatSymbolRefAttr pack(ModuleOp module, FlatSymbolRefAttr symbol, LayoutKind layout) {
  RecipeBuilder recipe(module, module.getLoc());
  Value value = recipe.load(symbol);
  auto type = cast<RankedTensorType>(value.getType());
  bool keep = layout == LayoutKind::r16 && (type.getEncoding() || type.getElementType().isF16());
  if (!keep) value = recipe.cast(value, Float32Type::get(module.getContext()));
  return recipe.finish(recipe.pack(value, layout), symbol.getValue());
}

namespace {
struct PackRecipes : ingot::impl::PackRecipesBase<PackRecipes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::map<std::pair<StringRef, LayoutKind>, FlatSymbolRefAttr> packed;
    module.walk([&](Operation *op) {
      if (!isa<decoder::DecoderDialect>(op->getDialect())) return;
      for (NamedAttribute attribute : llvm::to_vector(op->getAttrs())) {
        auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue());
        if (!symbol || attribute.getName() == "cache") continue;
        LayoutKind layout = readsMatrix(op, attribute.getName()) ? LayoutKind::r16 : LayoutKind::rows;
        auto [entry, isNew] = packed.try_emplace({symbol.getValue(), layout});
        if (isNew) entry->second = pack(module, symbol, layout);
        op->setAttr(attribute.getName(), entry->second);
      }
    });
  }
};
} // namespace
