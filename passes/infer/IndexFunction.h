// The interface that infer attaches to ops, and the attaching of all rules.
#pragma once
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OpDefinition.h"

namespace ingot::infer {
class Typing;
class RowBuilder;

/// Attaches the rules of every op family to the graph and decoder dialects.
void registerIndexFunctions(mlir::DialectRegistry &registry);
} // namespace ingot::infer

#include "passes/infer/RowBuilder.h"

#include "passes/infer/IndexFunction.h.inc"
