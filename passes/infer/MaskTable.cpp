// One pass over the table.
#include "passes/infer/MaskTable.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace ingot::infer;

/// How many keys the last query sees, 0 if all before it.
static int64_t windowOf(const ConstantData &data, int64_t rows, int64_t columns, float hidden) {
  const float *last = data.values.data() + (rows - 1) * columns;
  int64_t first = 0;
  while (first < rows - 1 && last[first] == hidden) ++first;
  return first == 0 ? 0 : rows - first;
}

std::optional<MaskTable> ingot::infer::readMaskTable(const ConstantData &data) {
  size_t rank = data.shape.size();
  if (rank < 2 || llvm::any_of(llvm::ArrayRef(data.shape).drop_back(2), [](int64_t size) { return size != 1; }))
    return std::nullopt;
  int64_t rows = data.shape[rank - 2], columns = data.shape[rank - 1];
  if (rows < 2 || columns < rows) return std::nullopt;
  float visible = data.values[0], hidden = data.values[1];
  if (visible == hidden) return std::nullopt;
  int64_t window = windowOf(data, rows, columns, hidden);
  for (int64_t q = 0; q < rows; ++q)
    for (int64_t j = 0; j < columns; ++j) {
      bool sees = j <= q && (window == 0 || j > q - window);
      if (data.values[q * columns + j] != (sees ? visible : hidden)) return std::nullopt;
    }
  return MaskTable{rows, window, visible, hidden};
}

Expr ingot::infer::maskElement(ExprContext &exprs, const MaskTable &mask, Expr q, Expr j, mlir::Type type) {
  Expr sees = exprs.lessEqual(j, q);
  if (mask.window) sees = exprs.logicalAnd(sees, exprs.less(exprs.sub(q, exprs.integer(mask.window)), j));
  if (type.isInteger(1)) return mask.visible != 0 ? sees : exprs.logicalNot(sees);
  auto number = [&](double value) { return type.isIntOrIndex() ? exprs.integer(int64_t(value)) : exprs.real(value); };
  return exprs.select(sees, number(mask.visible), number(mask.hidden));
}

std::optional<LineTable> ingot::infer::readLineTable(const ConstantData &data, llvm::ArrayRef<int64_t> at) {
  if (data.shape.empty() || at.size() + 1 != data.shape.size()) return std::nullopt;
  int64_t row = 0, columns = data.shape.back();
  for (auto [index, size] : llvm::zip(at, data.shape)) {
    if (index < 0 || index >= size) return std::nullopt;
    row = row * size + index;
  }
  if (columns < 3) return std::nullopt;
  llvm::ArrayRef<float> values(data.values.data() + row * columns, size_t(columns));
  LineTable line{values.front(), (double(values.back()) - values.front()) / double(columns - 1)};
  double scale = std::max(std::fabs(values.front()), std::fabs(values.back()));
  for (auto [k, value] : llvm::enumerate(values)) // !(<=): a NaN is on no line
    if (!(std::fabs(value - (line.offset + line.slope * double(k))) <= scale * 0x1p-22)) return std::nullopt;
  return line;
}
