// Grids come with f32 scales where the file has f32. Most of them are f16 values in disguise (they were made by tools
// that store f16): then the packed form keeps f16, exactly, and a block is a tenth smaller.
#include "dialects/weights/Weights.h"
#include "passes/quantize/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_NARROWSCALES
#include "passes/quantize/Passes.h.inc"
} // namespace ingot

namespace {
struct NarrowScales : ingot::impl::NarrowScalesBase<NarrowScales> {
  NarrowScales() = default;
  explicit NarrowScales(std::function<bool(weights::RecipeOp)> fits) : scalesFitF16(std::move(fits)) {}

  void runOnOperation() override {
    if (!scalesFitF16) return;
    auto f16 = Float16Type::get(&getContext());
    AttrTypeReplacer narrow;
    narrow.addReplacement([&](weights::GridAttr grid) {
      return weights::GridAttr::get(grid.getContext(), grid.getBits(), grid.getGroup(), grid.getZero(), f16);
    });
    for (auto recipe : getOperation().getOps<weights::RecipeOp>()) {
      auto grid = dyn_cast_or_null<weights::GridAttr>(recipe.getResultType().getEncoding());
      if (!grid || grid.getScale() == f16 || !scalesFitF16(recipe)) continue;
      narrow.recursivelyReplaceElementsIn(recipe, /*replaceAttrs=*/true, /*replaceLocs=*/false, /*replaceTypes=*/true);
    }
  }
  std::function<bool(weights::RecipeOp)> scalesFitF16;
};
} // namespace

std::unique_ptr<Pass> ingot::createNarrowScales(std::function<bool(weights::RecipeOp)> scalesFitF16) {
  return std::make_unique<NarrowScales>(std::move(scalesFitF16));
}
