// decoder.angles of rotary angles: frequencies where a closed form is known or recovered, else the model's tables.
#include "passes/infer/RowBuilder.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

Value RowBuilder::angles(const RotaryAngles &angles, Operation *user) {
  for (auto &[known, value] : angleRows)
    if (known == angles) return value;
  Value made = emit(angles, user);
  if (made) angleRows.push_back({angles, made});
  return made;
}

static bool allOf(ArrayRef<Wave> waves, Wave::Kind kind) {
  return llvm::all_of(waves, [&](const Wave &wave) { return wave.kind == kind; });
}

/// The factor that all waves have; nullopt if they differ.
static std::optional<float> commonFactor(const RotaryAngles &angles) {
  float factor = angles.cos.front().factor;
  for (const std::vector<Wave> *waves : {&angles.cos, &angles.sin})
    for (const Wave &wave : *waves)
      if (wave.factor != factor) return std::nullopt;
  return factor;
}

Value RowBuilder::emit(const RotaryAngles &angles, Operation *user) {
  auto factor = commonFactor(angles);
  if (!factor || !(*factor > 0)) {
    typing.report(user, "rotates by cosines and sines of different scales, which is no rotation");
    return {};
  }
  if (allOf(angles.cos, Wave::Kind::Table) && allOf(angles.sin, Wave::Kind::Table)) return emitTables(angles, user);
  SmallVector<float> frequencies;
  for (auto [cos, sin] : llvm::zip(angles.cos, angles.sin)) {
    if (cos.kind != Wave::Kind::Cosine || sin.kind != Wave::Kind::Sine || cos.frequency != std::abs(sin.frequency)) {
      typing.report(user, "rotates by cosines and sines of different angles");
      return {};
    }
    frequencies.push_back(sin.frequency);
  }
  return create<decoder::AnglesOp>(user, rowType(2 * frequencies.size()), positions,
                                   builder.getDenseF32ArrayAttr(frequencies), FlatSymbolRefAttr(), FlatSymbolRefAttr(),
                                   builder.getF32FloatAttr(*factor));
}

namespace {
/// Columns first, first + step, .. of one table from the row `offset` on.
struct TableSlice {
  Attribute table;
  int64_t offset, first, step = 1;
  SmallVector<int64_t> columns = {};
};
} // namespace

static std::optional<TableSlice> sliceOf(ArrayRef<Wave> waves) {
  const TableColumn &front = waves.front().place;
  TableSlice slice{front.table, front.offset, front.column};
  if (waves.size() > 1) slice.step = waves[1].place.column - front.column;
  for (const Wave &wave : waves) {
    int64_t expected = slice.first + slice.step * int64_t(slice.columns.size());
    if (wave.place.table != front.table || wave.place.offset != front.offset || wave.place.column != expected ||
        slice.step < 1)
      return std::nullopt;
    slice.columns.push_back(expected);
  }
  return slice;
}

/// [rows, n] out of the whole table: reshape so that the step is an axis of its own, then cut.
static Value cut(OpBuilder &builder, Value table, const TableSlice &slice, int64_t rows, int64_t columns) {
  auto along = [&](Value x, int64_t axis, int64_t begin, int64_t extent) -> Value {
    auto type = cast<RankedTensorType>(x.getType());
    SmallVector<int64_t> shape(type.getShape());
    if (shape[axis] == extent) return x;
    shape[axis] = extent;
    return builder.create<weights::SliceOp>(x.getLoc(), type.clone(shape), x, axis, begin);
  };
  int64_t n = slice.columns.size();
  Value x = table;
  if (slice.step > 1) {
    x = Recipes::reshape(builder, x, {rows, columns / slice.step, slice.step});
    x = along(x, 2, slice.first % slice.step, 1);
  }
  x = Recipes::reshape(builder, x, {rows, columns / slice.step});
  x = along(x, 1, slice.first / slice.step, n);
  return along(x, 0, slice.offset, rows - slice.offset);
}

Value RowBuilder::emitTables(const RotaryAngles &angles, Operation *user) {
  auto cos = sliceOf(angles.cos), sin = sliceOf(angles.sin);
  auto shape = cos ? tables.shape(cos->table) : std::nullopt;
  if (!cos || !sin || !shape || shape != tables.shape(sin->table) || cos->offset != sin->offset) {
    typing.report(user, "has rotary tables of different shapes, or takes their columns in no regular order");
    return {};
  }
  auto [rows, columns] = *shape;
  tables.limit(rows - cos->offset);
  auto form = tables.recover(cos->table, cos->columns, sin->table, sin->columns, cos->offset);
  if (std::string problem = tables.takeProblem(); !problem.empty())
    mlir::emitWarning(user->getLoc()) << problem << "; its values are not checked";
  auto type = rowType(2 * cos->columns.size());
  float factor = angles.cos.front().factor;
  if (form)
    return create<decoder::AnglesOp>(user, type, positions, builder.getDenseF32ArrayAttr(form->frequencies),
                                     FlatSymbolRefAttr(), FlatSymbolRefAttr(),
                                     builder.getF32FloatAttr(form->scale * factor));
  SmallVector<FlatSymbolRefAttr, 2> kept;
  for (const TableSlice *slice : {&*cos, &*sin}) {
    bool whole = slice->step == 1 && int64_t(slice->columns.size()) == columns && !slice->offset;
    if (whole && tables.fullShape(slice->table).size() == 2)
      kept.push_back(recipes.ofTable(slice->table, user->getLoc()));
    else if (columns % slice->step == 0)
      kept.push_back(recipes.ofTable(tables.resolve(slice->table), user->getLoc(), [&](OpBuilder &at, Value table) {
        return cut(at, table, *slice, rows, columns);
      }));
  }
  if (kept.size() != 2) {
    typing.report(user, "takes the columns of its rotary tables in no regular order");
    return {};
  }
  return create<decoder::AnglesOp>(user, type, positions, DenseF32ArrayAttr(), kept[0], kept[1],
                                   builder.getF32FloatAttr(factor));
}

Value RowBuilder::angles(Value graphAngles, Operation *user) {
  ExprContext &exprs = typing.exprs;
  Shape shape(typing.shape(graphAngles));
  auto columns = shape.empty() ? std::nullopt : shape.back().constant();
  Expr form;
  Variable i = exprs.newVariable("i"), q = exprs.newVariable("q");
  auto wave = [&](int64_t column) -> std::optional<Wave> {
    SmallVector<Expr, 4> indices(shape.size(), exprs.integer(0));
    unsigned fresh = 0;
    for (size_t k = 0; k + 1 < shape.size(); ++k) {
      if (shape[k] == typing.freshDim())
        indices[k] = exprs.variable(i), ++fresh;
      else if (!shape[k].isOne())
        return std::nullopt;
    }
    if (fresh != 1) return std::nullopt;
    indices.back() = exprs.integer(column);
    form = atPosition(typing, typing.at(graphAngles, indices), i, q);
    return waveOf(exprs, tables, form, q);
  };
  RotaryAngles angles;
  bool known = typing[graphAngles].isClosed() && columns && *columns % 2 == 0;
  for (int64_t k = 0; known && k < *columns / 2; ++k) {
    auto cos = wave(k), sin = cos ? wave(*columns / 2 + k) : std::nullopt;
    known = cos && sin;
    if (known && cos->kind == Wave::Kind::Constant && sin->kind == Wave::Kind::Constant && sin->factor == 0) {
      cos->kind = Wave::Kind::Cosine, sin->kind = Wave::Kind::Sine; // a pair that does not turn
      sin->factor = cos->factor;
    }
    if (known) angles.cos.push_back(*cos), angles.sin.push_back(*sin);
  }
  if (known) return this->angles(angles, user);
  typing.report(user, "rotates by angles that are no closed form or table row at the token's position q = P+i: " +
                          exprs.print(form) + " on " + print(exprs, shape));
  return {};
}
