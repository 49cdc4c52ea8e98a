// The specialize phase. Passes.td lists the passes; Pipeline.cpp orders them.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace ingot {

#define GEN_PASS_DECL
#include "passes/specialize/Passes.h.inc"

void buildSpecializePipeline(mlir::OpPassManager &manager, int64_t maxContext);

#define GEN_PASS_REGISTRATION
#include "passes/specialize/Passes.h.inc"

} // namespace ingot
