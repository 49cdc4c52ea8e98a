// Constant tables in a score, compared whole, element by element: W[.., q, j] that is a causal mask, with or without a
// window, and W[.., k] whose row is a line along its last axis (attention with linear biases).
#pragma once
#include "passes/infer/ConstantData.h"
#include "passes/infer/Expr.h"

namespace ingot::infer {

struct MaskTable {
  int64_t positions = 0; ///< rows and columns that the table has for q and j
  int64_t window = 0;    ///< 0: none
  double visible = 0, hidden = 0;
};

/// The mask that the last two axes of `data` are (all others have size 1); nullopt if they are none.
std::optional<MaskTable> readMaskTable(const ConstantData &data);

/// The element at query `q` and key `j`, of the table's element type.
Expr maskElement(ExprContext &exprs, const MaskTable &mask, Expr q, Expr j, mlir::Type type);

/// offset + slope * k: all elements of a row.
struct LineTable {
  double offset = 0, slope = 0;
};

/// The row of `data` at the literal indices `at` (all but the last axis), if it is a line to within its f32 rounding;
/// nullopt if it is none, has fewer than three elements or `at` lies outside.
std::optional<LineTable> readLineTable(const ConstantData &data, llvm::ArrayRef<int64_t> at);

} // namespace ingot::infer
