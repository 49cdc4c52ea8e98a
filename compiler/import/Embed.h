// Rows of a table of the model, shared by the operators that look them up.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace ingot {

/// x[.., indices, ..] along `axis`: decoder.embed if x is a weight matrix whose rows ids pick, else graph.gather.
/// `hint` names the table if it has no name of its own.
mlir::Value lookUp(NodeImporter &n, mlir::Value x, mlir::Value indices, int64_t axis, llvm::StringRef hint);

} // namespace ingot
