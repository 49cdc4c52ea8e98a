// graph.unary, binary, compare, select, cast on 16 lanes.
#include "compiler/kernels/cpu/GraphRow.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/MathWide.h"
#include "compiler/kernels/cpu/Pointwise.h"

using namespace mlir;

namespace ingot::cpu {
using graph::BinaryKind, graph::CompareKind, graph::UnaryKind;

static Value cmpf(Emitter &e, arith::CmpFPredicate p, Value x, Value y) { return e.b.create<arith::CmpFOp>(p, x, y); }
static Value isNan(Emitter &e, Value x) { return cmpf(e, arith::CmpFPredicate::UNO, x, x); }

Value maxNan(Emitter &e, Value x, Value y) { return e.select(isNan(e, y), y, e.select(e.less(x, y), y, x)); }
Value minNan(Emitter &e, Value x, Value y) { return e.select(isNan(e, y), y, e.select(e.less(y, x), y, x)); }

//===- integers and casts -----------------------------------------------------------------------------------------===//

// The type of `x` (lanes or a scalar) with another element type.
static Type like(Emitter &e, Value x, Type element) {
  return isa<VectorType>(x.getType()) ? Type(e.vec(element)) : element;
}

Value wrapInteger(Emitter &e, mlir::Type element, Value x) {
  int64_t width = element.getIntOrFloatBitWidth(), stored = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
  if (width >= stored) return x;
  if (isUnsigned(element)) return e.iand(x, e.integer(x.getType(), (int64_t(1) << width) - 1));
  return e.ashr(e.shl(x, stored - width), stored - width);
}

static Value truth(Emitter &e, Value condition) { return e.zext(like(e, condition, e.i32), condition); }

// Towards zero; NaN is 0, beyond the range of i64 its ends (as reference/EvalElementwise.cpp).
static Value toInteger(Emitter &e, Value x) {
  Type wide = like(e, x, e.i64);
  bool lanes = isa<VectorType>(x.getType());
  return e.intrinsic(lanes ? "llvm.fptosi.sat.v16i64.v16f32" : "llvm.fptosi.sat.i64.f32", wide, {x});
}

static Value toReal(Emitter &e, mlir::Type from, Value x) {
  Type real = like(e, x, e.f32);
  bool unsignedBits = from.isUnsignedInteger() && from.getIntOrFloatBitWidth() >= 32;
  if (unsignedBits) return e.b.create<arith::UIToFPOp>(real, x);
  return e.b.create<arith::SIToFPOp>(real, x);
}

Value convert(Emitter &e, mlir::Type from, mlir::Type to, Value x) {
  bool fromReal = isa<FloatType>(from);
  if (isa<FloatType>(to)) return fromReal ? x : toReal(e, from, x);
  if (to.isInteger(1)) {
    if (fromReal) return truth(e, cmpf(e, arith::CmpFPredicate::UNE, x, e.constant(x.getType(), 0)));
    return truth(e, e.cmp(arith::CmpIPredicate::ne, x, e.integer(x.getType(), 0)));
  }
  if (fromReal) x = toInteger(e, x);
  Type stored = like(e, x, to.getIntOrFloatBitWidth() == 64 ? e.i64 : e.i32);
  unsigned have = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
  unsigned want = getElementTypeOrSelf(stored).getIntOrFloatBitWidth();
  if (have < want)
    x = isUnsigned(from) ? e.zext(stored, x) : e.sext(stored, x);
  else if (have > want)
    x = e.trunc(stored, x);
  return wrapInteger(e, to, x);
}

//===- unary ------------------------------------------------------------------------------------------------------===//

static Value sign(Emitter &e, Value x) {
  Value zero = e.constant(x.getType(), 0);
  Value ordered = e.select(e.less(zero, x), e.constant(x.getType(), 1),
                           e.select(e.less(x, zero), e.constant(x.getType(), -1), zero));
  return e.select(isNan(e, x), x, ordered);
}

// Null for kinds of integers only.
static Value realUnary(Emitter &e, UnaryKind kind, Value x) {
  LaneMath a(e, x.getType());
  switch (kind) {
  case UnaryKind::neg:
    return e.neg(x);
  case UnaryKind::abs:
    return e.abs(x);
  case UnaryKind::sign:
    return sign(e, x);
  case UnaryKind::reciprocal:
    return e.div(a.f(1), x);
  case UnaryKind::sqrt:
    return e.sqrt(x);
  case UnaryKind::exp:
    return math::exp(a, x);
  case UnaryKind::log:
    return math::log(a, x);
  case UnaryKind::erf:
    return math::erf(a, x);
  case UnaryKind::floor:
    return e.b.create<LLVM::FFloorOp>(x);
  case UnaryKind::ceil:
    return e.b.create<LLVM::FCeilOp>(x);
  case UnaryKind::round:
    return e.b.create<LLVM::RoundEvenOp>(x);
  case UnaryKind::sin:
    return math::sincos(a, x).sin;
  case UnaryKind::cos:
    return math::sincos(a, x).cos;
  case UnaryKind::tan:
    return math::tan(a, x);
  case UnaryKind::asin:
    return math::asin(a, x);
  case UnaryKind::acos:
    return math::acos(a, x);
  case UnaryKind::atan:
    return math::atan(a, x);
  case UnaryKind::sinh:
    return math::sinh(a, x);
  case UnaryKind::cosh:
    return math::cosh(a, x);
  case UnaryKind::tanh:
    return math::tanh(a, x);
  case UnaryKind::asinh:
    return math::asinh(a, x);
  case UnaryKind::acosh:
    return math::acosh(a, x);
  case UnaryKind::atanh:
    return math::atanh(a, x);
  case UnaryKind::sigmoid:
    return math::sigmoid(a, x);
  case UnaryKind::softplus:
    return math::softplus(a, x);
  case UnaryKind::relu:
    return math::relu(a, x);
  case UnaryKind::gelu:
    return math::gelu(a, x);
  case UnaryKind::gelu_tanh:
    return math::geluTanh(a, x);
  case UnaryKind::is_nan:
    return truth(e, isNan(e, x));
  case UnaryKind::is_inf:
    return truth(e, cmpf(e, arith::CmpFPredicate::OEQ, e.abs(x), a.f(__builtin_inff())));
  case UnaryKind::logical_not:
  case UnaryKind::bit_not:
    return {};
  }
  return {};
}

static Value integerUnary(Emitter &e, UnaryKind kind, mlir::Type element, Value x) {
  Value zero = e.integer(x.getType(), 0), one = e.integer(x.getType(), 1);
  bool isUnsignedType = isUnsigned(element);
  switch (kind) {
  case UnaryKind::neg:
    return e.isub(zero, x);
  case UnaryKind::abs:
    return isUnsignedType ? x : e.select(e.slt(x, zero), e.isub(zero, x), x);
  case UnaryKind::sign: {
    Value positive = e.select(e.cmp(arith::CmpIPredicate::ne, x, zero), one, zero);
    return isUnsignedType ? positive : e.select(e.slt(x, zero), e.integer(x.getType(), -1), positive);
  }
  case UnaryKind::relu:
    return isUnsignedType ? x : e.smax(x, zero);
  case UnaryKind::logical_not:
    return e.ixor(x, one);
  case UnaryKind::bit_not:
    return e.ixor(x, e.integer(x.getType(), -1));
  case UnaryKind::floor:
  case UnaryKind::ceil:
  case UnaryKind::round:
    return x;
  case UnaryKind::is_nan:
  case UnaryKind::is_inf:
    return e.integer(like(e, x, e.i32), 0);
  default:
    return {};
  }
}

static Value unaryLanes(Emitter &e, UnaryKind kind, mlir::Type element, Value x) {
  if (isa<FloatType>(element)) return realUnary(e, kind, x);
  Value y = integerUnary(e, kind, element, x);
  return y ? wrapInteger(e, element, y) : y;
}

//===- binary -----------------------------------------------------------------------------------------------------===//

// x - q y with q = round(x / y): fma keeps the remainder exact; a quotient that was off by one is mended.
static Value realRemainder(Emitter &e, bool floored, Value x, Value y) {
  Value zero = e.constant(x.getType(), 0), quotient = e.div(x, y);
  if (floored) {
    Value q = e.b.create<LLVM::FFloorOp>(quotient);
    return e.fma(e.neg(q), y, x);
  }
  Value ax = e.abs(x), ay = e.abs(y), q = e.b.create<LLVM::FFloorOp>(e.div(ax, ay));
  Value rest = e.fma(e.neg(q), ay, ax);
  rest = e.select(e.less(rest, zero), e.add(rest, ay), rest);
  rest = e.select(e.less(rest, ay), rest, e.sub(rest, ay));
  Value whole = cmpf(e, arith::CmpFPredicate::OEQ, ay, e.constant(x.getType(), INFINITY));
  rest = e.select(whole, ax, rest);
  LaneMath a(e, x.getType());
  return math::withSign(a, e.abs(rest), x);
}

static Value realBinary(Emitter &e, BinaryKind kind, Value x, Value y) {
  LaneMath a(e, x.getType());
  switch (kind) {
  case BinaryKind::add:
    return e.add(x, y);
  case BinaryKind::sub:
    return e.sub(x, y);
  case BinaryKind::mul:
    return e.mul(x, y);
  case BinaryKind::div:
    return e.div(x, y);
  case BinaryKind::mod:
    return realRemainder(e, true, x, y);
  case BinaryKind::rem:
    return realRemainder(e, false, x, y);
  case BinaryKind::pow:
    return math::pow(a, x, y);
  case BinaryKind::min:
    return minNan(e, x, y);
  case BinaryKind::max:
    return maxNan(e, x, y);
  default:
    return {};
  }
}

// Quotient and remainder that never trap: by 0 and by -1 go another way (invariant 5 of GraphRow.h).
static Value integerDivision(Emitter &e, BinaryKind kind, bool isUnsignedType, Value x, Value y) {
  Type type = x.getType();
  Value zero = e.integer(type, 0), one = e.integer(type, 1);
  Value byZero = e.ieq(y, zero);
  if (isUnsignedType) {
    Value safe = e.select(byZero, one, y);
    if (kind == BinaryKind::div) return e.b.create<arith::DivUIOp>(x, safe);
    return e.b.create<arith::RemUIOp>(x, safe);
  }
  Value negated = e.ieq(y, e.integer(type, -1));
  Value safe = e.select(byZero, one, e.select(negated, one, y));
  if (kind == BinaryKind::div) {
    Value quotient = e.b.create<arith::DivSIOp>(x, safe);
    return e.select(negated, e.isub(zero, x), quotient);
  }
  Value rest = e.b.create<arith::RemSIOp>(x, safe); // 0 by -1
  if (kind == BinaryKind::rem) return rest;
  Value signs = e.slt(e.ixor(rest, safe), zero), some = e.cmp(arith::CmpIPredicate::ne, rest, zero);
  Value both = e.b.create<arith::AndIOp>(signs, some);
  return e.select(both, e.iadd(rest, safe), rest);
}

// By squaring; a negative exponent gives 0, 1 or -1.
static Value integerPower(Emitter &e, Value base, Value exponent) {
  Type type = base.getType();
  Value one = e.integer(type, 1), zero = e.integer(type, 0);
  int64_t bits = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  auto powers = e.loop(e.i64c(0), e.i64c(bits), 1, {one, base, exponent}, [&](Value, ValueRange now) {
    Value odd = e.cmp(arith::CmpIPredicate::ne, e.iand(now[2], one), zero);
    Value result = e.select(odd, e.imul(now[0], now[1]), now[0]);
    return SmallVector<Value>{result, e.imul(now[1], now[1]), e.lshr(now[2], 1)};
  });
  Value odd = e.cmp(arith::CmpIPredicate::ne, e.iand(exponent, one), zero);
  Value ofMinus = e.select(odd, e.integer(type, -1), one);
  Value inverse = e.select(e.ieq(base, one), one, e.select(e.ieq(base, e.integer(type, -1)), ofMinus, zero));
  return e.select(e.slt(exponent, zero), inverse, powers[0]);
}

static Value integerBinary(Emitter &e, BinaryKind kind, mlir::Type element, Value x, Value y) {
  Type type = x.getType();
  bool isUnsignedType = isUnsigned(element);
  auto less = [&](Value p, Value q) { return isUnsignedType ? e.ult(p, q) : e.slt(p, q); };
  int64_t width = element.getIntOrFloatBitWidth();
  auto shift = [&](bool left) {
    Value inside = e.ult(y, e.integer(type, width)), amount = e.select(inside, y, e.integer(type, 0));
    Value moved = left ? Value(e.b.create<arith::ShLIOp>(x, amount)) : Value(e.b.create<arith::ShRUIOp>(x, amount));
    return e.select(inside, moved, e.integer(type, 0));
  };
  switch (kind) {
  case BinaryKind::add:
    return e.iadd(x, y);
  case BinaryKind::sub:
    return e.isub(x, y);
  case BinaryKind::mul:
    return e.imul(x, y);
  case BinaryKind::div:
  case BinaryKind::mod:
  case BinaryKind::rem:
    return integerDivision(e, kind, isUnsignedType, x, y);
  case BinaryKind::pow:
    return integerPower(e, x, y);
  case BinaryKind::min:
    return e.select(less(x, y), x, y);
  case BinaryKind::max:
    return e.select(less(x, y), y, x);
  case BinaryKind::logical_and:
  case BinaryKind::bit_and:
    return e.iand(x, y);
  case BinaryKind::logical_or:
  case BinaryKind::bit_or:
    return e.ior(x, y);
  case BinaryKind::logical_xor:
  case BinaryKind::bit_xor:
    return e.ixor(x, y);
  case BinaryKind::shift_left:
    return shift(true);
  case BinaryKind::shift_right:
    return shift(false);
  }
  return {};
}

// `pow` may mix types; its result has the base's.
static Value powLanes(Emitter &e, mlir::Type base, mlir::Type exponent, Value x, Value y) {
  if (!isa<FloatType>(base) && !isa<FloatType>(exponent))
    return wrapInteger(e, base, integerPower(e, x, convert(e, exponent, base, y)));
  mlir::Type real = Float32Type::get(base.getContext());
  return convert(e, real, base,
                 realBinary(e, BinaryKind::pow, convert(e, base, real, x), convert(e, exponent, real, y)));
}

static Value compareLanes(Emitter &e, CompareKind kind, mlir::Type element, Value x, Value y) {
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static constexpr F reals[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
  static constexpr I signs[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static constexpr I counts[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  if (isa<FloatType>(element)) return truth(e, cmpf(e, reals[int(kind)], x, y));
  return truth(e, e.cmp((isUnsigned(element) ? counts : signs)[int(kind)], x, y));
}

//===- the family -------------------------------------------------------------------------------------------------===//

namespace {
using LaneOp = std::function<Value(ArrayRef<Value>)>;
}

// What the op does to 16 lanes of each operand; null if it is of another family.
static LaneOp laneOp(Emitter &e, Operation *op) {
  auto elementOf = [](mlir::Value v) { return getElementTypeOrSelf(v.getType()); };
  mlir::Type element = op->getNumOperands() ? elementOf(op->getOperand(0)) : mlir::Type();
  if (auto unary = dyn_cast<graph::UnaryOp>(op))
    return [&e, kind = unary.getKind(), element](ArrayRef<Value> x) { return unaryLanes(e, kind, element, x[0]); };
  if (auto binary = dyn_cast<graph::BinaryOp>(op))
    return [&e, kind = binary.getKind(), element, other = elementOf(binary.getRhs())](ArrayRef<Value> x) -> Value {
      if (kind == BinaryKind::pow) return powLanes(e, element, other, x[0], x[1]);
      if (isa<FloatType>(element)) return realBinary(e, kind, x[0], x[1]);
      return wrapInteger(e, element, integerBinary(e, kind, element, x[0], x[1]));
    };
  if (auto compare = dyn_cast<graph::CompareOp>(op))
    return [&e, kind = compare.getKind(), element](ArrayRef<Value> x) {
      return compareLanes(e, kind, element, x[0], x[1]);
    };
  if (isa<graph::SelectOp>(op))
    return [&e](ArrayRef<Value> x) {
      return e.select(e.cmp(arith::CmpIPredicate::ne, x[0], e.integer(x[0].getType(), 0)), x[1], x[2]);
    };
  if (auto cast = dyn_cast<graph::CastOp>(op))
    return [&e, element, to = elementOf(cast.getResult())](ArrayRef<Value> x) { return convert(e, element, to, x[0]); };
  return nullptr;
}

// Kinds that are defined on the operand's type.
static bool isDefined(Operation *op) {
  auto real = [](mlir::Value v) { return isa<FloatType>(getElementTypeOrSelf(v.getType())); };
  if (auto unary = dyn_cast<graph::UnaryOp>(op)) {
    UnaryKind kind = unary.getKind();
    bool bits = kind == UnaryKind::logical_not || kind == UnaryKind::bit_not;
    bool both = kind == UnaryKind::neg || kind == UnaryKind::abs || kind == UnaryKind::sign ||
                kind == UnaryKind::relu || kind == UnaryKind::floor || kind == UnaryKind::ceil ||
                kind == UnaryKind::round || kind == UnaryKind::is_nan || kind == UnaryKind::is_inf;
    return both || bits != real(unary.getInput());
  }
  auto binary = dyn_cast<graph::BinaryOp>(op);
  return !binary || !real(binary.getLhs()) || binary.getKind() < BinaryKind::logical_and;
}

LogicalResult evaluateElementwise(GraphRow &row, Operation *op, bool &known) {
  LaneOp apply = laneOp(row.e, op);
  if (!apply) return known = false, failure();
  if (!isDefined(op)) return op->emitOpError("is not defined on this element type");
  mlir::Value result = op->getResult(0);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(result.getType()).getShape();
  SmallVector<Columns> operands;
  bool uniform = true;
  for (mlir::Value operand : op->getOperands()) {
    operands.push_back(row.broadcast(operand, shape));
    uniform &= row.value(operand).uniform;
  }
  auto lanes = [operands, apply](Value column, int64_t count) {
    SmallVector<Value> x;
    for (const Columns &operand : operands) x.push_back(operand(column, count));
    return apply(x);
  };
  row.defineLanes(result, lanes, uniform);
  return success();
}

} // namespace ingot::cpu
