// dequant, quantise and dynamic_quant of activations on one row.
#include "compiler/kernels/cpu/GraphRow.h"
#include "compiler/kernels/cpu/Pointwise.h"

using namespace mlir;

namespace ingot::cpu {

static ArrayRef<int64_t> shapeOf(mlir::Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }
static mlir::Type elementOf(mlir::Value v) { return getElementTypeOrSelf(v.getType()); }

// A scale or zero point as a function of the elements of x: one for all, one along an axis, or one a block of it.
static Columns parameter(GraphRow &row, mlir::Value v, ArrayRef<int64_t> shape, int64_t axis, int64_t block) {
  Emitter &e = row.e;
  if (row.value(v).count() == 1) return row.broadcast(v, shape);
  Type type = row.storeType(v);
  Value from = row.memoryOf(v), whole = row.space(type, elementCount(shape));
  Shape strides = block ? stridesOf(shapeOf(v)) : Shape(shape.size(), 0);
  if (!block) strides[axis] = 1;
  row.forIndex(shape, [&](ArrayRef<Value> index) {
    SmallVector<Value> at(index);
    if (block) at[axis] = e.udiv(index[axis], block);
    Value value = e.load(type, row.element(type, from, row.flatten(at, strides)));
    e.store(value, row.element(type, whole, row.flatten(index, stridesOf(shape))));
  });
  return [&row, whole, type](Value column, int64_t count) {
    return row.loadRun(type, row.element(type, whole, column), count);
  };
}

// Scale and zero point are one number, a vector along the axis, or one number a block of it.
static bool parametersFit(ArrayRef<int64_t> shape, mlir::Value scale, mlir::Value zero, int64_t axis, int64_t block) {
  auto fits = [&](mlir::Value v) {
    if (!v || elementCount(shapeOf(v)) == 1) return true;
    if (axis >= int64_t(shape.size())) return false;
    if (!block) return shapeOf(v) == ArrayRef<int64_t>{shape[axis]};
    Shape blocks(shape);
    blocks[axis] = llvm::divideCeil(shape[axis], block);
    return shapeOf(v) == ArrayRef<int64_t>(blocks);
  };
  return fits(scale) && fits(zero);
}

// x - zero is exact in integers; one rounding to f32, one of the product.
static LogicalResult dequant(GraphRow &row, graph::DequantOp op) {
  Emitter &e = row.e;
  ArrayRef<int64_t> shape = shapeOf(op.getResult());
  mlir::Type from = elementOf(op.getInput()), wide = IntegerType::get(op.getContext(), 64);
  if (!parametersFit(shape, op.getScale(), op.getZero(), op.getAxis(), op.getBlock()))
    return op.emitOpError("has a scale or zero point that does not fit its operand");
  Columns x = row.lanesOf(op.getInput()), scale = parameter(row, op.getScale(), shape, op.getAxis(), op.getBlock());
  Columns zero = op.getZero() ? parameter(row, op.getZero(), shape, op.getAxis(), op.getBlock()) : nullptr;
  mlir::Type zeroType = zero ? elementOf(op.getZero()) : mlir::Type();
  if (isa<FloatType>(from) || (zero && isa<FloatType>(zeroType)))
    return op.emitOpError("wants integers in a row program");
  bool narrow = from.getIntOrFloatBitWidth() < 32;
  row.defineLanes(op.getResult(), [&e, x, scale, zero, from, zeroType, wide, narrow](Value column, int64_t count) {
    mlir::Type inside = narrow ? mlir::Type(IntegerType::get(wide.getContext(), 32)) : wide;
    Value value = convert(e, from, inside, x(column, count));
    if (zero) value = e.isub(value, convert(e, zeroType, inside, zero(column, count)));
    mlir::Type real = Float32Type::get(wide.getContext());
    return e.mul(convert(e, inside, real, value), scale(column, count));
  });
  return success();
}

// Round-to-nearest-even of q, plus zero, in the range of an integer type; NaN is 0.
static Value saturate(Emitter &e, mlir::Type element, Value q, Value zero) {
  int width = int(element.getIntOrFloatBitWidth());
  double low = isUnsigned(element) ? 0 : -std::ldexp(1.0, width - 1);
  double high = std::ldexp(1.0, width - !isUnsigned(element)) - 1;
  Type type = q.getType();
  Value sum = e.b.create<LLVM::RoundEvenOp>(q);
  if (zero) sum = e.add(sum, zero);
  sum = e.select(e.less(sum, e.constant(type, low)), e.constant(type, low), sum);
  sum = e.select(e.less(e.constant(type, high), sum), e.constant(type, high), sum);
  return convert(e, Float32Type::get(element.getContext()), element, sum);
}

static LogicalResult quantise(GraphRow &row, graph::QuantiseOp op) {
  Emitter &e = row.e;
  ArrayRef<int64_t> shape = shapeOf(op.getResult());
  mlir::Type from = elementOf(op.getInput()), to = elementOf(op.getResult()), real = Float32Type::get(op.getContext());
  if (isa<FloatType>(to) || to.getIntOrFloatBitWidth() > 16)
    return op.emitOpError("makes integers of up to 16 bits only");
  if (!parametersFit(shape, op.getScale(), op.getZero(), op.getAxis(), op.getBlock()))
    return op.emitOpError("has a scale or zero point that does not fit its operand");
  Columns x = row.lanesOf(op.getInput()), scale = parameter(row, op.getScale(), shape, op.getAxis(), op.getBlock());
  Columns zero = op.getZero() ? parameter(row, op.getZero(), shape, op.getAxis(), op.getBlock()) : nullptr;
  mlir::Type zeroType = zero ? elementOf(op.getZero()) : mlir::Type();
  row.defineLanes(op.getResult(), [&e, x, scale, zero, from, to, real, zeroType](Value column, int64_t count) {
    Value quotient = e.div(convert(e, from, real, x(column, count)), scale(column, count));
    return saturate(e, to, quotient, zero ? convert(e, zeroType, real, zero(column, count)) : Value());
  });
  return success();
}

// ONNX's DynamicQuantizeLinear of one row, in f32: the range includes 0.
static LogicalResult dynamicQuant(GraphRow &row, graph::DynamicQuantOp op) {
  Emitter &e = row.e;
  mlir::Value input = op.getInput();
  mlir::Type byte = elementOf(op.getResult());
  Value from = row.memoryOf(input);
  Value low = e.lanes(0), high = e.lanes(0);
  int64_t n = row.value(input).count();
  auto extreme = [&](bool largest) {
    Value lanes = foldColumns(e, n, e.lanes(0), [&](Value column, int64_t count, Value now) {
      Value x = row.loadRun(e.f32, row.element(e.f32, from, column), count); // zeros past the end are in the range
      return largest ? e.select(e.less(now, x), x, now) : e.select(e.less(x, now), x, now);
    });
    for (int64_t half = laneCount / 2; half >= 1; half /= 2) {
      Value p = e.slice(lanes, 0, half), q = e.slice(lanes, half, half);
      lanes = largest ? e.select(e.less(p, q), q, p) : e.select(e.less(q, p), q, p);
    }
    return e.extract(lanes, 0);
  };
  low = extreme(false), high = extreme(true);
  Value scale = e.div(e.sub(high, low), e.constant(e.f32, 255));
  Value flat = e.b.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, scale, e.constant(e.f32, 0));
  Value zeroReal = e.div(e.neg(low), scale);
  zeroReal = e.select(flat, e.constant(e.f32, 0), zeroReal);
  Value zero = saturate(e, byte, zeroReal, {});
  e.store(scale, row.defineMemory(op.getScale()));
  e.store(zero, row.defineMemory(op.getZero()));
  Value scales = e.broadcast(scale), zeros = e.toFloat(e.broadcast(zero)), none = e.broadcast(flat);
  Columns x = row.lanesOf(input);
  row.defineLanes(op.getResult(), [&e, x, scales, zeros, none, byte](Value column, int64_t count) {
    Value quotient = e.div(x(column, count), scales);
    return saturate(e, byte, e.select(none, e.lanes(0), quotient), zeros);
  });
  return success();
}

LogicalResult evaluateQuant(GraphRow &row, Operation *op, bool &known) {
  if (auto o = dyn_cast<graph::DequantOp>(op)) return dequant(row, o);
  if (auto o = dyn_cast<graph::QuantiseOp>(op)) return quantise(row, o);
  if (auto o = dyn_cast<graph::DynamicQuantOp>(op)) return dynamicQuant(row, o);
  return known = false, failure();
}

} // namespace ingot::cpu
