// The order of the fuse phase.
#include "passes/fuse/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

void ingot::buildFusePipeline(mlir::OpPassManager &manager) {
  manager.addNestedPass<mlir::func::FuncOp>(createMergeRows());
  manager.addPass(createFoldColumns());
  manager.addPass(createUnifyRecipes());
  manager.addNestedPass<mlir::func::FuncOp>(createMergeQkv());
  manager.addNestedPass<mlir::func::FuncOp>(createMergeGate());
  manager.addPass(createUnifyRecipes());
  manager.addNestedPass<mlir::func::FuncOp>(createSplitAttention());
  manager.addNestedPass<mlir::func::FuncOp>(createOutlineLaunches());
  manager.addPass(createVerifyFuse());
}
