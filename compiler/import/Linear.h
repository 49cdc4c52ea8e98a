// Products with a weight of the model, shared by the operators that hold one.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace ingot {

/// x w (+ bias) for x [.., K] and w [K, N], or w [N, K] if `transposed`: decoder.linear if w is a weight of the model,
/// else graph ops. Operand numbers give the weights their names; bias may be null and is [N].
mlir::Value project(NodeImporter &n, mlir::Value x, mlir::Value w, bool transposed, mlir::Value bias, size_t wOperand,
                    size_t biasOperand);

/// decoder.linear over recipes: x [.., columns] to [.., rows]; bias may be null.
mlir::Value linear(NodeImporter &n, mlir::Value x, mlir::FlatSymbolRefAttr weight, mlir::FlatSymbolRefAttr bias,
                   int64_t rows, int64_t columns, int64_t accuracy = 0);

/// x with its last two dims swapped.
mlir::Value swapLast(NodeImporter &n, mlir::Value x);

} // namespace ingot
