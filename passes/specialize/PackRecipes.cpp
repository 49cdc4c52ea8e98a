// Gives every recipe its packed layout. Matrices that a linear or an embed reads become r16 (float types and grids kept
// exactly), each expert of a mixture in whole blocks of 16 rows; vectors and look-up tables become
// plain f32 rows. A recipe read both ways is made twice.
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
  return (isa<decoder::LinearOp, decoder::ExpertLinearOp>(op) && attribute == "weight") ||
         (isa<decoder::EmbedOp>(op) && attribute == "table");
}

/// How many experts' rows lie one below the other in a weight; 1 in all others.
static int64_t expertsOf(Operation *op, StringAttr attribute) {
  auto linear = dyn_cast<decoder::ExpertLinearOp>(op);
  return linear && attribute == "weight" ? int64_t(linear.getExperts()) : 1;
}

static FlatSymbolRefAttr pack(ModuleOp module, FlatSymbolRefAttr symbol, LayoutKind layout, int64_t experts) {
  RecipeBuilder recipe(module, module.getLoc());
  Value value = recipe.load(symbol);
  // The rows that fill an expert up are the next expert's: nobody reads what they give.
  if (int64_t rows = cast<RankedTensorType>(value.getType()).getDimSize(0) / experts; experts > 1 && rows % 16)
    value = recipe.permuteRows(value, {experts, int64_t(llvm::alignTo(rows, 16))}, {rows, 1});
  auto type = cast<RankedTensorType>(value.getType());
  Type element = type.getElementType();
  bool keep = layout == LayoutKind::r16 && (type.getEncoding() || element.isF16() || element.isBF16());
  if (!keep) value = recipe.cast(value, Float32Type::get(module.getContext()));
  return recipe.finish(recipe.pack(value, layout), symbol.getValue());
}

using Packed = std::map<std::tuple<StringRef, LayoutKind, int64_t>, FlatSymbolRefAttr>;

/// The regions of rows read their weights whole, as plain f32.
static void packPlain(ModuleOp module, decoder::RowsOp rows, Packed &packed) {
  SmallVector<Attribute> weights;
  for (auto symbol : rows.getWeights().getAsRange<FlatSymbolRefAttr>()) {
    auto [entry, isNew] = packed.try_emplace({symbol.getValue(), LayoutKind::rows, 1});
    if (isNew) entry->second = pack(module, symbol, LayoutKind::rows, 1);
    weights.push_back(entry->second);
  }
  rows.setWeightsAttr(ArrayAttr::get(module.getContext(), weights));
}

namespace {
struct PackRecipes : ingot::impl::PackRecipesBase<PackRecipes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Packed packed;
    module.walk([&](Operation *op) {
      if (!isa<decoder::DecoderDialect>(op->getDialect())) return;
      if (auto rows = dyn_cast<decoder::RowsOp>(op)) packPlain(module, rows, packed);
      for (NamedAttribute attribute : llvm::to_vector(op->getAttrs())) {
        auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue());
        if (!symbol || attribute.getName() == "cache") continue;
        LayoutKind layout = readsMatrix(op, attribute.getName()) ? LayoutKind::r16 : LayoutKind::rows;
        int64_t experts = expertsOf(op, attribute.getName());
        auto [entry, isNew] = packed.try_emplace({symbol.getValue(), layout, experts});
        if (isNew) entry->second = pack(module, symbol, layout, experts);
        op->setAttr(attribute.getName(), entry->second);
      }
    });
  }
};
} // namespace
