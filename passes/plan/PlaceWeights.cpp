// Gives every recipe that a launch binds its place in the weights segment, in the order of first use: a step reads
// forward through the file. Recipes that nobody binds go.
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/lower/KernelGenerator.h"
#include "passes/plan/Passes.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_PLACEWEIGHTS
#include "passes/plan/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kAlignment = 64;

namespace {
struct PlaceWeights : ingot::impl::PlaceWeightsBase<PlaceWeights> {
  PlaceWeights() = default;
  explicit PlaceWeights(KernelGenerator &generator) : generator(&generator) {}

  void runOnOperation() override {
    if (!generator) {
      getOperation().emitError("place-weights needs a kernel generator");
      return signalPassFailure();
    }
    getOperation().walk([&](plan_ir::LaunchOp launch) {
      for (auto symbol : launch.getWeights().getAsRange<FlatSymbolRefAttr>()) place(symbol);
    });
    for (auto recipe : llvm::make_early_inc_range(getOperation().getOps<weights::RecipeOp>()))
      if (!placed.contains(recipe.getSymName())) recipe.erase();
  }

private:
  void place(FlatSymbolRefAttr symbol) {
    if (!placed.insert(symbol.getValue()).second) return;
    auto recipe = cast<weights::RecipeOp>(SymbolTable::lookupSymbolIn(getOperation(), symbol));
    RankedTensorType type = recipe.getResultType();
    int64_t size = generator->packedBytes(recipe);
    int64_t rows = type.getRank() == 0 ? 1 : type.getDimSize(0), cols = rows ? type.getNumElements() / rows : 0;
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    b.create<plan_ir::WeightOp>(recipe.getLoc(), b.getStringAttr(symbol.getValue() + ".packed"), symbol,
                                b.getStringAttr(generator->layoutName(recipe)), b.getI64IntegerAttr(offset),
                                b.getI64IntegerAttr(size), b.getI64IntegerAttr(rows), b.getI64IntegerAttr(cols));
    offset = llvm::alignTo(offset + size, kAlignment);
  }

  KernelGenerator *generator = nullptr;
  llvm::StringSet<> placed;
  int64_t offset = 0;
};
} // namespace

std::unique_ptr<Pass> ingot::createPlaceWeights(KernelGenerator &generator) {
  return std::make_unique<PlaceWeights>(generator);
}

void ingot::buildPlanPipeline(OpPassManager &manager, KernelGenerator &generator, const char *target) {
  manager.addPass(createPlaceWeights(generator));
  manager.addPass(createPlanSteps({.target = target, .queryTileRows = generator.queryTileRows()}));
  manager.addPass(createVerifyPlan());
}
