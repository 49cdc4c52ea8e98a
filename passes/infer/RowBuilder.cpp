// Shared parts of row emission: types, look-ups by position.
#include "passes/infer/RowBuilder.h"
#include "passes/infer/RowRegion.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

void RowBuilder::startFunction(Block &block, Value stepPositions) {
  builder.setInsertionPointToEnd(&block);
  positions = stepPositions;
  mapping.clear();
  angleRows.clear();
}

int64_t RowBuilder::width(Value graphValue) {
  int64_t columns = 1;
  for (const Dim &dim : typing.shape(graphValue))
    for (Expr factor : dim.factors())
      if (auto size = factor.asInteger()) columns *= *size;
  return columns;
}

RankedTensorType RowBuilder::rowType(int64_t columns) {
  return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
}

void RowBuilder::noRowForm(Operation *op) {
  if (!RowRegion::lower(*this, op))
    typing.report(op, "depends on the tokens but has no row form yet; rewrite it with operators that have one");
}

namespace {
/// A row of a table at position + offset.
struct TableRow {
  Attribute table;
  int64_t offset;
};
} // namespace

/// Reads `form`, the element of a closed value at (token i, column d), as table[P + i + offset, d + first].
static std::optional<TableRow> tableRow(Typing &typing, Expr form, Variable token, Expr column) {
  ExprContext &exprs = typing.exprs;
  if (!form || form->op != ExprOp::Table || form->operands.size() != 2 || form->operands[1] != column)
    return std::nullopt;
  Expr offset = exprs.sub(form->operands[0], exprs.add(exprs.past(), exprs.variable(token)));
  if (!offset.asInteger()) return std::nullopt;
  return TableRow{form->table, *offset.asInteger()};
}

/// Indices (0.., token i, .., d) into a closed value with one axis S and one constant last axis; nullopt else.
static std::optional<SmallVector<Expr, 4>> rowIndices(Typing &typing, ArrayRef<Dim> shape, Expr token, Expr column) {
  SmallVector<Expr, 4> indices(shape.size(), typing.exprs.integer(0));
  unsigned fresh = 0;
  for (size_t k = 0; k < shape.size(); ++k) {
    if (shape[k] == typing.freshDim())
      indices[k] = token, ++fresh;
    else if (k + 1 == shape.size() && shape[k].constant())
      indices[k] = column;
    else if (!shape[k].isOne())
      return std::nullopt;
  }
  if (fresh != 1) return std::nullopt;
  return indices;
}

/// Rows of any closed value with the one axis S: computed anew from each step's positions. Null if it has no such form.
static Value computedRows(RowBuilder &rows, Value graphValue, Operation *user) {
  ExprContext &exprs = rows.typing.exprs;
  Shape shape(rows.typing.shape(graphValue));
  Variable token = exprs.newVariable("i");
  SmallVector<Expr, 4> at;
  SmallVector<Variable> indices;
  SmallVector<int64_t> sizes;
  for (const Dim &dim : shape) {
    if (dim == rows.typing.freshDim()) {
      at.push_back(exprs.variable(token));
    } else if (auto size = dim.constant()) {
      indices.push_back(exprs.newVariable("d"));
      sizes.push_back(*size);
      at.push_back(*size == 1 ? exprs.integer(0) : exprs.variable(indices.back()));
    } else {
      return {};
    }
  }
  return RowRegion::ofForm(rows, rows.typing.at(graphValue, at), token, indices, sizes, user);
}

Value RowBuilder::materialise(Value graphValue, Operation *user) {
  const AbstractValue &value = typing[graphValue];
  if (!value.isClosed() || mapping.contains(graphValue)) return rows(graphValue);
  ExprContext &exprs = typing.exprs;
  Variable i = exprs.newVariable("i"), d = exprs.newVariable("d");
  Shape shape = value.shape;
  auto indices = rowIndices(typing, shape, exprs.variable(i), exprs.variable(d));
  Expr form = indices ? typing.at(graphValue, *indices) : Expr();
  auto row = tableRow(typing, form, i, exprs.variable(d));
  auto extent = row ? tables.shape(row->table) : std::nullopt;
  if (!row || !extent || row->offset < 0 || row->offset >= extent->first || !shape.back().constant() ||
      *shape.back().constant() != extent->second) {
    if (Value computed = computedRows(*this, graphValue, user)) return mapping[graphValue] = computed;
    typing.report(user, "takes a value by position that is no table row: " + exprs.print(form) + " on " +
                            print(exprs, shape));
    return {};
  }
  tables.limit(extent->first - row->offset);
  auto table = recipes.ofTable(row->table, user->getLoc());
  Value made = create<decoder::LookupRowsOp>(user, rowType(extent->second), positions, table,
                                             builder.getI64IntegerAttr(row->offset));
  return mapping[graphValue] = made;
}
