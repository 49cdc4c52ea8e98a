// The quantize phase. Passes.td lists the passes; Pipeline.cpp orders them.
#pragma once
#include "dialects/weights/Weights.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <functional>
#include <memory>
#include <string>

namespace ingot {

#define GEN_PASS_DECL
#include "passes/quantize/Passes.h.inc"

struct QuantizePhaseOptions {
  std::string weights = "none";     // none, int8 or int4[:GROUP]
  std::string head = "none";        // the same
  std::string activations = "auto"; // auto, f32 or int8
  std::string cache = "graph";      // graph, f32, f16 or bf16
  /// Reads the file: whether every scale (and minimum) of the recipe's grid is exactly an f16. Passes see no weights,
  /// so the driver lends its eyes; absent, scales stay as wide as the file has them.
  std::function<bool(weights::RecipeOp)> scalesFitF16;
};

/// narrow-scales with the eyes of `scalesFitF16`.
std::unique_ptr<mlir::Pass> createNarrowScales(std::function<bool(weights::RecipeOp)> scalesFitF16);

void buildQuantizePipeline(mlir::OpPassManager &manager, const QuantizePhaseOptions &options);

#define GEN_PASS_REGISTRATION
#include "passes/quantize/Passes.h.inc"

} // namespace ingot
