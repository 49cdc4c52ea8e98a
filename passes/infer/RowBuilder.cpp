// Shared parts of row emission: types, look-ups by position, rotary angles.
#include "passes/infer/RowBuilder.h"

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

Value RowBuilder::materialise(Value graphValue, Operation *user) {
  const AbstractValue &value = typing[graphValue];
  if (!value.isClosed()) return rows(graphValue);
  ExprContext &exprs = typing.exprs;
  Variable i = exprs.newVariable("i"), d = exprs.newVariable("d");
  Shape shape = value.shape;
  auto indices = rowIndices(typing, shape, exprs.variable(i), exprs.variable(d));
  Expr form = indices ? typing.at(graphValue, *indices) : Expr();
  auto row = tableRow(typing, form, i, exprs.variable(d));
  auto extent = row ? tables.shape(row->table) : std::nullopt;
  if (!row || !extent || row->offset < 0 || row->offset >= extent->first || !shape.back().constant() ||
      *shape.back().constant() != extent->second) {
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

Value RowBuilder::angles(Value graphAngles, Operation *user) {
  ExprContext &exprs = typing.exprs;
  Shape shape(typing.shape(graphAngles));
  Variable i = exprs.newVariable("i"), d = exprs.newVariable("d");
  Expr column = exprs.variable(d);
  auto refuse = [&](Expr form) {
    typing.report(user, "rotates by angles that are no table rows at the token's position P+i: " + exprs.print(form) +
                            " on " + print(exprs, shape));
    return Value();
  };
  auto columns = shape.empty() ? std::nullopt : shape.back().constant();
  if (!typing[graphAngles].isClosed() || !columns || *columns % 2) return refuse({});
  int64_t half = *columns / 2;
  SmallVector<TableRow, 2> tableRows;
  for (int64_t first : {int64_t(0), half}) {
    auto indices = rowIndices(typing, shape, exprs.variable(i), exprs.add(column, exprs.integer(first)));
    Expr form = indices ? typing.at(graphAngles, *indices) : Expr();
    Facts facts(exprs);
    facts.bound(d, exprs.integer(half));
    if (form) form = typing.prover.simplify(form, facts);
    auto row = tableRow(typing, form, i, column);
    if (!row || row->offset != 0) return refuse(form);
    tableRows.push_back(*row);
  }
  Attribute cos = tableRows[0].table, sin = tableRows[1].table;
  Value &known = angleRows[{cos, sin}];
  if (known) return known;
  auto cosShape = tables.shape(cos), sinShape = tables.shape(sin);
  if (!cosShape || cosShape != sinShape || cosShape->second != half) {
    typing.report(user, "has rotary tables of odd shapes; [positions, " + Twine(half) + "] was expected for both");
    return {};
  }
  tables.limit(cosShape->first);
  std::string problem;
  auto form = tables.recover(cos, sin, problem);
  if (!problem.empty()) mlir::emitWarning(user->getLoc()) << problem << "; its values are not checked";
  auto type = rowType(*columns);
  if (form)
    return known = create<decoder::AnglesOp>(user, type, positions, builder.getDenseF32ArrayAttr(form->frequencies),
                                             FlatSymbolRefAttr(), FlatSymbolRefAttr(),
                                             builder.getF32FloatAttr(form->scale));
  return known =
             create<decoder::AnglesOp>(user, type, positions, DenseF32ArrayAttr(), recipes.ofTable(cos, user->getLoc()),
                                       recipes.ofTable(sin, user->getLoc()), builder.getF32FloatAttr(1.0f));
}
