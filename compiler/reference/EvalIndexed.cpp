// Gathers, scatters, NonZero: elements moved by index tensors. Negative indices count from the end.
#include "compiler/reference/Evaluator.h"
#include "dialects/graph/Graph.h"
#include <functional>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;
using graph::ScatterReduction;

static bool resolve(Evaluator &e, int64_t index, int64_t dim, int64_t &result) {
  result = index < 0 ? index + dim : index;
  return (result >= 0 && result < dim) || e.fail("index " + Twine(index) + " is outside of a dim of " + Twine(dim));
}

static void copy(const Array &x, size_t from, Array &y, size_t to) {
  if (x.isReal())
    y.reals[to] = x.reals[from];
  else
    y.integers[to] = x.integers[from];
}

static bool gather(Evaluator &e, graph::GatherOp op, const Array &x, const Array &indices, Array &y) {
  size_t axis = op.getAxis();
  Shape shape(x.shape.begin(), x.shape.begin() + axis);
  llvm::append_range(shape, indices.shape);
  shape.append(x.shape.begin() + axis + 1, x.shape.end());
  if (!elementCount(shape)) return e.fail("the result is too large");
  y = makeArray(x.element, shape);
  Shape strides = stridesOf(x.shape), inner = stridesOf(indices.shape);
  bool good = true;
  forEachIndex(shape, [&](ArrayRef<int64_t> index, size_t flat) {
    int64_t at = 0, source = 0, row = 0;
    for (size_t i = 0; i < indices.shape.size(); ++i) at += index[axis + i] * inner[i];
    good = good && resolve(e, indices.integers[at], x.shape[axis], row);
    if (!good) return;
    for (size_t i = 0; i < axis; ++i) source += index[i] * strides[i];
    for (size_t i = axis + 1; i < x.shape.size(); ++i) source += index[i - 1 + indices.shape.size()] * strides[i];
    copy(x, size_t(source + row * strides[axis]), y, flat);
  });
  return good;
}

// The element of `shape` that an elementwise index with the axis replaced by `row` names; false if out of range.
static bool elementAt(Evaluator &e, ArrayRef<int64_t> shape, ArrayRef<int64_t> index, size_t axis, int64_t row,
                      size_t &flat) {
  Shape strides = stridesOf(shape);
  flat = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t position = index[i];
    if (i == axis ? !resolve(e, row, shape[i], position) : position >= shape[i])
      return e.fail("indices reach outside of the operand");
    flat += size_t(position * strides[i]);
  }
  return true;
}

static bool gatherElements(Evaluator &e, graph::GatherElementsOp op, const Array &x, const Array &indices, Array &y) {
  y = makeArray(x.element, indices.shape);
  bool good = true;
  forEachIndex(indices.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t source = 0;
    good = good && elementAt(e, x.shape, index, op.getAxis(), indices.integers[flat], source);
    if (good) copy(x, source, y, flat);
  });
  return good;
}

// Integers are combined as uint64_t, where overflow wraps; `less` knows their sign.
template <typename T, typename Less> static T combine(ScatterReduction kind, T old, T update, Less less) {
  switch (kind) {
  case ScatterReduction::none:
    return update;
  case ScatterReduction::add:
    return old + update;
  case ScatterReduction::mul:
    return old * update;
  case ScatterReduction::min:
    return less(update, old) ? update : old;
  case ScatterReduction::max:
    return less(old, update) ? update : old;
  }
  return update;
}

static void update(ScatterReduction kind, const Array &updates, size_t from, Array &y, size_t to) {
  if (y.isReal()) {
    y.reals[to] = roundTo(y.element, combine(kind, y.reals[to], updates.reals[from], std::less<double>()));
    return;
  }
  bool isUnsigned = y.element.isUnsignedInteger();
  auto less = [&](uint64_t a, uint64_t b) { return isUnsigned ? a < b : int64_t(a) < int64_t(b); };
  uint64_t value = combine(kind, uint64_t(y.integers[to]), uint64_t(updates.integers[from]), less);
  y.integers[to] = wrapTo(y.element, int64_t(value));
}

static bool scatterElements(Evaluator &e, graph::ScatterElementsOp op, ArrayRef<Array> in, Array &y) {
  y = in[0];
  const Array &indices = in[1], &updates = in[2];
  if (indices.shape != updates.shape) return e.fail("indices and updates differ in shape");
  bool good = true;
  forEachIndex(indices.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t target = 0;
    good = good && elementAt(e, y.shape, index, op.getAxis(), indices.integers[flat], target);
    if (good) update(op.getReduction(), updates, flat, y, target);
  });
  return good;
}

// Rows of `indices` name blocks of x: the first `depth` dims after `batch` shared ones.
struct Blocks {
  size_t count, depth, size; // of tuples, of numbers a tuple, of elements a block
};

static bool blockAt(Evaluator &e, const Array &x, const Array &indices, size_t tuple, size_t batch,
                    const Blocks &blocks, size_t &flat) {
  Shape strides = stridesOf(x.shape);
  flat = 0;
  size_t rest = tuple; // the batch index, from the tuple's leading dims
  Shape lead(indices.shape.begin(), indices.shape.end() - 1), leadStrides = stridesOf(lead);
  for (size_t i = 0; i < batch; ++i) {
    size_t position = rest / size_t(leadStrides[i]);
    rest %= size_t(leadStrides[i]);
    flat += position * size_t(strides[i]);
  }
  for (size_t i = 0; i < blocks.depth; ++i) {
    int64_t position = 0;
    if (!resolve(e, indices.integers[tuple * blocks.depth + i], x.shape[batch + i], position)) return false;
    flat += size_t(position * strides[batch + i]);
  }
  return true;
}

static bool blocksOf(Evaluator &e, const Array &x, const Array &indices, size_t batch, Blocks &blocks) {
  blocks.depth = size_t(indices.shape.back());
  blocks.count =
      blocks.depth ? indices.size() / blocks.depth : elementCount(ArrayRef(indices.shape).drop_back()).value_or(0);
  if (batch + blocks.depth > x.shape.size()) return e.fail("indices are deeper than the operand");
  for (size_t i = 0; i < batch; ++i)
    if (indices.shape[i] != x.shape[i]) return e.fail("batch dims differ");
  blocks.size = elementCount(ArrayRef(x.shape).drop_front(batch + blocks.depth)).value_or(0);
  return true;
}

static bool gatherND(Evaluator &e, graph::GatherNDOp op, const Array &x, const Array &indices, Array &y) {
  size_t batch = op.getBatchDims();
  Blocks blocks;
  if (!blocksOf(e, x, indices, batch, blocks)) return false;
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.append(x.shape.begin() + batch + blocks.depth, x.shape.end());
  if (!elementCount(shape)) return e.fail("the result is too large");
  y = makeArray(x.element, shape);
  for (size_t tuple = 0; tuple < blocks.count; ++tuple) {
    size_t from = 0;
    if (!blockAt(e, x, indices, tuple, batch, blocks, from)) return false;
    for (size_t i = 0; i < blocks.size; ++i) copy(x, from + i, y, tuple * blocks.size + i);
  }
  return true;
}

static bool scatterND(Evaluator &e, graph::ScatterNDOp op, ArrayRef<Array> in, Array &y) {
  y = in[0];
  Blocks blocks;
  if (!blocksOf(e, y, in[1], 0, blocks)) return false;
  if (in[2].size() != blocks.count * blocks.size) return e.fail("updates do not fit the indices");
  for (size_t tuple = 0; tuple < blocks.count; ++tuple) {
    size_t to = 0;
    if (!blockAt(e, y, in[1], tuple, 0, blocks, to)) return false;
    for (size_t i = 0; i < blocks.size; ++i) update(op.getReduction(), in[2], tuple * blocks.size + i, y, to + i);
  }
  return true;
}

static void nonzero(graph::NonzeroOp op, const Array &x, Array &y) {
  std::vector<Shape> found;
  forEachIndex(x.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    if (x.number(flat) != 0) found.emplace_back(index.begin(), index.end());
  });
  y = makeArray(getElementTypeOrSelf(op.getType()), {x.rank(), int64_t(found.size())});
  for (size_t axis = 0; axis < x.shape.size(); ++axis)
    for (size_t i = 0; i < found.size(); ++i) y.integers[axis * found.size() + i] = found[i][axis];
}

bool ingot::reference::evaluateIndexed(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                       bool &known) {
  Array y;
  bool good = true;
  if (in.size() > 1 &&
      isa<graph::GatherOp, graph::GatherElementsOp, graph::GatherNDOp, graph::ScatterElementsOp, graph::ScatterNDOp>(
          op) &&
      in[1].isReal())
    return e.fail("indices must be integers");
  if (auto g = dyn_cast<graph::GatherOp>(op))
    good = gather(e, g, in[0], in[1], y);
  else if (auto g = dyn_cast<graph::GatherElementsOp>(op))
    good = gatherElements(e, g, in[0], in[1], y);
  else if (auto g = dyn_cast<graph::GatherNDOp>(op))
    good = gatherND(e, g, in[0], in[1], y);
  else if (auto s = dyn_cast<graph::ScatterElementsOp>(op))
    good = scatterElements(e, s, in, y);
  else if (auto s = dyn_cast<graph::ScatterNDOp>(op))
    good = scatterND(e, s, in, y);
  else if (auto n = dyn_cast<graph::NonzeroOp>(op))
    nonzero(n, in[0], y);
  else
    return known = false;
  if (good) out.push_back(std::move(y));
  return good;
}
