// Gathers and scatters on one row. Negative indices count from the end; one outside its axis becomes the nearest end.
#include "compiler/kernels/cpu/GraphRow.h"

using namespace mlir;

namespace ingot::cpu {
using graph::ScatterReduction;

static ArrayRef<int64_t> shapeOf(mlir::Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }

// Element `at` of an index tensor as a position on an axis of `dim`.
static Value position(GraphRow &row, mlir::Value indices, Value memory, Value at, int64_t dim) {
  Emitter &e = row.e;
  Type type = row.storeType(indices);
  Value index = e.load(type, row.element(type, memory, at));
  if (type != e.i64)
    index = isUnsigned(getElementTypeOrSelf(indices.getType())) ? e.zext(e.i64, index) : e.sext(e.i64, index);
  Value zero = e.i64c(0);
  index = e.select(e.slt(index, zero), e.iadd(index, dim), index);
  return e.b.create<arith::MinSIOp>(e.smax(index, zero), e.i64c(dim - 1));
}

static void copyBlock(GraphRow &row, Type type, Value to, Value from, int64_t count) {
  if (count == 1)
    row.e.store(row.e.load(type, from), to);
  else
    row.copyRun(type, to, from, count);
}

static LogicalResult gather(GraphRow &row, graph::GatherOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), indices = op.getIndices();
  ArrayRef<int64_t> shape = shapeOf(input);
  int64_t axis = op.getAxis(), dim = shape[axis], inner = elementCount(shape.drop_front(axis + 1));
  int64_t outer = elementCount(shape.take_front(axis)), count = elementCount(shapeOf(indices));
  Type type = row.storeType(input);
  Value from = row.memoryOf(input), by = row.memoryOf(indices), to = row.defineMemory(op.getResult());
  row.forIndex({outer, count}, [&](ArrayRef<Value> index) {
    Value at = position(row, indices, by, index[1], dim);
    Value source = e.imul(e.iadd(e.imul(index[0], dim), at), inner);
    Value target = e.imul(e.iadd(e.imul(index[0], count), index[1]), inner);
    copyBlock(row, type, row.element(type, to, target), row.element(type, from, source), inner);
  });
  return success();
}

// The element of `shape` at `index` with the axis replaced.
static Value elementAt(GraphRow &row, ArrayRef<int64_t> shape, ArrayRef<Value> index, int64_t axis, Value place) {
  SmallVector<Value> at(index);
  at[axis] = place;
  return row.flatten(at, stridesOf(shape));
}

static LogicalResult gatherElements(GraphRow &row, graph::GatherElementsOp op) {
  mlir::Value input = op.getInput(), indices = op.getIndices();
  Type type = row.storeType(input);
  int64_t axis = op.getAxis();
  Value from = row.memoryOf(input), by = row.memoryOf(indices), to = row.defineMemory(op.getResult());
  row.forIndex(shapeOf(indices), [&](ArrayRef<Value> index) {
    Value flat = row.flatten(index, stridesOf(shapeOf(indices)));
    Value place = position(row, indices, by, flat, shapeOf(input)[axis]);
    Value source = elementAt(row, shapeOf(input), index, axis, place);
    row.e.store(row.e.load(type, row.element(type, from, source)), row.element(type, to, flat));
  });
  return success();
}

// What `update` leaves where `old` was.
static Value combined(GraphRow &row, ScatterReduction kind, mlir::Type element, Value old, Value update) {
  Emitter &e = row.e;
  bool real = isa<FloatType>(element);
  auto less = [&](Value x, Value y) { return real ? e.less(x, y) : isUnsigned(element) ? e.ult(x, y) : e.slt(x, y); };
  switch (kind) {
  case ScatterReduction::none:
    return update;
  case ScatterReduction::add:
    return real ? e.add(old, update) : wrapInteger(e, element, e.iadd(old, update));
  case ScatterReduction::mul:
    return real ? e.mul(old, update) : wrapInteger(e, element, e.imul(old, update));
  case ScatterReduction::min:
    return e.select(less(update, old), update, old);
  case ScatterReduction::max:
    return e.select(less(old, update), update, old);
  }
  llvm_unreachable("every reduction is named above");
}

static void applyUpdate(GraphRow &row, ScatterReduction kind, mlir::Type element, Type type, Value target,
                        Value update) {
  Value old = kind == ScatterReduction::none ? Value() : row.e.load(type, target);
  row.e.store(combined(row, kind, element, old, update), target);
}

/// A copy of the operand, to be scattered into.
static Value copyOf(GraphRow &row, mlir::Value input, mlir::Value result) {
  Value from = row.memoryOf(input), to = row.defineMemory(result);
  row.copyRun(row.storeType(input), to, from, elementCount(shapeOf(input)));
  return to;
}

static LogicalResult scatterElements(GraphRow &row, graph::ScatterElementsOp op) {
  Emitter &e = row.e;
  mlir::Value indices = op.getIndices(), result = op.getResult();
  mlir::Type element = getElementTypeOrSelf(result.getType());
  Type type = row.storeType(op.getInput());
  int64_t axis = op.getAxis();
  Value by = row.memoryOf(indices), updates = row.memoryOf(op.getUpdates()), to = copyOf(row, op.getInput(), result);
  row.forIndex(shapeOf(indices), [&](ArrayRef<Value> index) {
    Value flat = row.flatten(index, stridesOf(shapeOf(indices)));
    Value place = position(row, indices, by, flat, shapeOf(result)[axis]);
    Value target = row.element(type, to, elementAt(row, shapeOf(result), index, axis, place));
    applyUpdate(row, op.getReduction(), element, type, target, e.load(type, row.element(type, updates, flat)));
  });
  return success();
}

namespace {
/// Tuples of `depth` numbers that name blocks of `size` elements behind `batch` shared dims.
struct Tuples {
  int64_t batches, perBatch, depth, size;
};
} // namespace

static Tuples tuplesOf(ArrayRef<int64_t> shape, ArrayRef<int64_t> indices, int64_t batch) {
  Tuples tuples;
  tuples.depth = indices.back();
  tuples.batches = elementCount(indices.take_front(batch));
  tuples.perBatch = elementCount(indices.drop_front(batch).drop_back());
  tuples.size = elementCount(shape.drop_front(batch + tuples.depth));
  return tuples;
}

/// First element of the block that a tuple names within its batch.
static Value blockAt(GraphRow &row, mlir::Value indices, Value by, Value tuple, ArrayRef<int64_t> shape, int64_t batch,
                     int64_t depth) {
  Shape strides = stridesOf(shape);
  Value flat = row.e.i64c(0);
  for (int64_t i = 0; i < depth; ++i) {
    Value at = row.e.iadd(row.e.imul(tuple, depth), i);
    flat = row.e.iadd(flat, row.e.imul(position(row, indices, by, at, shape[batch + i]), strides[batch + i]));
  }
  return flat;
}

static LogicalResult gatherND(GraphRow &row, graph::GatherNDOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), indices = op.getIndices();
  ArrayRef<int64_t> shape = shapeOf(input);
  int64_t batch = op.getBatchDims(), whole = elementCount(shape.drop_front(batch));
  Tuples tuples = tuplesOf(shape, shapeOf(indices), batch);
  Type type = row.storeType(input);
  Value from = row.memoryOf(input), by = row.memoryOf(indices), to = row.defineMemory(op.getResult());
  row.forIndex({tuples.batches, tuples.perBatch}, [&](ArrayRef<Value> index) {
    Value tuple = e.iadd(e.imul(index[0], tuples.perBatch), index[1]);
    Value block = blockAt(row, indices, by, tuple, shape, batch, tuples.depth);
    Value source = e.iadd(e.imul(index[0], whole), block);
    copyBlock(row, type, row.element(type, to, e.imul(tuple, tuples.size)), row.element(type, from, source),
              tuples.size);
  });
  return success();
}

static LogicalResult scatterND(GraphRow &row, graph::ScatterNDOp op) {
  Emitter &e = row.e;
  mlir::Value indices = op.getIndices(), result = op.getResult();
  mlir::Type element = getElementTypeOrSelf(result.getType());
  Tuples tuples = tuplesOf(shapeOf(result), shapeOf(indices), 0);
  Type type = row.storeType(op.getInput());
  Value by = row.memoryOf(indices), updates = row.memoryOf(op.getUpdates()), to = copyOf(row, op.getInput(), result);
  row.forIndex({tuples.perBatch}, [&](ArrayRef<Value> index) {
    Value block = blockAt(row, indices, by, index[0], shapeOf(result), 0, tuples.depth);
    Value source = row.element(type, updates, e.imul(index[0], tuples.size)), target = row.element(type, to, block);
    if (op.getReduction() == ScatterReduction::none) return copyBlock(row, type, target, source, tuples.size);
    row.forIndex({tuples.size}, [&](ArrayRef<Value> inner) {
      applyUpdate(row, op.getReduction(), element, type, row.element(type, target, inner[0]),
                  e.load(type, row.element(type, source, inner[0])));
    });
  });
  return success();
}

/// Whether `inner` lies within `outer` on all axes but one.
static bool liesWithin(ArrayRef<int64_t> inner, ArrayRef<int64_t> outer, int64_t axis) {
  if (inner.size() != outer.size() || axis >= int64_t(outer.size())) return false;
  for (size_t i = 0; i < inner.size(); ++i)
    if (int64_t(i) != axis && inner[i] > outer[i]) return false;
  return true;
}

/// Tuples that name blocks of the operand, batch dims alike.
static bool namesBlocks(ArrayRef<int64_t> shape, ArrayRef<int64_t> indices, int64_t batch) {
  return !indices.empty() && batch < int64_t(indices.size()) && batch + indices.back() <= int64_t(shape.size()) &&
         shape.take_front(batch) == indices.take_front(batch);
}

/// Shapes that types alone do not exclude: what does not fit would be read or written out of bounds.
static bool shapesFit(Operation *op) {
  ArrayRef<int64_t> shape = shapeOf(op->getOperand(0)), indices = shapeOf(op->getOperand(1));
  if (auto o = dyn_cast<graph::GatherElementsOp>(op)) return liesWithin(indices, shape, o.getAxis());
  if (auto o = dyn_cast<graph::ScatterElementsOp>(op))
    return liesWithin(indices, shape, o.getAxis()) && shapeOf(o.getUpdates()) == indices;
  if (auto o = dyn_cast<graph::GatherNDOp>(op)) return namesBlocks(shape, indices, o.getBatchDims());
  auto o = dyn_cast<graph::ScatterNDOp>(op);
  if (!o) return true;
  if (!namesBlocks(shape, indices, 0)) return false;
  Tuples tuples = tuplesOf(shape, indices, 0);
  return elementCount(shapeOf(o.getUpdates())) == tuples.perBatch * tuples.size;
}

LogicalResult evaluateIndexed(GraphRow &row, Operation *op, bool &known) {
  bool gathers = isa<graph::GatherOp, graph::GatherElementsOp, graph::GatherNDOp>(op);
  if (!gathers && !isa<graph::ScatterElementsOp, graph::ScatterNDOp>(op)) return known = false, failure();
  if (isa<FloatType>(getElementTypeOrSelf(op->getOperand(1).getType())))
    return op->emitOpError("has indices that are no integers");
  if (elementCount(shapeOf(op->getOperand(0))) == 0) return op->emitOpError("reads an empty tensor");
  if (!shapesFit(op)) return op->emitOpError("has indices or updates whose shapes do not fit its operand");
  if (auto o = dyn_cast<graph::GatherOp>(op)) return gather(row, o);
  if (auto o = dyn_cast<graph::GatherElementsOp>(op)) return gatherElements(row, o);
  if (auto o = dyn_cast<graph::GatherNDOp>(op)) return gatherND(row, o);
  if (auto o = dyn_cast<graph::ScatterElementsOp>(op)) return scatterElements(row, o);
  return scatterND(row, cast<graph::ScatterNDOp>(op));
}

} // namespace ingot::cpu
