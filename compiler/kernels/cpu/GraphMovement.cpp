// Ops that move elements by position, as strided copies: transpose, expand, slice, concat, pad, iota, range, fill.
#include "compiler/kernels/cpu/GraphRow.h"
#include "dialects/graph/Padding.h"

using namespace mlir;

namespace ingot::cpu {

static ArrayRef<int64_t> shapeOf(mlir::Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }

static LogicalResult transpose(GraphRow &row, graph::TransposeOp op) {
  mlir::Value input = op.getInput(), result = op.getResult();
  Shape own = stridesOf(shapeOf(input)), from;
  for (int64_t axis : op.getPermutation()) from.push_back(own[axis]);
  Value source = row.memoryOf(input), target = row.defineMemory(result);
  row.copy(row.storeType(result), shapeOf(result), target, stridesOf(shapeOf(result)), source, from);
  return success();
}

static LogicalResult expand(GraphRow &row, graph::ExpandOp op) {
  Columns lanes = row.broadcast(op.getInput(), shapeOf(op.getResult()));
  row.defineLanes(op.getResult(), lanes, row.value(op.getInput()).uniform);
  return success();
}

/// The integers of an operand that must be known here.
static FailureOr<SmallVector<int64_t>> known(Operation *op, mlir::Value v, size_t count) {
  auto values = graph::constantIntegers(v);
  if (!values || values->size() != count) return op->emitOpError("needs constant bounds in a row program");
  return *values;
}

// NumPy's first index of a slice; how many there are tells the result's type.
static int64_t firstIndex(int64_t start, int64_t dim, int64_t step) {
  if (start < 0) start += dim;
  return std::clamp<int64_t>(start, step > 0 ? 0 : -1, step > 0 ? dim : dim - 1);
}

static LogicalResult slice(GraphRow &row, graph::SliceOp op) {
  mlir::Value input = op.getInput(), result = op.getResult();
  auto starts = known(op, op.getStarts(), op.getAxes().size());
  if (failed(starts)) return failure();
  Shape own = stridesOf(shapeOf(input)), from = own;
  int64_t offset = 0;
  for (auto [axis, start, step] : llvm::zip(op.getAxes(), *starts, op.getSteps())) {
    offset += firstIndex(start, shapeOf(input)[axis], step) * own[axis];
    from[axis] = own[axis] * step;
  }
  Type type = row.storeType(input);
  Value source = row.memoryOf(input), target = row.defineMemory(result);
  source = row.element(type, source, row.e.i64c(offset));
  row.copy(type, shapeOf(result), target, stridesOf(shapeOf(result)), source, from);
  return success();
}

static LogicalResult concat(GraphRow &row, graph::ConcatOp op) {
  mlir::Value result = op.getResult();
  SmallVector<Value> sources;
  for (mlir::Value part : op.getInputs()) sources.push_back(row.memoryOf(part));
  Value target = row.defineMemory(result);
  Shape to = stridesOf(shapeOf(result));
  Type type = row.storeType(result);
  int64_t offset = 0;
  for (auto [part, source] : llvm::zip(op.getInputs(), sources)) {
    Value place = row.element(type, target, row.e.i64c(offset));
    row.copy(type, shapeOf(part), place, to, source, stridesOf(shapeOf(part)));
    offset += shapeOf(part)[op.getAxis()] * to[op.getAxis()];
  }
  return success();
}

// Maximal runs of padded indices that read neighbours in steps of one.
struct Run {
  int64_t to, from, size;
};
static SmallVector<Run> padRuns(graph::PadMode mode, int64_t begin, int64_t dim, int64_t padded) {
  SmallVector<Run> runs;
  for (int64_t i = 0; i < padded; ++i) {
    int64_t from = graph::padSource(mode, i - begin, dim);
    if (from < 0) continue;
    if (!runs.empty() && runs.back().to + runs.back().size == i && runs.back().from + runs.back().size == from)
      ++runs.back().size;
    else
      runs.push_back({i, from, 1});
  }
  return runs;
}

// Axis after axis: each pass copies the runs of one axis, whole planes of the others.
static LogicalResult pad(GraphRow &row, graph::PadOp op) {
  mlir::Value input = op.getInput(), result = op.getResult();
  auto pads = known(op, op.getPads(), 2 * op.getAxes().size());
  if (failed(pads)) return failure();
  Type type = row.storeType(input);
  Shape shape(shapeOf(input));
  Value source = row.memoryOf(input), fill = row.memoryOf(op.getValue());
  size_t count = op.getAxes().size();
  for (size_t k = 0; k < count; ++k) {
    int64_t axis = op.getAxes()[k], begin = (*pads)[k], dim = shape[axis];
    Shape from = stridesOf(shape), padded = shape;
    padded[axis] = dim + begin + (*pads)[count + k];
    if (padded[axis] < 0) return op.emitOpError("crops more than there is");
    Value target = row.space(type, elementCount(padded));
    if (op.getMode() == graph::PadMode::constant)
      row.copy(type, padded, target, stridesOf(padded), fill, Shape(padded.size(), 0));
    for (const Run &run : padRuns(op.getMode(), begin, dim, padded[axis])) {
      Shape box = shape, to = stridesOf(padded);
      box[axis] = run.size;
      row.copy(type, box, row.element(type, target, row.e.i64c(run.to * to[axis])), to,
               row.element(type, source, row.e.i64c(run.from * from[axis])), from);
    }
    source = target, shape = padded;
  }
  row.bind(result, source);
  return success();
}

static LogicalResult iota(GraphRow &row, graph::IotaOp op) {
  mlir::Value result = op.getResult();
  ArrayRef<int64_t> shape = shapeOf(result);
  Type type = IntegerType::get(op.getContext(), 64);
  if (getElementTypeOrSelf(result.getType()) != type) return op.emitOpError("counts in i64 only");
  SmallVector<int64_t> numbers;
  for (int64_t i = 0; i < shape[op.getAxis()]; ++i) numbers.push_back(i);
  Value table = row.e.integerTable(type, numbers);
  if (elementCount(shape) == int64_t(numbers.size())) return row.bind(result, table), success();
  Shape from(shape.size(), 0);
  from[op.getAxis()] = 1;
  Value target = row.defineMemory(result);
  row.copy(type, shape, target, stridesOf(shape), table, from);
  return success();
}

// start + i * delta, rounded once.
static LogicalResult range(GraphRow &row, graph::RangeOp op) {
  Emitter &e = row.e;
  mlir::Value result = op.getResult();
  mlir::Type element = getElementTypeOrSelf(result.getType()), wide = IntegerType::get(op.getContext(), 64);
  Type type = row.storeType(op.getStart());
  Value start = e.load(type, row.memoryOf(op.getStart())), delta = e.load(type, row.memoryOf(op.getDelta()));
  Value target = row.defineMemory(result);
  e.loop(elementCount(shapeOf(result)), [&](Value i) {
    Value index = convert(e, wide, element, i);
    Value x = type == e.f32 ? e.fma(index, delta, start) : wrapInteger(e, element, e.iadd(start, e.imul(index, delta)));
    e.store(x, row.element(type, target, i));
  });
  return success();
}

static LogicalResult fill(GraphRow &row, graph::FillOp op) {
  row.defineLanes(op.getResult(), row.broadcast(op.getValue(), shapeOf(op.getResult())),
                  row.value(op.getValue()).uniform);
  return success();
}

LogicalResult evaluateMovement(GraphRow &row, Operation *op, bool &known) {
  if (auto o = dyn_cast<graph::TransposeOp>(op)) return transpose(row, o);
  if (auto o = dyn_cast<graph::ExpandOp>(op)) return expand(row, o);
  if (auto o = dyn_cast<graph::SliceOp>(op)) return slice(row, o);
  if (auto o = dyn_cast<graph::ConcatOp>(op)) return concat(row, o);
  if (auto o = dyn_cast<graph::PadOp>(op)) return pad(row, o);
  if (auto o = dyn_cast<graph::IotaOp>(op)) return iota(row, o);
  if (auto o = dyn_cast<graph::FillOp>(op)) return fill(row, o);
  if (auto o = dyn_cast<graph::RangeOp>(op)) return range(row, o);
  return known = false, failure();
}

} // namespace ingot::cpu
