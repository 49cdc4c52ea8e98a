// The lower phase. Passes.td lists the passes; the code itself comes from a KernelGenerator.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace ingot {

class KernelGenerator;

#define GEN_PASS_DECL
#include "passes/lower/Passes.h.inc"

/// lower-launches with a generator, which must outlive the pass.
std::unique_ptr<mlir::Pass> createLowerLaunches(KernelGenerator &generator);

/// distribute-lanes on one kernel.
mlir::LogicalResult distributeLanes(mlir::func::FuncOp kernel);

void buildLowerPipeline(mlir::OpPassManager &manager, KernelGenerator &generator);

#define GEN_PASS_REGISTRATION
#include "passes/lower/Passes.h.inc"

} // namespace ingot
