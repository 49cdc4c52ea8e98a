// Checks lower's result. Rules: 1. functions hold plan.launch ops and a return; 2. every launch has a main variant, the
// last of which serves any number of rows; 3. every kernel named exists as a plan.kernel; 4. partial results have a
// finish grid, and a launch with one has no prepare grid.
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/lower/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_VERIFYLOWER
#include "passes/lower/Passes.h.inc"
} // namespace ingot

static LogicalResult verifyVariants(plan_ir::LaunchOp launch, ArrayAttr variants) {
  for (auto variant : variants.getAsRange<plan_ir::VariantAttr>())
    if (!SymbolTable::lookupNearestSymbolFrom<plan_ir::KernelOp>(launch, variant.getKernel()))
      return launch.emitOpError("names the unknown kernel ") << variant.getKernel();
  if (!variants.empty() && cast<plan_ir::VariantAttr>(variants[variants.size() - 1]).getMaxRows() != UINT32_MAX)
    return launch.emitOpError("has no kernel for large steps");
  return success();
}

static LogicalResult verifyFinish(plan_ir::LaunchOp launch) {
  bool finishes = launch.getFinish() && !launch.getFinish()->empty();
  if (finishes != (launch.getPartialBytes() != 0)) return launch.emitOpError("has partial results that nobody adds up");
  if (finishes && !launch.getPrepare().empty()) return launch.emitOpError("has both a prepare and a finish grid");
  return finishes ? verifyVariants(launch, *launch.getFinish()) : success();
}

namespace {
struct VerifyLower : ingot::impl::VerifyLowerBase<VerifyLower> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Operation &op : function.getBody().front()) {
        if (isa<func::ReturnOp>(op)) continue;
        auto launch = dyn_cast<plan_ir::LaunchOp>(op);
        if (!launch || launch.getMain().empty()) {
          op.emitOpError("was not lowered to kernels");
          return signalPassFailure();
        }
        if (failed(verifyVariants(launch, launch.getPrepare())) || failed(verifyVariants(launch, launch.getMain())) ||
            failed(verifyFinish(launch)))
          return signalPassFailure();
      }
  }
};
} // namespace
