// A graph of the node suite as a compiled row program: its ops in a decoder.rows, compiled by CpuKernels, run,
// compared.
#pragma once
#include "compiler/reference/Array.h"
#include "mlir/IR/BuiltinOps.h"
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ingot::test {

enum class RowOutcome {
  rowWise,  ///< passed, a row an index of the leading axis
  wholeRow, ///< passed, the whole tensors as one row (the op mixes indices of the leading axis)
  noCode,   ///< has a type or an op that no row program holds; the reason tells
  failed,   ///< wrong result
};

struct RowResult {
  RowOutcome outcome;
  std::string reason;
};

/// Why `got` differs from `expected`; empty if it does not.
using Compare = std::function<std::string(const reference::Array &got, const reference::Array &expected)>;

/// Runs @main of an imported graph. The arguments are the test's; expected outputs all readable.
RowResult runAsRows(mlir::ModuleOp module, const std::vector<reference::Array> &arguments,
                    const std::vector<reference::Array> &expected, const Compare &compare);

} // namespace ingot::test
