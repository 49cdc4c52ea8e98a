// Ops that combine elements along axes: reduce, softmax, cumsum, topk, matmul. Sums, products and extremes of floats
// run in 16 logical lanes (numerics contract), contractions as one fma chain; integers one after the other.
#include "compiler/kernels/cpu/GraphRow.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"

#include <numeric>

using namespace mlir;

namespace ingot::cpu {
using graph::ReduceKind;

static ArrayRef<int64_t> shapeOf(mlir::Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }
static bool isReal(mlir::Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); }

namespace {
/// A value as [outer][n] with the given axes innermost: `order` lists its axes so.
struct Lines {
  Value memory;
  int64_t outer = 1, n = 1;
  SmallVector<int64_t> order;
  bool moved = false;
};
} // namespace

static Lines linesOf(GraphRow &row, mlir::Value v, ArrayRef<int64_t> axes) {
  Lines lines;
  ArrayRef<int64_t> shape = shapeOf(v);
  for (int64_t i = 0; i < int64_t(shape.size()); ++i)
    if (!llvm::is_contained(axes, i)) lines.order.push_back(i), lines.outer *= shape[i];
  for (int64_t axis : axes) lines.order.push_back(axis), lines.n *= shape[axis];
  SmallVector<int64_t> real;
  for (int64_t axis : lines.order)
    if (shape[axis] != 1) real.push_back(axis);
  lines.moved = !llvm::is_sorted(real);
  lines.memory = row.memoryOf(v);
  if (!lines.moved) return lines;
  Shape own = stridesOf(shape), size, from;
  for (int64_t axis : lines.order) size.push_back(shape[axis]), from.push_back(own[axis]);
  Type type = row.storeType(v);
  Value there = row.space(type, elementCount(shape));
  row.copy(type, size, there, stridesOf(size), lines.memory, from);
  lines.memory = there;
  return lines;
}

/// Lines back in the value's own order.
static void storeLines(GraphRow &row, mlir::Value result, const Lines &lines, Value from) {
  if (!lines.moved) return row.bind(result, from);
  ArrayRef<int64_t> shape = shapeOf(result);
  Shape own = stridesOf(shape), size, to;
  for (int64_t axis : lines.order) size.push_back(shape[axis]), to.push_back(own[axis]);
  Value target = row.defineMemory(result);
  row.copy(row.storeType(result), size, target, to, from, stridesOf(size));
}

//===- reduce -----------------------------------------------------------------------------------------------------===//

using Combine = llvm::function_ref<Value(Value, Value)>;

static Value foldLanes(Emitter &e, Value x, Combine combine) {
  for (int64_t n = laneCount / 2; n >= 1; n /= 2) x = combine(e.slice(x, 0, n), e.slice(x, n, n));
  return e.extract(x, 0);
}

static double startOf(ReduceKind kind) {
  if (kind == ReduceKind::prod) return 1;
  if (kind == ReduceKind::max) return -INFINITY;
  return kind == ReduceKind::min ? INFINITY : 0;
}

static Value combine(Emitter &e, ReduceKind kind, Value x, Value y) {
  if (kind == ReduceKind::prod) return e.mul(x, y);
  if (kind == ReduceKind::max) return maxNan(e, x, y);
  if (kind == ReduceKind::min) return minNan(e, x, y);
  return e.add(x, y);
}

/// A line of n floats at `line` in 16 lanes, each ascending, then the tree. A mean is the sum here.
static Value reduceLine(GraphRow &row, ReduceKind kind, Value line, int64_t n) {
  Emitter &e = row.e;
  Value start = e.lanes(startOf(kind));
  auto step = [&](Value x, Value y) { return combine(e, kind, x, y); };
  Value lanes = foldColumns(e, n, start, [&](Value column, int64_t count, Value sum) {
    Value next = step(sum, row.loadRun(e.f32, row.element(e.f32, line, column), count));
    return count < laneCount ? e.select(e.firstLanes(count), next, sum) : next;
  });
  return foldLanes(e, lanes, step);
}

static Value integerStart(Emitter &e, ReduceKind kind, mlir::Type element, Type stored) {
  unsigned width = element.getIntOrFloatBitWidth();
  bool isCount = isUnsigned(element);
  int64_t high = isCount ? int64_t(~uint64_t(0) >> (64 - width)) : int64_t(~(~uint64_t(0) << (width - 1)));
  int64_t low = isCount ? 0 : int64_t(~uint64_t(0) << (width - 1));
  if (kind == ReduceKind::prod) return e.integer(stored, 1);
  if (kind == ReduceKind::max) return e.integer(stored, low);
  return e.integer(stored, kind == ReduceKind::min ? high : 0);
}

static Value integerCombine(Emitter &e, ReduceKind kind, mlir::Type element, Value x, Value y) {
  Value less = isUnsigned(element) ? e.ult(x, y) : e.slt(x, y);
  if (kind == ReduceKind::prod) return wrapInteger(e, element, e.imul(x, y));
  if (kind == ReduceKind::max) return e.select(less, y, x);
  if (kind == ReduceKind::min) return e.select(less, x, y);
  return wrapInteger(e, element, e.iadd(x, y));
}

static Value reduceIntegers(GraphRow &row, ReduceKind kind, mlir::Type element, Type type, Value line, int64_t n) {
  Emitter &e = row.e;
  // The mean of narrow integers is that of their whole sum.
  Type wide = kind == ReduceKind::mean ? e.i64 : type;
  mlir::Type inside = kind == ReduceKind::mean ? mlir::Type(IntegerType::get(element.getContext(), 64)) : element;
  Value start = integerStart(e, kind, inside, wide);
  Value sum = e.loop(e.i64c(0), e.i64c(n), 1, {start}, [&](Value i, ValueRange carried) {
    Value x = e.load(type, row.element(type, line, i));
    if (wide != type) x = isUnsigned(element) ? e.zext(wide, x) : e.sext(wide, x);
    return SmallVector<Value>{integerCombine(e, kind, inside, carried[0], x)};
  })[0];
  if (kind != ReduceKind::mean) return sum;
  Value count = e.integer(wide, n);
  Value mean = isUnsigned(element) ? Value(e.b.create<arith::DivUIOp>(sum, count))
                                   : Value(e.b.create<arith::DivSIOp>(sum, count));
  return wide == type ? mean : wrapInteger(e, element, e.trunc(type, mean));
}

static LogicalResult reduce(GraphRow &row, graph::ReduceOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), result = op.getResult();
  mlir::Type element = getElementTypeOrSelf(input.getType());
  Lines lines = linesOf(row, input, op.getAxes());
  if (lines.n == 0 && !isReal(input) && op.getKind() == ReduceKind::mean) return op.emitOpError("is a mean of nothing");
  Type type = row.storeType(input);
  Value target = row.defineMemory(result);
  row.forIndex({lines.outer}, [&](ArrayRef<Value> index) {
    Value line = row.element(type, lines.memory, e.imul(index[0], lines.n)), reduced;
    if (isReal(input)) {
      reduced = reduceLine(row, op.getKind(), line, lines.n);
      if (op.getKind() == ReduceKind::mean) reduced = e.div(reduced, e.constant(e.f32, double(lines.n)));
    } else {
      reduced = reduceIntegers(row, op.getKind(), element, type, line, lines.n);
    }
    e.store(reduced, row.element(type, target, index[0]));
  });
  return success();
}

//===- softmax, cumsum --------------------------------------------------------------------------------------------===//

static LogicalResult softmax(GraphRow &row, graph::SoftmaxOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), result = op.getResult();
  Lines lines = linesOf(row, input, {int64_t(op.getAxis())});
  Value target = row.space(e.f32, lines.outer * lines.n);
  LaneMath a(e);
  row.forIndex({lines.outer}, [&](ArrayRef<Value> index) {
    Value offset = e.imul(index[0], lines.n);
    Value line = row.element(e.f32, lines.memory, offset), out = row.element(e.f32, target, offset);
    Value high = e.broadcast(reduceLine(row, ReduceKind::max, line, lines.n));
    forColumns(e, lines.n, [&](Value column, int64_t count) {
      Value x = row.loadRun(e.f32, row.element(e.f32, line, column), count);
      row.storeRun(math::exp(a, e.sub(x, high)), row.element(e.f32, out, column), count);
    });
    Value sum = e.broadcast(reduceLine(row, ReduceKind::sum, out, lines.n));
    forColumns(e, lines.n, [&](Value column, int64_t count) {
      Value place = row.element(e.f32, out, column);
      row.storeRun(e.div(row.loadRun(e.f32, place, count), sum), place, count);
    });
  });
  storeLines(row, result, lines, target);
  return success();
}

static LogicalResult cumsum(GraphRow &row, graph::CumsumOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), result = op.getResult();
  mlir::Type element = getElementTypeOrSelf(input.getType());
  Type type = row.storeType(input);
  Lines lines = linesOf(row, input, {int64_t(op.getAxis())});
  Value target = row.space(type, lines.outer * lines.n);
  Value zero = isReal(input) ? e.constant(type, 0) : e.integer(type, 0);
  row.forIndex({lines.outer}, [&](ArrayRef<Value> index) {
    Value first = e.imul(index[0], lines.n);
    e.loop(e.i64c(0), e.i64c(lines.n), 1, {zero}, [&](Value i, ValueRange carried) {
      Value at = op.getReverse() ? e.isub(e.i64c(lines.n - 1), i) : i, place = e.iadd(first, at);
      Value x = e.load(type, row.element(type, lines.memory, place));
      Value sum = isReal(input) ? e.add(carried[0], x) : wrapInteger(e, element, e.iadd(carried[0], x));
      e.store(op.getExclusive() ? Value(carried[0]) : sum, row.element(type, target, place));
      return SmallVector<Value>{sum};
    });
  });
  storeLines(row, result, lines, target);
  return success();
}

//===- topk -------------------------------------------------------------------------------------------------------===//

// 16 signed integers whose order is the elements'; NaN is largest, +0 and -0 are equal.
static Value orderKeys(Emitter &e, mlir::Type element, bool largest, Value x) {
  Type words = e.vec(e.i32), wide = e.vec(e.i64);
  Value keys;
  if (isa<FloatType>(element)) {
    Value bits = e.bitcast(words, e.add(x, e.lanes(0))), most = e.integer(words, INT32_MAX);
    Value ordered = e.ixor(bits, e.iand(e.ashr(bits, 31), most));
    Value nan = e.b.create<arith::CmpFOp>(arith::CmpFPredicate::UNO, x, x);
    keys = e.sext(wide, e.select(nan, most, ordered));
  } else if (element.getIntOrFloatBitWidth() == 64) {
    keys = isUnsigned(element) ? e.ixor(x, e.integer(wide, INT64_MIN)) : x;
  } else {
    keys = isUnsigned(element) ? e.zext(wide, x) : e.sext(wide, x);
  }
  return largest ? keys : e.ixor(keys, e.integer(wide, -1));
}

namespace {
/// Largest keys so far, and where each lies: of equal ones the first.
struct Best {
  Value keys, places; // 16 x i64, 16 x i32
};
} // namespace

static Best better(Emitter &e, const Best &p, const Best &q) {
  Value tie = e.iand(e.ieq(p.keys, q.keys), e.slt(q.places, p.places));
  Value second = e.ior(e.slt(p.keys, q.keys), tie);
  return {e.select(second, q.keys, p.keys), e.select(second, q.places, p.places)};
}

// The place, i64, of the first largest of n keys.
static Value firstLargest(GraphRow &row, Value keys, int64_t n) {
  Emitter &e = row.e;
  SmallVector<int64_t> index(laneCount);
  std::iota(index.begin(), index.end(), 0);
  Value lanes = e.intVector(e.i32, index), none = e.integer(e.vec(e.i64), INT64_MIN);
  auto block = [&](Value column, int64_t count) { // lanes past the end lose: theirs are the last places
    Value found = row.loadRun(e.i64, row.element(e.i64, keys, column), count);
    if (count < laneCount) found = e.select(e.firstLanes(count), found, none);
    return Best{found, e.iadd(lanes, e.broadcast(e.trunc(e.i32, column)))};
  };
  Best best = block(e.i64c(0), std::min(n, laneCount));
  int64_t whole = n / laneCount * laneCount;
  if (whole > laneCount) {
    auto carried = e.loop(e.i64c(laneCount), e.i64c(whole), laneCount, {best.keys, best.places},
                          [&](Value column, ValueRange now) {
                            Best next = better(e, {now[0], now[1]}, block(column, laneCount));
                            return SmallVector<Value>{next.keys, next.places};
                          });
    best = {carried[0], carried[1]};
  }
  if (whole >= laneCount && whole < n) best = better(e, best, block(e.i64c(whole), n - whole));
  for (int64_t half = laneCount / 2; half >= 1; half /= 2)
    best = better(e, {e.slice(best.keys, 0, half), e.slice(best.places, 0, half)},
                  {e.slice(best.keys, half, half), e.slice(best.places, half, half)});
  return e.zext(e.i64, e.extract(best.places, 0));
}

// k rounds of the first largest key; what is taken becomes the least key.
static LogicalResult topk(GraphRow &row, graph::TopkOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput(), values = op.getValues();
  mlir::Type element = getElementTypeOrSelf(input.getType());
  Type type = row.storeType(input);
  Lines lines = linesOf(row, input, {int64_t(op.getAxis())});
  int64_t k = shapeOf(values)[op.getAxis()];
  Value keys = row.space(e.i64, lines.n);
  Value best = row.space(type, lines.outer * k), where = row.space(e.i64, lines.outer * k);
  row.forIndex({lines.outer}, [&](ArrayRef<Value> index) {
    Value line = row.element(type, lines.memory, e.imul(index[0], lines.n)), first = e.imul(index[0], k);
    forColumns(e, lines.n, [&](Value column, int64_t count) {
      Value x = row.loadRun(type, row.element(type, line, column), count);
      row.storeRun(orderKeys(e, element, op.getLargest(), x), row.element(e.i64, keys, column), count);
    });
    e.loop(k, [&](Value round) {
      Value found = firstLargest(row, keys, lines.n);
      e.store(e.load(type, row.element(type, line, found)), row.element(type, best, e.iadd(first, round)));
      e.store(found, row.element(e.i64, where, e.iadd(first, round)));
      e.store(e.i64c(INT64_MIN), row.element(e.i64, keys, found));
    });
  });
  if (getElementTypeOrSelf(op.getIndices().getType()).getIntOrFloatBitWidth() != 64)
    return op.emitOpError("wants 64-bit indices in a row program");
  storeLines(row, values, lines, best);
  storeLines(row, op.getIndices(), lines, where);
  return success();
}

//===- matmul -----------------------------------------------------------------------------------------------------===//

// y[n..n+16) of one row of x: one chain over k.
static Value contract(GraphRow &row, Type type, Value x, Value w, Value column, int64_t k, int64_t n, int64_t count) {
  Emitter &e = row.e;
  Value zero = type == e.f32 ? e.lanes(0) : e.integer(e.vec(type), 0);
  return e.loop(e.i64c(0), e.i64c(k), 1, {zero}, [&](Value i, ValueRange carried) {
    Value factor = e.broadcast(e.load(type, row.element(type, x, i)));
    Value weights = row.loadRun(type, row.element(type, w, e.iadd(e.imul(i, n), column)), count);
    if (type == e.f32) return SmallVector<Value>{e.fma(weights, factor, carried[0])};
    return SmallVector<Value>{e.iadd(carried[0], e.imul(weights, factor))};
  })[0];
}

// Strides of an operand's batch dims seen through the result's, in elements; 0 where it repeats.
static Shape batchStrides(ArrayRef<int64_t> own, size_t rank) {
  Shape strides(rank, 0), all = stridesOf(own);
  for (size_t i = 0; i + 2 < own.size(); ++i)
    if (own[i] != 1) strides[rank - (own.size() - 2) + i] = all[i];
  return strides;
}

static LogicalResult matmul(GraphRow &row, graph::MatmulOp op) {
  Emitter &e = row.e;
  mlir::Value lhs = op.getLhs(), rhs = op.getRhs(), result = op.getResult();
  Shape a(shapeOf(lhs)), b(shapeOf(rhs)), batch(shapeOf(result));
  if (a.size() == 1)
    a.insert(a.begin(), 1);
  else
    batch.pop_back();
  if (b.size() == 1)
    b.push_back(1);
  else
    batch.pop_back();
  int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  Type type = row.storeType(lhs);
  mlir::Type element = getElementTypeOrSelf(lhs.getType());
  Value x = row.memoryOf(lhs), w = row.memoryOf(rhs), y = row.defineMemory(result);
  if (row.storeType(rhs) != type) return op.emitOpError("multiplies two types in a row program");
  Shape from = batchStrides(a, batch.size()), with = batchStrides(b, batch.size()), to = stridesOf(batch);
  Shape shape = batch;
  shape.push_back(m);
  row.forIndex(shape, [&](ArrayRef<Value> index) {
    ArrayRef<Value> outer = index.drop_back();
    Value line = row.element(type, x, e.iadd(row.flatten(outer, from), e.imul(index.back(), k)));
    Value matrix = row.element(type, w, row.flatten(outer, with));
    Value out = row.element(type, y, e.imul(e.iadd(e.imul(row.flatten(outer, to), m), index.back()), n));
    forColumns(e, n, [&](Value column, int64_t count) {
      Value sum = contract(row, type, line, matrix, column, k, n, count);
      if (type != e.f32) sum = wrapInteger(e, element, sum);
      row.storeRun(sum, row.element(type, out, column), count);
    });
  });
  return success();
}

LogicalResult evaluateLines(GraphRow &row, Operation *op, bool &known) {
  if (auto o = dyn_cast<graph::ReduceOp>(op)) return reduce(row, o);
  if (auto o = dyn_cast<graph::SoftmaxOp>(op)) return softmax(row, o);
  if (auto o = dyn_cast<graph::CumsumOp>(op)) return cumsum(row, o);
  if (auto o = dyn_cast<graph::TopkOp>(op)) return topk(row, o);
  if (auto o = dyn_cast<graph::MatmulOp>(op)) return matmul(row, o);
  return known = false, failure();
}

} // namespace ingot::cpu
