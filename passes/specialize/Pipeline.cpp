// The order of the specialize phase.
#include "passes/specialize/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "passes/fuse/Passes.h"

void ingot::buildSpecializePipeline(mlir::OpPassManager &manager, int64_t maxContext) {
  LimitContextOptions limit;
  limit.tokens = maxContext;
  manager.addPass(createLimitContext(limit));
  manager.addPass(createPackRecipes());
  manager.addPass(createUnifyRecipes());
  manager.addPass(createVerifySpecialize());
}
