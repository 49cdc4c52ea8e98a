// The fuse phase. Passes.td lists the passes; Pipeline.cpp orders them.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace ingot {

#define GEN_PASS_DECL
#include "passes/fuse/Passes.h.inc"

/// Rows form in, launches form out, verified.
void buildFusePipeline(mlir::OpPassManager &manager);

#define GEN_PASS_REGISTRATION
#include "passes/fuse/Passes.h.inc"

} // namespace ingot
