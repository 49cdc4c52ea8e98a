// Checks specialize's result. Rules: 1. every recipe ends in pack; 2. there is one decoder.limits with a positive
// context.
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"
#include "passes/specialize/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_VERIFYSPECIALIZE
#include "passes/specialize/Passes.h.inc"
} // namespace ingot

namespace {
struct VerifySpecialize : ingot::impl::VerifySpecializeBase<VerifySpecialize> {
  void runOnOperation() override {
    for (auto recipe : getOperation().getOps<weights::RecipeOp>())
      if (!recipe.getResult().getDefiningOp<weights::PackOp>()) {
        recipe.emitOpError("is not packed");
        return signalPassFailure();
      }
    auto limits = llvm::to_vector(getOperation().getOps<decoder::LimitsOp>());
    if (limits.size() != 1 || int64_t(limits[0].getMaxContext()) <= 0) {
      getOperation().emitError("needs one decoder.limits with a positive max_context");
      return signalPassFailure();
    }
  }
};
} // namespace
