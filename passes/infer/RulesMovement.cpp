// Ops that regroup, permute, repeat, cut or join axes: index maps.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// Rows are unchanged by a move that keeps the order of the columns (invariant 1 of RowBuilder.h).
void sameRows(Operation *op, RowBuilder &rows) {
  if (Value x = rows.rows(op->getOperand(0))) rows.set(op->getResult(0), x);
}

void setRegrouped(Operation *op, Typing &typing, ArrayRef<Expr> sizes) {
  Value input = op->getOperand(0);
  Shape from(typing.shape(input));
  auto to = regroup(typing.exprs, from, sizes);
  if (!to) {
    std::string text;
    for (Expr size : sizes) text += (text.empty() ? "" : ", ") + typing.exprs.print(size);
    return typing.report(op, "regroups " + print(typing.exprs, from) + " to [" + text +
                                 "], which does not keep the symbolic axes whole");
  }
  setMoved(typing, op->getResult(0), input, *to, [&typing, from, to = *to](Indices indices) {
    auto inner = regroupedIndex(typing.exprs, from, to, indices);
    return inner ? *inner : SmallVector<Expr, 4>();
  });
}

struct ReshapeRule {
  void infer(graph::ReshapeOp op, Typing &typing) const {
    auto sizes = typing.integers(op.getShape(), op);
    if (!sizes) return;
    ArrayRef<Dim> from = typing.shape(op.getInput());
    for (auto [k, size] : llvm::enumerate(*sizes))
      if (size.is(0) && !op.getAllowzero() && k < from.size()) size = from[k].size(typing.exprs);
    if (llvm::count_if(*sizes, [](Expr e) { return e.is(-1); }) > 1)
      return typing.report(op, "has more than one -1 in its shape");
    setRegrouped(op, typing, *sizes);
  }
  void lower(graph::ReshapeOp op, RowBuilder &rows) const { sameRows(op, rows); }
};

struct SqueezeRule {
  void infer(graph::SqueezeOp op, Typing &typing) const {
    SmallVector<Expr> sizes;
    ArrayRef<Dim> from = typing.shape(op.getInput());
    for (auto [k, dim] : llvm::enumerate(from)) {
      if (!llvm::is_contained(op.getAxes(), int64_t(k)))
        sizes.push_back(dim.size(typing.exprs));
      else if (!dim.isOne())
        return typing.report(op, "squeezes an axis of length " + dim.print(typing.exprs));
    }
    setRegrouped(op, typing, sizes);
  }
  void lower(graph::SqueezeOp op, RowBuilder &rows) const { sameRows(op, rows); }
};

struct UnsqueezeRule {
  void infer(graph::UnsqueezeOp op, Typing &typing) const {
    ArrayRef<Dim> from = typing.shape(op.getInput());
    SmallVector<Expr> sizes;
    size_t rank = from.size() + op.getAxes().size();
    for (size_t k = 0; k < rank; ++k) {
      if (llvm::is_contained(op.getAxes(), int64_t(k)) || from.empty()) {
        sizes.push_back(typing.exprs.integer(1));
      } else {
        sizes.push_back(from.front().size(typing.exprs));
        from = from.drop_front();
      }
    }
    setRegrouped(op, typing, sizes);
  }
  void lower(graph::UnsqueezeOp op, RowBuilder &rows) const { sameRows(op, rows); }
};

struct TransposeRule {
  void infer(graph::TransposeOp op, Typing &typing) const {
    Value input = op.getInput();
    ArrayRef<int64_t> permutation = op.getPermutation();
    if (permutation.size() != typing.shape(input).size()) return typing.report(op, "permutes another number of axes");
    Shape shape;
    for (int64_t axis : permutation) shape.push_back(typing.shape(input)[axis]);
    setMoved(typing, op, input, shape, [permutation](Indices indices) {
      SmallVector<Expr, 4> inner(permutation.size());
      for (auto [k, axis] : llvm::enumerate(permutation)) inner[axis] = indices[k];
      return inner;
    });
  }
  /// Columns keep their order if the constant axes do.
  void lower(graph::TransposeOp op, RowBuilder &rows) const {
    SmallVector<int64_t> moved;
    ArrayRef<Dim> shape = rows.typing.shape(op.getInput());
    for (int64_t axis : op.getPermutation())
      if (!shape[axis].isOne() && shape[axis] != rows.typing.freshDim()) moved.push_back(axis);
    return llvm::is_sorted(moved) ? sameRows(op, rows) : rows.noRowForm(op);
  }
};

struct ExpandRule {
  void infer(graph::ExpandOp op, Typing &typing) const {
    auto sizes = typing.integers(op.getShape(), op);
    if (!sizes) return;
    Shape target;
    for (Expr size : *sizes) target.emplace_back(typing.exprs, size);
    Value input = op.getInput();
    Shape from(typing.shape(input));
    auto shape = broadcast({from, target});
    if (!shape) return typing.report(op, "expands " + print(typing.exprs, from) + " to " + print(typing.exprs, target));
    setMoved(typing, op, input, *shape,
             [&typing, from](Indices indices) { return broadcastIndices(typing.exprs, from, indices); });
  }
  void lower(graph::ExpandOp op, RowBuilder &rows) const {
    return rows.width(op.getInput()) == rows.width(op.getResult()) ? sameRows(op, rows) : rows.noRowForm(op);
  }
};

//===- slice
//-------------------------------------------------------------------------------------------------------===//

struct Cut {
  Expr begin, length;
  int64_t step;
};

/// One bound as NumPy counts and clamps it. Null if clamping depends on sizes.
Expr clampBound(ExprContext &exprs, Expr bound, Expr size) {
  Expr zero = exprs.integer(0);
  if (auto value = bound.asInteger()) {
    if (*value < 0) {
      if (*value <= -(int64_t(1) << 30)) return zero;
      bound = exprs.add(size, bound);
    } else if (*value >= (int64_t(1) << 30)) {
      return size;
    }
  } else if (auto negative = exprs.less(bound, zero).asBool(); negative == true) {
    bound = exprs.add(size, bound); // counts from the end, like -S
  } else if (!negative) {
    return {};
  }
  if (exprs.lessEqual(bound, zero).asBool() == true) return zero;
  if (exprs.lessEqual(size, bound).asBool() == true) return size;
  if (exprs.lessEqual(zero, bound).asBool() == true && exprs.lessEqual(bound, size).asBool() == true) return bound;
  return {};
}

/// A constant table of N positions cut by position, with stop <= P+S or among its last P+S ones: the context stays
/// within the table (P+S <= N).
std::optional<Cut> cutOfTable(graph::SliceOp op, Typing &typing, Expr begin, Expr stop, int64_t step, Expr size) {
  ExprContext &exprs = typing.exprs;
  auto positions = size.asInteger();
  if (!typing[op.getInput()].constant || !positions || step != 1 || !begin) return std::nullopt;
  auto within = [&](Expr bound, Expr end) { return exprs.lessEqual(bound, end).asBool() == true; };
  Expr last = exprs.sub(size, exprs.total());
  if (within(last, begin) && stop.asInteger() && *stop.asInteger() >= *positions) stop = size;
  bool fromFront = within(exprs.integer(0), begin) && within(stop, exprs.total());
  bool atEnd = within(last, begin) && stop == size;
  if ((!fromFront && !atEnd) || !within(begin, stop)) return std::nullopt;
  typing.limitPositions(*positions);
  return Cut{begin, exprs.sub(stop, begin), 1};
}

/// A cut with a negative step out of an axis of literal length; nullopt for any other.
std::optional<Cut> cutBackwards(ExprContext &exprs, Expr start, Expr stop, int64_t step, Expr size) {
  auto first = start.asInteger(), last = stop.asInteger(), length = size.asInteger();
  if (step >= 0 || step < -(int64_t(1) << 30) || !first || !last || !length) return std::nullopt;
  int64_t begin = *first < 0 ? std::max<int64_t>(*first, -*length - 1) + *length : *first;
  int64_t end = *last < 0 ? std::max<int64_t>(*last, -*length - 1) + *length : *last;
  begin = std::clamp<int64_t>(begin, -1, *length - 1), end = std::clamp<int64_t>(end, -1, *length - 1);
  int64_t count = begin > end ? (begin - end - step - 1) / -step : 0;
  return Cut{exprs.integer(begin), exprs.integer(count), step};
}

/// What `op` cuts out of its k-th axis, of length `size`; nullopt (reported) if that depends on the sequence's length.
std::optional<Cut> cutOf(graph::SliceOp op, Typing &typing, Expr start, Expr stop, int64_t step, Expr size) {
  ExprContext &exprs = typing.exprs;
  if (auto backwards = cutBackwards(exprs, start, stop, step, size)) return backwards;
  Expr begin, end, length;
  if (step > 0 && size.isAffine()) begin = clampBound(exprs, start, size), end = clampBound(exprs, stop, size);
  if (begin && end) length = exprs.sub(end, begin);
  if (length && step > 1) length = exprs.floorDiv(exprs.add(length, exprs.integer(step - 1)), step);
  if (length && length.isAffine() && exprs.lessEqual(exprs.integer(0), length).asBool() == true)
    return Cut{begin, length, step};
  if (auto within = cutOfTable(op, typing, start, stop, step, size)) return within;
  typing.report(op, "cuts [" + exprs.print(start) + " : " + exprs.print(stop) + " : " + std::to_string(step) +
                        "] out of an axis of length " + exprs.print(size) +
                        "; the cut depends on how long the sequence is");
  return std::nullopt;
}

struct SliceRule {
  void infer(graph::SliceOp op, Typing &typing) const {
    auto starts = typing.integers(op.getStarts(), op), ends = typing.integers(op.getEnds(), op);
    if (!starts || !ends) return;
    ExprContext &exprs = typing.exprs;
    Value input = op.getInput();
    Shape shape(typing.shape(input));
    SmallVector<Cut, 4> cuts(shape.size(), Cut{exprs.integer(0), {}, 1});
    if (starts->size() != op.getAxes().size() || ends->size() != op.getAxes().size())
      return typing.report(op, "has another number of bounds than axes");
    for (auto [k, axis] : llvm::enumerate(op.getAxes())) {
      Expr size = shape[axis].size(exprs);
      auto cut = cutOf(op, typing, (*starts)[k], (*ends)[k], op.getSteps()[k], size);
      if (!cut) return;
      if (typing[input].isToken() && shape[axis] == typing.freshDim() && cut->length.is(1) &&
          cut->begin == exprs.sub(size, exprs.integer(1)) && op.getAxes().size() == 1) {
        shape[axis] = Dim();
        return typing.setSelected(op, shape);
      }
      if (typing[input].isToken() && !shape[axis].constant() && cut->length != size)
        typing.report(op, "cuts " + exprs.print(cut->length) + " rows out of the token axis of length " +
                              exprs.print(size) + "; every token must be treated alike");
      shape[axis] = Dim(exprs, cut->length), cuts[axis] = *cut;
    }
    setMoved(typing, op, input, shape, [&exprs, cuts](Indices indices) {
      SmallVector<Expr, 4> inner;
      for (auto [index, cut] : llvm::zip(indices, cuts))
        inner.push_back(exprs.add(exprs.mul(index, exprs.integer(cut.step)), cut.begin));
      return inner;
    });
  }

  /// A cut of the columns is one part of a split.
  void lower(graph::SliceOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    int64_t all = rows.width(op.getInput()), part = rows.width(op.getResult());
    if (all == part) return rows.set(op, x);
    auto starts = rows.typing.integers(op.getStarts(), op);
    ArrayRef<Dim> shape = rows.typing.shape(op.getInput());
    bool lastOnly = op.getAxes().size() == 1 && op.getAxes()[0] + 1 == int64_t(shape.size()) && op.getSteps()[0] == 1;
    if (!starts || !lastOnly || shape.back().constant() != all) return rows.noRowForm(op);
    Expr begin = clampBound(rows.typing.exprs, (*starts)[0], rows.typing.exprs.integer(all));
    int64_t first = *begin.asInteger();
    SmallVector<int64_t> sizes;
    SmallVector<Type> types;
    for (int64_t size : {first, part, all - first - part})
      if (size) sizes.push_back(size), types.push_back(rows.rowType(size));
    auto split = rows.create<decoder::SplitOp>(op, types, x, sizes);
    rows.set(op, split.getResult(first ? 1 : 0));
  }
};

} // namespace

void ingot::infer::attachMovement(MLIRContext *context) {
  attach<graph::ReshapeOp, ReshapeRule>(context);
  attach<graph::SqueezeOp, SqueezeRule>(context);
  attach<graph::UnsqueezeOp, UnsqueezeRule>(context);
  attach<graph::TransposeOp, TransposeRule>(context);
  attach<graph::ExpandOp, ExpandRule>(context);
  attach<graph::SliceOp, SliceRule>(context);
}
