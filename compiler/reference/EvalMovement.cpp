// Sources and data movement by position: every result element names the operand element it is.
#include "compiler/reference/Evaluator.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/Padding.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

// result[i] = x[from(index)]; a negative source leaves zero.
template <typename From> static Array take(const Array &x, ArrayRef<int64_t> shape, From from) {
  Array y = makeArray(x.element, shape);
  forEachIndex(shape, [&](ArrayRef<int64_t> index, size_t flat) {
    int64_t source = from(index);
    if (source < 0) return;
    if (x.isReal())
      y.reals[flat] = x.reals[size_t(source)];
    else
      y.integers[flat] = x.integers[size_t(source)];
  });
  return y;
}

static Array reshaped(const Array &x, Shape shape) {
  Array y = x;
  y.shape = std::move(shape);
  return y;
}

static bool shapeFrom(Evaluator &e, const Array &values, Shape &shape) {
  if (values.isReal() || values.rank() > 1) return e.fail("a shape must be a vector of integers");
  shape.assign(values.integers.begin(), values.integers.end());
  return true;
}

static bool reshape(Evaluator &e, graph::ReshapeOp op, ArrayRef<Array> in, Array &y) {
  Shape shape;
  if (!shapeFrom(e, in[1], shape)) return false;
  int64_t rest = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !op.getAllowzero()) {
      if (int64_t(i) >= in[0].rank()) return e.fail("a shape's 0 has no dim to copy");
      shape[i] = in[0].shape[i];
    } else if (shape[i] == -1) {
      if (rest >= 0) return e.fail("a shape has more than one -1");
      rest = int64_t(i);
    }
  }
  if (rest >= 0) {
    shape[rest] = 1;
    auto others = elementCount(shape);
    if (!others || *others == 0 || in[0].size() % *others) return e.fail("the shape's -1 cannot be resolved");
    shape[rest] = int64_t(in[0].size() / *others);
  }
  if (elementCount(shape) != in[0].size()) return e.fail("the shape has another number of elements");
  y = reshaped(in[0], shape);
  return true;
}

static bool transpose(graph::TransposeOp op, const Array &x, Array &y) {
  Shape shape, strides, all = stridesOf(x.shape);
  for (int64_t axis : op.getPermutation()) shape.push_back(x.shape[axis]), strides.push_back(all[axis]);
  y = take(x, shape, [&](ArrayRef<int64_t> index) {
    int64_t source = 0;
    for (size_t i = 0; i < index.size(); ++i) source += index[i] * strides[i];
    return source;
  });
  return true;
}

static bool expand(Evaluator &e, ArrayRef<Array> in, Array &y) {
  Shape wanted;
  if (!shapeFrom(e, in[1], wanted)) return false;
  auto shape = broadcast(in[0].shape, wanted);
  if (!shape || !elementCount(*shape)) return e.fail("the operand does not broadcast to the shape");
  auto indices = broadcastIndices(in[0].shape, *shape);
  size_t next = 0;
  y = take(in[0], *shape, [&](ArrayRef<int64_t>) { return int64_t(indices[next++]); });
  return true;
}

// NumPy's bounds of one axis: the first index and the number of steps.
static std::pair<int64_t, int64_t> sliceBounds(int64_t dim, int64_t start, int64_t end, int64_t step) {
  auto place = [&](int64_t index, int64_t low, int64_t high) {
    if (index < 0) index = index < -dim ? -1 : index + dim;
    return std::clamp(index, low, high);
  };
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
  bool before = step < 0; // an index before the first is a bound only when walking down
  start = start < -dim && !before ? 0 : place(start, low, high);
  end = end < -dim && !before ? 0 : place(end, low, high);
  __int128 distance = __int128(end) - start, count = (distance + step - (step > 0 ? 1 : -1)) / step;
  return {start, (distance > 0) == (step > 0) && distance != 0 ? int64_t(count) : 0};
}

static bool slice(Evaluator &e, graph::SliceOp op, ArrayRef<Array> in, Array &y) {
  const Array &x = in[0];
  Shape shape = x.shape, begin(x.shape.size(), 0), step(x.shape.size(), 1), strides = stridesOf(x.shape);
  size_t count = op.getAxes().size();
  if (in[1].size() != count || in[2].size() != count) return e.fail("starts, ends and axes differ in length");
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = op.getAxes()[i];
    step[axis] = op.getSteps()[i];
    std::tie(begin[axis], shape[axis]) =
        sliceBounds(x.shape[axis], in[1].integers[i], in[2].integers[i], op.getSteps()[i]);
  }
  y = take(x, shape, [&](ArrayRef<int64_t> index) {
    int64_t source = 0;
    for (size_t i = 0; i < index.size(); ++i) source += (begin[i] + index[i] * step[i]) * strides[i];
    return source;
  });
  return true;
}

static bool concat(Evaluator &e, graph::ConcatOp op, ArrayRef<Array> in, Array &y) {
  size_t axis = op.getAxis();
  Shape shape = in[0].shape;
  shape[axis] = 0;
  for (const Array &part : in) {
    Shape others = part.shape;
    others[axis] = shape[axis];
    if (others != shape) return e.fail("the parts' shapes differ outside of the axis");
    shape[axis] += part.shape[axis];
  }
  if (!elementCount(shape)) return e.fail("the result is too large");
  y = makeArray(in[0].element, shape);
  Shape strides = stridesOf(shape);
  int64_t begin = 0;
  for (const Array &part : in) {
    forEachIndex(part.shape, [&](ArrayRef<int64_t> index, size_t flat) {
      int64_t target = begin * strides[axis];
      for (size_t i = 0; i < index.size(); ++i) target += index[i] * strides[i];
      if (y.isReal())
        y.reals[target] = part.reals[flat];
      else
        y.integers[target] = part.integers[flat];
    });
    begin += part.shape[axis];
  }
  return true;
}

static bool pad(Evaluator &e, graph::PadOp op, ArrayRef<Array> in, Array &y) {
  const Array &x = in[0];
  size_t count = op.getAxes().size();
  Shape shape = x.shape, before(x.shape.size(), 0), strides = stridesOf(x.shape);
  if (in[1].size() != 2 * count || in[2].size() != 1) return e.fail("pads do not fit the axes");
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = op.getAxes()[i], low = in[1].integers[i], high = in[1].integers[count + i];
    if (std::abs(low) > 1 << 30 || std::abs(high) > 1 << 30) return e.fail("a pad is too large");
    before[axis] = low, shape[axis] += low + high;
  }
  if (!elementCount(shape)) return e.fail("the pads leave no shape");
  Array extended = x; // one more element: the pad value
  extended.reals.push_back(in[2].isReal() ? in[2].reals[0] : 0);
  extended.integers.push_back(in[2].isReal() ? 0 : in[2].integers[0]);
  int64_t last = int64_t(x.size());
  y = take(extended, shape, [&](ArrayRef<int64_t> index) {
    int64_t source = 0;
    for (size_t i = 0; i < index.size(); ++i) {
      int64_t from = graph::padSource(op.getMode(), index[i] - before[i], x.shape[i]);
      if (from < 0) return last;
      source += from * strides[i];
    }
    return source;
  });
  return true;
}

static bool range(Evaluator &e, ArrayRef<Array> in, Array &y) {
  for (const Array &x : in)
    if (x.size() != 1) return e.fail("range needs single numbers");
  if (in[2].number(0) == 0) return e.fail("range has a delta of 0");
  double length = std::ceil((in[1].number(0) - in[0].number(0)) / in[2].number(0));
  if (!(length < 1 << 30)) return e.fail("range is too long");
  y = makeArray(in[0].element, {std::max<int64_t>(int64_t(length), 0)});
  for (size_t i = 0; i < y.size(); ++i) {
    if (y.isReal())
      y.reals[i] = roundTo(y.element, in[0].reals[0] + double(i) * in[2].reals[0]);
    else
      y.integers[i] = wrapTo(y.element, int64_t(uint64_t(in[0].integers[0]) + i * uint64_t(in[2].integers[0])));
  }
  return true;
}

static bool filled(Evaluator &e, Operation *op, ArrayRef<Array> in, Array &y) {
  Shape shape;
  if (!shapeFrom(e, in[0], shape)) return false;
  if (!elementCount(shape)) return e.fail("the shape is negative or too large");
  if (auto iota = dyn_cast<graph::IotaOp>(op)) {
    y = makeArray(getElementTypeOrSelf(iota.getType()), shape);
    if (y.isReal()) return e.fail("iota makes integers");
    forEachIndex(shape, [&](ArrayRef<int64_t> index, size_t flat) { y.integers[flat] = index[iota.getAxis()]; });
    return true;
  }
  if (in[1].size() != 1) return e.fail("fill needs one value");
  y = take(in[1], shape, [](ArrayRef<int64_t>) { return 0; });
  return true;
}

static bool shapeOf(graph::ShapeOp op, const Array &x, Array &y) {
  y = makeArray(getElementTypeOrSelf(op.getType()), {int64_t(op.getEnd() - op.getStart())});
  for (size_t i = 0; i < y.size(); ++i) y.integers[i] = x.shape[op.getStart() + i];
  return true;
}

// squeeze and unsqueeze: the result's rank is the type's.
static bool reranked(Evaluator &e, Operation *op, const Array &x, Array &y) {
  Shape shape;
  if (auto squeeze = dyn_cast<graph::SqueezeOp>(op)) {
    for (int64_t i = 0; i < x.rank(); ++i) {
      bool drop = llvm::is_contained(squeeze.getAxes(), i);
      if (drop && x.shape[i] != 1) return e.fail("a squeezed dim is not 1");
      if (!drop) shape.push_back(x.shape[i]);
    }
  } else {
    shape = x.shape;
    for (int64_t axis : cast<graph::UnsqueezeOp>(op).getAxes()) shape.insert(shape.begin() + axis, 1);
  }
  y = reshaped(x, shape);
  return true;
}

bool ingot::reference::evaluateMovement(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                        bool &known) {
  Array y;
  bool good = llvm::TypeSwitch<Operation *, bool>(op)
                  .Case([&](graph::ConstantOp c) {
                    auto elements = dyn_cast<DenseElementsAttr>(c.getValue());
                    if (elements) y = fromElements(elements);
                    return elements || e.fail("a literal must be dense");
                  })
                  .Case([&](graph::WeightOp w) {
                    auto array = e.source(w.getSource());
                    if (array) y = std::move(*array);
                    return array.has_value();
                  })
                  .Case([&](graph::RangeOp) { return range(e, in, y); })
                  .Case<graph::IotaOp, graph::FillOp>([&](Operation *) { return filled(e, op, in, y); })
                  .Case([&](graph::ShapeOp s) { return shapeOf(s, in[0], y); })
                  .Case([&](graph::ReshapeOp r) { return reshape(e, r, in, y); })
                  .Case<graph::SqueezeOp, graph::UnsqueezeOp>([&](Operation *) { return reranked(e, op, in[0], y); })
                  .Case([&](graph::TransposeOp t) { return transpose(t, in[0], y); })
                  .Case([&](graph::ExpandOp) { return expand(e, in, y); })
                  .Case([&](graph::SliceOp s) { return slice(e, s, in, y); })
                  .Case([&](graph::ConcatOp c) { return concat(e, c, in, y); })
                  .Case([&](graph::PadOp p) { return pad(e, p, in, y); })
                  .Default([&](Operation *) { return known = false; });
  if (good && known) out.push_back(std::move(y));
  return good;
}
