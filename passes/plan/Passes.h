// The plan phase. Passes.td lists the passes.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace ingot {

class KernelGenerator;

#define GEN_PASS_DECL
#include "passes/plan/Passes.h.inc"

/// place-weights with the generator that knows packed sizes; it must outlive the pass.
std::unique_ptr<mlir::Pass> createPlaceWeights(KernelGenerator &generator);

/// `target`: cpu or cuda, the machine that the generator is for.
void buildPlanPipeline(mlir::OpPassManager &manager, KernelGenerator &generator, const char *target);

#define GEN_PASS_REGISTRATION
#include "passes/plan/Passes.h.inc"

} // namespace ingot
