// Elements picked, placed or surrounded by index tensors. An index tensor is understood where its closed form is a
// place that moves along with an index (index + offset) or does not move: identity scatters, slices written in place,
// grids.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// A literal negative index counts from the end.
Expr counted(ExprContext &exprs, Expr place, Expr size) {
  return exprs.less(place, exprs.integer(0)).asBool() == true ? exprs.add(place, size) : place;
}

/// A gathered axis of tokens must be left as it is, which an index tensor does not tell.
bool picksTokens(Typing &typing, Operation *op, Value input, size_t axis) {
  if (!typing[input].isToken() || typing.shape(input)[axis].constant()) return false;
  typing.report(op, "picks rows of the token axis by index; every token must be treated alike");
  return true;
}

/// Tokens' rows are taken or written as a whole, not the first few.
bool cutsTokens(Typing &typing, Operation *op, ArrayRef<Dim> whole, ArrayRef<Dim> part, size_t axis) {
  bool tokens = llvm::any_of(op->getOperands(), [&](Value v) { return typing[v].isToken(); });
  for (size_t k = 0; tokens && k < whole.size(); ++k)
    if (k != axis && whole[k] != part[k] && !(whole[k].constant() && part[k].constant())) {
      typing.report(op, "takes " + part[k].print(typing.exprs) + " rows of the axis of length " +
                            whole[k].print(typing.exprs) + "; every token must be treated alike");
      return true;
    }
  return false;
}

struct GatherElementsRule {
  void infer(graph::GatherElementsOp op, Typing &typing) const {
    Value input = op.getInput(), indices = op.getIndices();
    size_t axis = op.getAxis();
    Shape shape(typing.shape(indices));
    if (shape.size() != typing.shape(input).size() || axis >= shape.size())
      return typing.report(op, "gathers by indices of another rank");
    if (picksTokens(typing, op, input, axis) || cutsTokens(typing, op, typing.shape(input), shape, axis)) return;
    auto form = [&typing, input, indices, axis](Indices at) -> Expr {
      Expr place = typing.at(indices, at);
      if (!place || !place.isAffine()) return {};
      SmallVector<Expr, 4> inner(at);
      inner[axis] = counted(typing.exprs, place, typing.shape(input)[axis].size(typing.exprs));
      return typing.at(input, inner);
    };
    setFrom(typing, op, op->getOperands(), shape, form);
  }
};

struct GatherNDRule {
  void infer(graph::GatherNDOp op, Typing &typing) const {
    Value input = op.getInput(), indices = op.getIndices();
    ArrayRef<Dim> from = typing.shape(input), by = typing.shape(indices);
    size_t batch = op.getBatchDims();
    auto count = by.empty() ? std::nullopt : by.back().isOne() ? std::optional<int64_t>(1) : by.back().constant();
    if (!count || *count < 1 || batch + size_t(*count) > from.size() || batch >= by.size())
      return typing.report(op, "gathers by index tuples that do not fit " + print(typing.exprs, from));
    for (int64_t k = 0; k < *count; ++k)
      if (picksTokens(typing, op, input, batch + k)) return;
    Shape shape(by.drop_back());
    size_t prefix = shape.size();
    shape.append(from.begin() + batch + *count, from.end());
    auto form = [&typing, input, indices, batch, prefix, count = *count](Indices at) -> Expr {
      SmallVector<Expr, 4> tuple(at.take_front(prefix)), inner(at.take_front(batch));
      tuple.push_back({});
      for (int64_t k = 0; k < count; ++k) {
        tuple.back() = typing.exprs.integer(k);
        Expr place = typing.at(indices, tuple);
        if (!place || !place.isAffine()) return {};
        inner.push_back(counted(typing.exprs, place, typing.shape(input)[batch + k].size(typing.exprs)));
      }
      inner.append(at.begin() + prefix, at.end());
      return typing.at(input, inner);
    };
    setFrom(typing, op, op->getOperands(), shape, form);
  }
};

//===- scatter
//-----------------------------------------------------------------------------------------------------===//

Expr combine(ExprContext &exprs, graph::ScatterReduction reduction, Expr old, Expr update) {
  switch (reduction) {
  case graph::ScatterReduction::none:
    return update;
  case graph::ScatterReduction::add:
    return exprs.add(old, update);
  case graph::ScatterReduction::mul:
    return exprs.mul(old, update);
  case graph::ScatterReduction::min:
    return exprs.minimum(old, update);
  case graph::ScatterReduction::max:
    return exprs.maximum(old, update);
  }
  return {};
}

/// Which update, if any, falls on an element: the index of the update along each of its axes, and when there is one.
struct Landing {
  ExprContext &exprs;
  SmallVector<Expr, 4> update;
  Expr exists;

  explicit Landing(ExprContext &exprs) : exprs(exprs), exists(exprs.boolean(true)) {}

  /// The places written are `place`, a form over the update index `g` in [0, extent); the element is at `at` in
  /// [0, size). False if that cannot be solved for g.
  bool solve(size_t axis, Variable g, Expr place, Expr extent, Expr at, Expr size) {
    Expr offset = exprs.sub(place, exprs.variable(g));
    if (offset.isAffine() && !exprs.mentions(offset, g)) {
      Expr index = exprs.sub(at, offset), end = exprs.add(offset, extent);
      update[axis] = index;
      if (!offset.is(0)) exists = exprs.logicalAnd(exists, exprs.lessEqual(exprs.integer(0), index));
      if (end != size) exists = exprs.logicalAnd(exists, exprs.less(index, extent));
      return true;
    }
    if (exprs.mentions(place, g) || !extent.is(1)) return false;
    update[axis] = exprs.integer(0);
    return fixed(place, at);
  }
  bool fixed(Expr place, Expr at) {
    exists = exprs.logicalAnd(exists, exprs.equal(place, at));
    return true;
  }
};

struct ScatterNDRule {
  void infer(graph::ScatterNDOp op, Typing &typing) const {
    ArrayRef<Dim> by = typing.shape(op.getIndices());
    Shape shape(typing.shape(op.getInput()));
    auto count = by.empty() ? std::nullopt : by.back().isOne() ? std::optional<int64_t>(1) : by.back().constant();
    if (!count || *count < 1 || size_t(*count) > shape.size())
      return typing.report(op, "writes at index tuples that do not fit " + print(typing.exprs, shape));
    auto form = [op, &typing, count = *count](Indices at) mutable { return element(op, typing, count, at); };
    setFrom(typing, op, op->getOperands(), shape, form);
  }

  static Expr element(graph::ScatterNDOp op, Typing &typing, int64_t count, Indices at) {
    ExprContext &exprs = typing.exprs;
    ArrayRef<Dim> by = typing.shape(op.getIndices()), from = typing.shape(op.getInput());
    size_t rank = by.size() - 1;
    SmallVector<Variable, 4> variables;
    SmallVector<Expr, 4> tuple;
    for (const Dim &dim : by.drop_back()) {
      variables.push_back(exprs.newVariable("g", dim.size(exprs)));
      tuple.push_back(dim.isOne() ? exprs.integer(0) : exprs.variable(variables.back()));
    }
    tuple.push_back({});
    Landing landing(exprs);
    landing.update.assign(rank, Expr());
    for (int64_t k = 0; k < count; ++k) {
      tuple.back() = exprs.integer(k);
      Expr place = typing.at(op.getIndices(), tuple), size = from[k].size(exprs);
      if (!place || !place.isAffine()) return {};
      place = counted(exprs, place, size);
      auto *moving = llvm::find_if(variables, [&](Variable g) { return exprs.mentions(place, g); });
      if (moving == variables.end()) {
        landing.fixed(place, at[k]);
        continue;
      }
      size_t axis = moving - variables.begin();
      if (landing.update[axis] || !landing.solve(axis, *moving, place, by[axis].size(exprs), at[k], size)) return {};
    }
    for (auto [axis, index] : llvm::enumerate(landing.update)) {
      if (index) continue;
      if (!by[axis].isOne()) return {}; // several updates fall on one element
      index = exprs.integer(0);
    }
    SmallVector<Expr, 4> inner(landing.update);
    inner.append(at.begin() + count, at.end());
    return landed(typing, op.getInput(), op.getUpdates(), op.getReduction(), landing, at, inner);
  }

  static Expr landed(Typing &typing, Value input, Value updates, graph::ScatterReduction reduction,
                     const Landing &landing, Indices at, Indices inner) {
    ExprContext &exprs = typing.exprs;
    bool whole = landing.exists.asBool() == true && reduction == graph::ScatterReduction::none;
    Expr old = whole ? exprs.integer(0) : typing.at(input, at);
    if (landing.exists.asBool() == false) return old;
    Expr update = typing.at(updates, inner);
    if (!old || !update) return {};
    return exprs.select(landing.exists, combine(exprs, reduction, old, update), old);
  }
};

struct ScatterElementsRule {
  void infer(graph::ScatterElementsOp op, Typing &typing) const {
    Shape shape(typing.shape(op.getInput()));
    size_t axis = op.getAxis();
    if (typing.shape(op.getIndices()).size() != shape.size() || axis >= shape.size())
      return typing.report(op, "writes at indices of another rank");
    if (picksTokens(typing, op, op.getInput(), axis) ||
        cutsTokens(typing, op, shape, typing.shape(op.getIndices()), axis))
      return;
    auto form = [op, &typing, axis](Indices at) mutable { return element(op, typing, axis, at); };
    setFrom(typing, op, op->getOperands(), shape, form);
  }

  static Expr element(graph::ScatterElementsOp op, Typing &typing, size_t axis, Indices at) {
    ExprContext &exprs = typing.exprs;
    ArrayRef<Dim> by = typing.shape(op.getIndices()), from = typing.shape(op.getInput());
    Variable g = exprs.newVariable("g", by[axis].size(exprs));
    SmallVector<Expr, 4> tuple(at);
    tuple[axis] = by[axis].isOne() ? exprs.integer(0) : exprs.variable(g);
    Expr place = typing.at(op.getIndices(), tuple), size = from[axis].size(exprs);
    if (!place || !place.isAffine()) return {};
    Landing landing(exprs);
    landing.update.assign(at.begin(), at.end());
    if (!landing.solve(axis, g, counted(exprs, place, size), by[axis].size(exprs), at[axis], size)) return {};
    for (size_t k = 0; k < at.size(); ++k)
      if (k != axis && by[k] != from[k])
        landing.exists = exprs.logicalAnd(landing.exists, exprs.less(at[k], by[k].size(exprs)));
    return ScatterNDRule::landed(typing, op.getInput(), op.getUpdates(), op.getReduction(), landing, at,
                                 landing.update);
  }
};

//===- nonzero
//-----------------------------------------------------------------------------------------------------===//

struct NonzeroRule {
  /// Of a closed value without zeros (a mask of ones): every index in row-major order.
  void infer(graph::NonzeroOp op, Typing &typing) const {
    ExprContext &exprs = typing.exprs;
    Value input = op.getInput();
    Shape shape(typing.shape(input));
    if (!typing[input].isClosed()) return typing.report(op, "picks elements by the tokens' values");
    SmallVector<Expr, 4> indices;
    Dim all;
    for (const Dim &dim : shape) {
      indices.push_back(dim.isOne() ? exprs.integer(0) : exprs.variable(exprs.newVariable("n", dim.size(exprs))));
      for (Expr factor : dim.factors()) all.append(exprs, factor);
    }
    Expr element = typing.at(input, indices);
    if (!element || exprs.toBool(element).asBool() != true)
      return typing.report(op, "picks the elements that are not zero out of " + exprs.print(element) +
                                   "; only a value without zeros is understood");
    auto form = [&typing, shape, all](Indices at) -> Expr {
      auto axis = at[0].asInteger();
      auto place = regroupedIndex(typing.exprs, shape, {all}, at.drop_front());
      return axis && place && *axis >= 0 && *axis < int64_t(shape.size()) ? (*place)[*axis] : Expr();
    };
    typing.setClosed(op, {typing.dim(shape.size()), all}, form, typing[input].constant);
  }
};

//===- pad
//---------------------------------------------------------------------------------------------------------===//

struct PadRule {
  void infer(graph::PadOp op, Typing &typing) const {
    ExprContext &exprs = typing.exprs;
    Value input = op.getInput(), value = op.getValue();
    auto pads = typing.integers(op.getPads(), op);
    if (!pads) return;
    ArrayRef<int64_t> axes = op.getAxes();
    Shape shape(typing.shape(input));
    if (pads->size() != 2 * axes.size()) return typing.report(op, "has another number of pads than axes");
    if (op.getMode() != graph::PadMode::constant && !llvm::all_of(*pads, [](Expr e) { return e.is(0); }))
      return typing.report(op, "pads by repeating elements; only padding by a constant is understood");
    SmallVector<Expr, 4> begins(shape.size(), exprs.integer(0)), ends = begins;
    for (auto [k, axis] : llvm::enumerate(axes)) {
      if (axis < 0 || size_t(axis) >= shape.size()) return typing.report(op, "pads an axis outside the rank");
      begins[axis] = (*pads)[k], ends[axis] = (*pads)[axes.size() + k];
      if (begins[axis].is(0) && ends[axis].is(0)) continue;
      if (typing[input].isToken() && !shape[axis].constant())
        return typing.report(op, "pads the token axis; every token must be treated alike");
      Expr size = exprs.add(shape[axis].size(exprs), exprs.add(begins[axis], ends[axis]));
      if (!size.isAffine() || exprs.lessEqual(exprs.integer(0), size).asBool() != true)
        return typing.report(op, "pads an axis to the length " + exprs.print(size) + ", which may be negative");
      shape[axis] = Dim(exprs, size);
    }
    auto form = [&typing, input, value, begins, ends](Indices at) -> Expr {
      ExprContext &exprs = typing.exprs;
      SmallVector<Expr, 4> inner;
      Expr inside = exprs.boolean(true);
      for (size_t k = 0; k < at.size(); ++k) {
        inner.push_back(exprs.sub(at[k], begins[k]));
        Expr size = typing.shape(input)[k].size(exprs);
        if (exprs.lessEqual(begins[k], exprs.integer(0)).asBool() != true)
          inside = exprs.logicalAnd(inside, exprs.lessEqual(exprs.integer(0), inner[k]));
        if (exprs.lessEqual(ends[k], exprs.integer(0)).asBool() != true)
          inside = exprs.logicalAnd(inside, exprs.less(inner[k], size));
      }
      Expr padding = inside.asBool() == true
                         ? exprs.integer(0)
                         : typing.at(value, SmallVector<Expr, 1>(typing.shape(value).size(), exprs.integer(0)));
      if (inside.asBool() == false) return padding;
      Expr element = typing.at(input, inner);
      return element && padding ? exprs.select(inside, element, padding) : Expr();
    };
    setFrom(typing, op, {input, value}, shape, form);
  }
};

} // namespace

void ingot::infer::attachScatter(MLIRContext *context) {
  attach<graph::GatherElementsOp, GatherElementsRule>(context);
  attach<graph::GatherNDOp, GatherNDRule>(context);
  attach<graph::ScatterElementsOp, ScatterElementsRule>(context);
  attach<graph::ScatterNDOp, ScatterNDRule>(context);
  attach<graph::NonzeroOp, NonzeroRule>(context);
  attach<graph::PadOp, PadRule>(context);
}
