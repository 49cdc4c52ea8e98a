// Operators that combine elements along axes.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::ReduceKind, graph::UnaryKind;

namespace {
struct Axes {
  SmallVector<int64_t> axes;
  bool keepdims;
};
} // namespace

// Axes moved from an attribute to an operand at opset 18 (ReduceSum: 13). None means all, or none at all if
// noop_with_empty_axes.
static Axes readAxes(NodeImporter &n, Value x, int64_t operandSince) {
  bool keepdims = n.flag("keepdims", true), noop = n.flag("noop_with_empty_axes", false);
  SmallVector<int64_t> axes;
  if (n.opset < operandSince)
    axes = n.integers("axes");
  else if (n.has(1))
    axes = n.constants(1, "axes");
  if (axes.empty() && !noop)
    for (int64_t i = 0; i < n.rank(x); ++i) axes.push_back(i);
  return {n.axes(axes, n.rank(x)), keepdims};
}

static Value reduce(NodeImporter &n, ReduceKind kind, Value x, const Axes &axes) {
  return axes.axes.empty() ? x : n.create<graph::ReduceOp>(kind, x, ArrayRef(axes.axes), axes.keepdims);
}

static OpHandler reduction(ReduceKind kind, int64_t operandSince = 18) {
  return [=](NodeImporter &n) {
    Value x = n.input(0);
    Axes axes = readAxes(n, x, operandSince);
    bool isBool = n.element(x).isInteger(1); // max and min of booleans are or and and
    Value wide = isBool ? n.cast(x, n.builder().getI32Type()) : x;
    n.set(0, n.cast(reduce(n, kind, wide, axes), n.element(x)));
  };
}

// before(x) summed, then after.
static OpHandler sumOf(std::optional<UnaryKind> before, std::optional<UnaryKind> after) {
  return [=](NodeImporter &n) {
    Value x = n.input(0);
    Axes axes = readAxes(n, x, 18);
    Value sum = reduce(n, ReduceKind::sum, before ? n.unary(*before, x) : n.binary(BinaryKind::mul, x, x), axes);
    n.set(0, after ? n.unary(*after, sum) : sum);
  };
}

static void importReduceLogSum(NodeImporter &n) {
  Value x = n.input(0);
  n.set(0, n.unary(UnaryKind::log, reduce(n, ReduceKind::sum, x, readAxes(n, x, 18))));
}

// log(sum(exp(x - max))) + max, so that exp does not overflow.
static void importReduceLogSumExp(NodeImporter &n) {
  Value x = n.input(0);
  Axes axes = readAxes(n, x, 18);
  if (axes.axes.empty()) return n.set(0, n.unary(UnaryKind::log, n.unary(UnaryKind::exp, x)));
  Value kept = reduce(n, ReduceKind::max, x, {axes.axes, true});
  Value sum = reduce(n, ReduceKind::sum, n.unary(UnaryKind::exp, n.binary(BinaryKind::sub, x, kept)), axes);
  n.set(0, n.binary(BinaryKind::add, n.unary(UnaryKind::log, sum), reduce(n, ReduceKind::max, x, axes)));
}

// Before opset 13 the operand was seen as a matrix, split at `axis`.
static Value asMatrix(NodeImporter &n, Value x, int64_t axis) {
  auto extent = [&](int64_t begin, int64_t end) {
    Value dims = n.create<graph::ShapeOp>(x, begin, end);
    return n.create<graph::ReduceOp>(ReduceKind::prod, dims, ArrayRef<int64_t>{0}, true);
  };
  SmallVector<Value> parts = {extent(0, axis), extent(axis, n.rank(x))};
  if (n.failed()) return {};
  return n.reshape(x, n.create<graph::ConcatOp>(ValueRange(parts), 0));
}

static OpHandler softmax(bool logarithm) {
  return [logarithm](NodeImporter &n) {
    Value x = n.input(0), y = x;
    bool matrix = n.opset < 13;
    int64_t axis = n.axis(n.integer("axis", matrix ? 1 : -1), n.rank(x));
    bool flatten = matrix && axis != n.rank(x) - 1;
    if (flatten) y = asMatrix(n, x, axis), axis = 1;
    if (logarithm) { // x - max - log(sum(exp(x - max)))
      Axes along = {{axis}, true};
      Value centred = n.binary(BinaryKind::sub, y, reduce(n, ReduceKind::max, y, along));
      Value sum = reduce(n, ReduceKind::sum, n.unary(UnaryKind::exp, centred), along);
      y = n.binary(BinaryKind::sub, centred, n.unary(UnaryKind::log, sum));
    } else {
      y = n.create<graph::SoftmaxOp>(y, axis);
    }
    n.set(0, flatten ? n.reshape(y, n.shapeOf(x)) : y);
  };
}

static void importCumSum(NodeImporter &n) {
  Value x = n.input(0);
  auto axis = n.constants(1, "axis");
  if (n.failed() || !n.require(axis.size() == 1, "axis must be one number")) return;
  bool exclusive = n.flag("exclusive", false), reverse = n.flag("reverse", false);
  n.set(0, n.create<graph::CumsumOp>(x, n.axis(axis[0], n.rank(x)), exclusive, reverse));
}

static void importTopK(NodeImporter &n) {
  Value x = n.input(0), k = n.input(1);
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(x));
  n.ignore("sorted"); // ours always are
  auto op = n.createAll<graph::TopkOp>(2, x, k, axis, n.integer("largest", 1) != 0);
  if (op) n.set(0, op.getValues()), n.set(1, op.getIndices());
}

// Opset 1 to 9: k in an attribute.
static void importTopKOfAttribute(NodeImporter &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(x));
  auto op = n.createAll<graph::TopkOp>(2, x, n.integerVector({n.integer("k")}), axis, true);
  if (op) n.set(0, op.getValues()), n.set(1, op.getIndices());
}

// 1 at the first largest element along the axis, 0 elsewhere.
static void importHardmax(NodeImporter &n) {
  Value x = n.input(0), y = x;
  bool matrix = n.opset < 13;
  int64_t axis = n.axis(n.integer("axis", matrix ? 1 : -1), n.rank(x));
  bool flatten = matrix && axis != n.rank(x) - 1;
  if (flatten) y = asMatrix(n, x, axis), axis = 1;
  if (n.failed()) return;
  auto op = n.createAll<graph::TopkOp>(2, y, n.integerVector({1}), axis, true);
  if (!op) return;
  Value index = n.createOne<graph::IotaOp>(n.type(y).clone(n.builder().getI64Type()), n.shapeOf(y), axis);
  Value hit = n.cast(n.create<graph::CompareOp>(graph::CompareKind::eq, index, op.getIndices()), n.element(x));
  n.set(0, flatten ? n.reshape(hit, n.shapeOf(x)) : hit);
}

// The first extreme element's index; with select_last_index the last one's, by looking from the end.
static OpHandler argExtreme(bool largest) {
  return [largest](NodeImporter &n) {
    Value x = n.input(0);
    int64_t axis = n.axis(n.integer("axis", 0), n.rank(x));
    bool keepdims = n.flag("keepdims", true), last = n.flag("select_last_index", false);
    ArrayRef<int64_t> along(axis);
    if (last) {
      Value from = n.integerVector({-1}), to = n.integerVector({INT64_MIN});
      x = n.create<graph::SliceOp>(x, from, to, along, ArrayRef<int64_t>{-1});
    }
    auto op = n.createAll<graph::TopkOp>(2, x, n.integerVector({1}), axis, largest);
    if (!op) return;
    Value index = op.getIndices();
    if (last) {
      Value length = n.create<graph::ShapeOp>(x, axis, axis + 1);
      index = n.binary(BinaryKind::sub, n.binary(BinaryKind::sub, length, n.integerVector({1})), index);
    }
    n.set(0, keepdims ? index : n.create<graph::SqueezeOp>(index, along));
  };
}

void ingot::addReductionOps(OpTable &table) {
  table.add("", "ReduceSum", reduction(ReduceKind::sum, 13));
  table.add("", "ReduceMean", reduction(ReduceKind::mean));
  table.add("", "ReduceMax", reduction(ReduceKind::max));
  table.add("", "ReduceMin", reduction(ReduceKind::min));
  table.add("", "ReduceProd", reduction(ReduceKind::prod));
  table.add("", "ReduceSumSquare", sumOf(std::nullopt, std::nullopt));
  table.add("", "ReduceL1", sumOf(UnaryKind::abs, std::nullopt));
  table.add("", "ReduceL2", sumOf(std::nullopt, UnaryKind::sqrt));
  table.add("", "ReduceLogSum", importReduceLogSum);
  table.add("", "ReduceLogSumExp", importReduceLogSumExp);
  table.add("", "Softmax", softmax(false));
  table.add("", "LogSoftmax", softmax(true));
  table.add("", "CumSum", importCumSum, 11);
  table.add("", "TopK", importTopK, 10);
  table.add("", "TopK", importTopKOfAttribute, 1, 9);
  table.add("", "Hardmax", importHardmax);
  table.add("", "ArgMax", argExtreme(true));
  table.add("", "ArgMin", argExtreme(false));
}
