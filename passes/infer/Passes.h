// The phase infer: understands an imported graph (func.func @main in graph + decoder + weights) and replaces it by
// @body and @head in the rows form of the decoder dialect, or reports every gap at the ONNX node that causes it.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace ingot {

#define GEN_PASS_DECL
#include "passes/infer/Passes.h.inc"

/// recognise-norms, recognise-activations, infer, verify-infer. `options.modelFile` is the .onnx file (rotary tables
/// are read from it or beside it); `options.maxContext` 0 takes the model's own limit: its position tables', else
/// `options.configContext`.
void buildInferPipeline(mlir::OpPassManager &manager, const InferOptions &options);

#define GEN_PASS_REGISTRATION
#include "passes/infer/Passes.h.inc"

} // namespace ingot
