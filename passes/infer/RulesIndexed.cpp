// Concatenation and gathering.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

struct ConcatRule {
  void infer(graph::ConcatOp op, Typing &typing) const {
    ExprContext &exprs = typing.exprs;
    size_t axis = op.getAxis();
    Shape shape(typing.shape(op.getInputs()[0]));
    Expr length = exprs.integer(0);
    SmallVector<Expr> ends;
    for (Value input : op.getInputs()) {
      Shape other(typing.shape(input));
      if (other.size() != shape.size() || axis >= shape.size())
        return typing.report(op, "joins tensors of different ranks");
      length = exprs.add(length, other[axis].size(exprs));
      ends.push_back(length);
      other[axis] = shape[axis];
      if (other == shape) continue;
      learnSizes(typing, shape, other);
      return typing.report(op, "joins tensors whose other axes differ");
    }
    if (!length.isAffine()) return typing.report(op, "joins along an axis that is a product of symbolic axes");
    shape[axis] = Dim(exprs, length);
    if (joinPast(op, typing, shape)) return;
    ClosedForm form = closedForm(op, typing, axis, ends);
    if (llvm::any_of(op.getInputs(), [&](Value v) { return typing[v].isHistory(); }))
      return typing.setHistory(op, shape, form);
    if (allClosed(typing, op)) return typing.setClosed(op, shape, form, allConstant(typing, op));
    if (llvm::any_of(op.getInputs(), [&](Value v) { return !typing.shape(v)[axis].constant(); }))
      return typing.report(op, "joins along the token axis outside attention");
    typing.setToken(op, shape, form);
  }

  static ClosedForm closedForm(graph::ConcatOp op, Typing &typing, size_t axis, SmallVector<Expr> ends) {
    return [op, &typing, axis, ends](Indices indices) mutable -> Expr {
      ExprContext &exprs = typing.exprs;
      Expr result;
      for (size_t k = ends.size(); k-- > 0;) {
        Expr inside = k + 1 == ends.size() ? exprs.boolean(true) : exprs.less(indices[axis], ends[k]);
        if (inside.asBool() == false && result) continue;
        SmallVector<Expr, 4> inner(indices);
        if (k) inner[axis] = exprs.sub(indices[axis], ends[k - 1]);
        // A literal index lies in one part only; the others have no such element.
        if (k && exprs.less(inner[axis], exprs.integer(0)).asBool() == true) continue;
        Expr part = typing.at(op.getInputs()[k], inner);
        if (!part) return {};
        result = result ? exprs.select(inside, part, result) : part;
      }
      return result;
    };
  }
};

/// The one index is the last token's.
bool picksLast(graph::GatherOp op, Typing &typing) {
  Shape shape(typing.shape(op.getIndices()));
  if (!typing[op.getIndices()].isClosed() || constantProduct(shape) != 1) return false;
  Expr index = typing.at(op.getIndices(), SmallVector<Expr, 2>(shape.size(), typing.exprs.integer(0)));
  return index && (index.is(-1) || index == typing.exprs.sub(typing.exprs.fresh(), typing.exprs.integer(1)));
}

struct GatherRule {
  void infer(graph::GatherOp op, Typing &typing) const {
    Value input = op.getInput(), indices = op.getIndices();
    Shape from(typing.shape(input)), by(typing.shape(indices)), shape;
    size_t axis = op.getAxis();
    if (axis >= from.size()) return typing.report(op, "gathers along an axis outside the rank");
    shape.append(from.begin(), from.begin() + axis);
    shape.append(by.begin(), by.end());
    shape.append(from.begin() + axis + 1, from.end());
    if (typing[input].isToken() && from[axis] == typing.freshDim() && picksLast(op, typing))
      return typing.setSelected(op, shape);
    if (typing[input].isToken() && !from[axis].constant())
      typing.report(op, "picks rows of the token axis by index; every token must be treated alike");
    auto form = [&typing, input, indices, axis, rank = by.size()](Indices at) -> Expr {
      ExprContext &exprs = typing.exprs;
      Expr place = typing.at(indices, at.slice(axis, rank));
      if (!place || !place.isAffine()) return {};
      if (exprs.less(place, exprs.integer(0)).asBool() == true)
        place = exprs.add(place, typing.shape(input)[axis].size(exprs));
      SmallVector<Expr, 4> inner(at.take_front(axis));
      inner.push_back(place);
      inner.append(at.begin() + axis + rank, at.end());
      return typing.at(input, inner);
    };
    setFrom(typing, op, op->getOperands(), shape, form);
  }

  /// Rows of a constant table by token: an embedding.
  void lower(graph::GatherOp op, RowBuilder &rows) const {
    if (rows.typing[op.getResult()].selected) {
      if (Value x = rows.rows(op.getInput())) rows.set(op, x);
      return;
    }
    Value ids = rows.rows(op.getIndices());
    ArrayRef<Dim> from = rows.typing.shape(op.getInput());
    bool whole = rows.typing[op.getInput()].constant && op.getAxis() == 0 && from.size() == 2;
    bool isIds = ids && cast<RankedTensorType>(ids.getType()).getElementType().isInteger();
    if (!whole || !isIds) return rows.noRowForm(op);
    auto table = rows.recipes.ofMatrix(rows.typing, op.getInput(), op);
    if (table)
      rows.set(op, rows.create<decoder::EmbedOp>(op, rows.rowType(rows.width(op)), ids, table,
                                                 rows.builder.getF32FloatAttr(1)));
  }
};

} // namespace

void ingot::infer::attachIndexed(MLIRContext *context) {
  attach<graph::ConcatOp, ConcatRule>(context);
  attach<graph::GatherOp, GatherRule>(context);
}
