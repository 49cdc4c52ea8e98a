// Row programs spelled with ops of rows that have an op of their own: cap * tanh(x / cap) is softcap, and so on. Only
// identities of the row's values up to rounding; nothing depends on how an exporter names or orders its nodes.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/LogicalResult.h"

namespace ingot::infer {

/// Rewrites @body and @head of the module and drops rows that nothing uses.
llvm::LogicalResult recogniseRowIdioms(mlir::ModuleOp module);

} // namespace ingot::infer
