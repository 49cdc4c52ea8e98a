// Constant tables W[.., q, j] that are a causal mask, with or without a window: compared whole, element by element.
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

} // namespace ingot::infer
