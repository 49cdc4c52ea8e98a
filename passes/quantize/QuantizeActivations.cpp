// Sets `num` of every launch with a linear root. int8 activations go with integer grids only, and share the weight's
// group: one scale per group costs a twelfth of the KL of one per row (numerics.md).
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/RecipeBuilder.h"
#include "passes/quantize/Passes.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::decoder;

namespace ingot {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "passes/quantize/Passes.h.inc"
} // namespace ingot

/// True when the recipe's grid was made by us (a `quantise` op), not by the file.
static bool chosenHere(Operation *user, FlatSymbolRefAttr symbol) {
  auto recipe = cast<weights::RecipeOp>(SymbolTable::lookupNearestSymbolFrom(user, symbol));
  return !recipe.getBody().getOps<weights::QuantiseOp>().empty();
}

/// Packed layouts have groups of 16, 32, 64 and 128 columns; a file's block of any other size lies there as pieces of
/// 32 or 16 that repeat its scale (docs/weights.md), and activations are scaled piece by piece.
static int64_t layoutGroup(int64_t block, int64_t columns) {
  if (block == 16 || block == 32 || block == 64 || block == 128) return block;
  return block % 32 == 0 || block >= columns ? 32 : 16;
}

namespace {
struct QuantizeActivations : ingot::impl::QuantizeActivationsBase<QuantizeActivations> {
  using QuantizeActivationsBase::QuantizeActivationsBase;

  void runOnOperation() override {
    if (activations != "auto" && activations != "f32" && activations != "int8") {
      getOperation().emitError() << "activations '" << activations << "': expected auto, f32 or int8";
      return signalPassFailure();
    }
    getOperation().walk([&](LaunchOp launch) {
      auto linear = dyn_cast_or_null<LinearOp>(launch.getRoot());
      if (!linear) return;
      RankedTensorType weight = recipeType(linear, linear.getWeightAttr());
      auto grid = dyn_cast_or_null<weights::GridAttr>(weight.getEncoding());
      bool welcome =
          activations == "int8" ||
          (activations == "auto" && (linear.getAccuracyLevel() == 4 || chosenHere(linear, linear.getWeightAttr())));
      bool int8 = grid && welcome;
      launch.setNumAttr(NumAttr::get(&getContext(), int8 ? ActivationKind::int8 : ActivationKind::f32,
                                     int8 ? layoutGroup(grid.getGroup(), weight.getDimSize(1)) : 0));
      linear.setAccuracyLevel(0); // decided: kernels of equal arithmetic are equal
    });
  }
};
} // namespace
