// Elementwise ops: the value at an index out of the operands' values at that index.
#include "passes/infer/Rules.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

Type elementType(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

/// A literal as the element type holds it. Narrow types keep only literals: 2049 is no f16. What is made of
/// activations, keys and scores keeps f32 (invariant 2 of RowBuilder.h).
Expr rounded(ExprContext &exprs, Expr e, Type type) {
  auto value = e.asReal();
  bool narrowed = isa<FloatType>(type) && type.getIntOrFloatBitWidth() < 64;
  if (narrowed && e->op == ExprOp::Select)
    return exprs.select(e->operands[0], rounded(exprs, e->operands[1], type), rounded(exprs, e->operands[2], type));
  if (auto integer = dyn_cast<IntegerType>(type); integer && integer.getWidth() > 1 && integer.getWidth() < 32)
    return e.asInteger() ? e
                         : exprs.unary(WrappedToInteger + integer.getWidth() + integer.isUnsigned() * UnsignedWrap, e);
  if (type.isF32() && value) return exprs.real(double(float(*value)));
  if (auto narrow = dyn_cast<FloatType>(type); narrow && narrow.getWidth() < 32) {
    if (!value) return exprs.reads(e).empty() ? exprs.unary(roundingTo(narrow.getWidth(), narrow.isBF16()), e) : e;
    bool inexact;
    llvm::APFloat literal(*value);
    literal.convert(narrow.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    return exprs.real(literal.convertToDouble());
  }
  return e;
}

/// Types an elementwise op: closed if all operands are, else a token value of the broadcast shape.
template <typename Apply> void elementwise(Operation *op, Typing &typing, Apply apply) {
  SmallVector<ArrayRef<Dim>> shapes;
  for (Value operand : op->getOperands()) shapes.push_back(typing.shape(operand));
  std::optional<Shape> shape = broadcast(shapes);
  if (!shape) {
    std::string text;
    for (ArrayRef<Dim> s : shapes) text += " " + print(typing.exprs, s);
    return typing.report(op, "joins shapes that do not broadcast:" + text);
  }
  Value result = op->getResult(0);
  auto form = [op, &typing, apply](Indices indices) -> Expr {
    SmallVector<Expr, 3> x;
    for (Value operand : op->getOperands()) {
      x.push_back(typing.at(operand, broadcastIndices(typing.exprs, typing.shape(operand), indices)));
      if (!x.back()) return {};
    }
    return rounded(typing.exprs, apply(typing.exprs, x), elementType(op->getResult(0)));
  };
  setFrom(typing, result, op->getOperands(), *shape, form);
}

//===- unary
//-------------------------------------------------------------------------------------------------------===//

std::optional<double> literalUnary(graph::UnaryKind kind, double x) {
  switch (kind) {
  case graph::UnaryKind::abs:
    return std::fabs(x);
  case graph::UnaryKind::sqrt:
    return std::sqrt(x);
  case graph::UnaryKind::reciprocal:
    return 1 / x;
  case graph::UnaryKind::floor:
    return std::floor(x);
  case graph::UnaryKind::ceil:
    return std::ceil(x);
  case graph::UnaryKind::round:
    return std::nearbyint(x);
  case graph::UnaryKind::relu:
    return x < 0 ? 0 : x;
  case graph::UnaryKind::sign:
    return (x > 0) - (x < 0);
  case graph::UnaryKind::exp:
    return std::exp(x);
  case graph::UnaryKind::log:
    return std::log(x);
  case graph::UnaryKind::tanh:
    return std::tanh(x);
  default:
    return std::nullopt;
  }
}

/// Functions that keep every integer as it is.
bool keepsIntegers(graph::UnaryKind kind) {
  return kind == graph::UnaryKind::floor || kind == graph::UnaryKind::ceil || kind == graph::UnaryKind::round;
}

Expr applyUnary(ExprContext &exprs, graph::UnaryKind kind, Expr x) {
  if (kind == graph::UnaryKind::logical_not) return exprs.logicalNot(x);
  if (x->op == ExprOp::Select && (x->operands[1].isLiteral() || x->operands[2].isLiteral()))
    return exprs.select(x->operands[0], applyUnary(exprs, kind, x->operands[1]),
                        applyUnary(exprs, kind, x->operands[2]));
  if (x->op == ExprOp::ToReal && keepsIntegers(kind)) return x;
  if (x->op == ExprOp::ToReal && (kind == graph::UnaryKind::is_nan || kind == graph::UnaryKind::is_inf))
    return exprs.boolean(false);
  if (x.isAffine() && kind == graph::UnaryKind::abs) return exprs.maximum(x, exprs.sub(exprs.integer(0), x));
  if (kind == graph::UnaryKind::neg)
    return x.isAffine() ? exprs.sub(exprs.integer(0), x) : exprs.mul(exprs.real(-1), x);
  if (auto value = x.asReal()) {
    if (kind == graph::UnaryKind::is_nan) return exprs.boolean(std::isnan(*value));
    if (kind == graph::UnaryKind::is_inf) return exprs.boolean(std::isinf(*value));
    if (auto result = literalUnary(kind, *value)) return exprs.real(*result);
  }
  return exprs.unary(unsigned(kind), x);
}

std::optional<decoder::ActKind> activation(graph::UnaryKind kind) {
  switch (kind) {
  case graph::UnaryKind::sigmoid:
    return decoder::ActKind::sigmoid;
  case graph::UnaryKind::tanh:
    return decoder::ActKind::tanh;
  case graph::UnaryKind::relu:
    return decoder::ActKind::relu;
  case graph::UnaryKind::gelu:
    return decoder::ActKind::gelu;
  case graph::UnaryKind::gelu_tanh:
    return decoder::ActKind::gelu_tanh;
  default:
    return std::nullopt;
  }
}

bool isFloat(Value value) { return isa<FloatType>(elementType(value)); }

struct UnaryRule {
  void infer(graph::UnaryOp op, Typing &typing) const {
    elementwise(op, typing,
                [kind = op.getKind()](ExprContext &exprs, ArrayRef<Expr> x) { return applyUnary(exprs, kind, x[0]); });
  }
  void lower(graph::UnaryOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    auto kind = activation(op.getKind());
    if (!isFloat(op.getInput())) return rows.noRowForm(op);
    if (kind)
      rows.set(op, rows.create<decoder::ActOp>(op, x.getType(), *kind, x));
    else if (op.getKind() == graph::UnaryKind::neg)
      rows.set(op, rows.create<decoder::ScaleOp>(op, x.getType(), x, llvm::APFloat(-1.0f)));
    else
      rows.noRowForm(op);
  }
};

//===- binary
//------------------------------------------------------------------------------------------------------===//

/// Bits of literals, and shifts of what is not negative. Null otherwise.
Expr applyBits(ExprContext &exprs, graph::BinaryKind kind, Expr a, Expr b) {
  auto y = b.asInteger();
  if (kind == graph::BinaryKind::shift_left || kind == graph::BinaryKind::shift_right) {
    if (!y || *y < 0 || *y > 31 || !a.isAffine() || exprs.less(a, exprs.integer(0)).asBool() != false) return {};
    int64_t power = int64_t(1) << *y;
    return kind == graph::BinaryKind::shift_left ? exprs.mul(a, exprs.integer(power)) : exprs.floorDiv(a, power);
  }
  auto x = a.asInteger();
  if (!x || !y) return {};
  if (kind == graph::BinaryKind::bit_and) return exprs.integer(*x & *y);
  return exprs.integer(kind == graph::BinaryKind::bit_or ? *x | *y : *x ^ *y);
}

Expr applyBinary(ExprContext &exprs, graph::BinaryKind kind, Expr a, Expr b) {
  switch (kind) {
  case graph::BinaryKind::add:
    return exprs.add(a, b);
  case graph::BinaryKind::sub:
    return exprs.sub(a, b);
  case graph::BinaryKind::mul:
    return exprs.mul(a, b);
  case graph::BinaryKind::div:
    return exprs.divide(a, b);
  case graph::BinaryKind::min:
    return exprs.minimum(a, b);
  case graph::BinaryKind::max:
    return exprs.maximum(a, b);
  case graph::BinaryKind::logical_and:
    return exprs.logicalAnd(a, b);
  case graph::BinaryKind::logical_or:
    return exprs.logicalOr(a, b);
  case graph::BinaryKind::logical_xor:
    return exprs.logicalNot(exprs.equal(a, b));
  case graph::BinaryKind::mod:
    if (auto divisor = b.asInteger()) return exprs.mod(a, *divisor);
    return {};
  case graph::BinaryKind::rem: // the same where the dividend is not negative
    if (auto divisor = b.asInteger(); divisor && a.isAffine() && exprs.less(a, exprs.integer(0)).asBool() == false)
      return exprs.mod(a, *divisor);
    return {};
  case graph::BinaryKind::pow:
    if (a.asReal() && b.asReal()) return exprs.real(std::pow(*a.asReal(), *b.asReal()));
    if (b.asReal() == 1.0 || b.is(1)) return a;
    if (b.asReal() == 2.0 || b.is(2)) return exprs.mul(a, a);
    return {};
  case graph::BinaryKind::bit_and:
  case graph::BinaryKind::bit_or:
  case graph::BinaryKind::bit_xor:
  case graph::BinaryKind::shift_left:
  case graph::BinaryKind::shift_right:
    return applyBits(exprs, kind, a, b);
  default:
    return {};
  }
}

/// The literal that every element of a closed value is; nullopt otherwise.
std::optional<double> uniform(Typing &typing, Value value) {
  if (!typing[value].isClosed()) return std::nullopt;
  SmallVector<Expr, 4> indices;
  Shape shape = typing[value].shape;
  for (const Dim &dim : shape)
    indices.push_back(dim.isOne() ? typing.exprs.integer(0) : typing.exprs.variable(typing.exprs.newVariable("d")));
  Expr e = typing.at(value, indices);
  return e ? e.asReal() : std::nullopt;
}

/// A constant that has one element for every column of the op's rows, in their order.
bool isConstantRow(RowBuilder &rows, Value value, Operation *op) {
  return rows.typing[value].constant && constantProduct(rows.typing.shape(value)) == rows.width(op->getResult(0));
}

struct BinaryRule {
  void infer(graph::BinaryOp op, Typing &typing) const {
    elementwise(op, typing, [kind = op.getKind()](ExprContext &exprs, ArrayRef<Expr> x) {
      Expr result = applyBinary(exprs, kind, x[0], x[1]);
      return result ? result : exprs.undefined();
    });
  }

  void lower(graph::BinaryOp op, RowBuilder &rows) const {
    Value a = op.getLhs(), b = op.getRhs();
    if (!isFloat(op)) return rows.noRowForm(op);
    bool swaps = op.getKind() == graph::BinaryKind::add || op.getKind() == graph::BinaryKind::mul;
    if (swaps && rows.typing[a].isClosed()) std::swap(a, b);
    if (auto value = uniform(rows.typing, b); value && rows.typing[a].isToken())
      return lowerScalar(op, rows, a, *value);
    if (op.getKind() == graph::BinaryKind::add && rows.typing[a].isToken() && isConstantRow(rows, b, op))
      return lowerBias(op, rows, a, b);
    bool constant = rows.typing[a].constant || rows.typing[b].constant;
    constant ? rows.noRowForm(op) : lowerPair(op, rows, a, b);
  }

  static void lowerScalar(graph::BinaryOp op, RowBuilder &rows, Value a, double value) {
    Value x = rows.rows(a);
    if (!x) return;
    if (rows.width(a) != rows.width(op)) return rows.noRowForm(op); // broadcast to more columns
    auto scale = [&](float factor) {
      rows.set(op, rows.create<decoder::ScaleOp>(op, x.getType(), x, llvm::APFloat(factor)));
    };
    bool neutral = (op.getKind() == graph::BinaryKind::add || op.getKind() == graph::BinaryKind::sub) && value == 0;
    if (neutral)
      rows.set(op, x);
    else if (op.getKind() == graph::BinaryKind::mul)
      scale(value);
    else if (op.getKind() == graph::BinaryKind::div && value != 0)
      scale(1 / value);
    else
      rows.noRowForm(op);
  }

  /// x + constant row: the bias of the linear that made x.
  static void lowerBias(graph::BinaryOp op, RowBuilder &rows, Value a, Value bias) {
    Value x = rows.rows(a);
    if (!x) return;
    auto linear = x.getDefiningOp<decoder::LinearOp>();
    int64_t columns = rows.width(a);
    if (!linear || linear.getBias() || columns != rows.width(op)) return rows.noRowForm(op);
    auto recipe = rows.recipes.of(rows.typing, bias, op, [&](OpBuilder &builder, Value vector) {
      return Recipes::reshape(builder, vector, columns);
    });
    if (!recipe) return;
    rows.set(op, rows.create<decoder::LinearOp>(op, x.getType(), linear.getInput(), linear.getWeightAttr(), recipe,
                                                linear.getAccuracyLevelAttr()));
  }

  static void lowerPair(graph::BinaryOp op, RowBuilder &rows, Value a, Value b) {
    Value x = rows.materialise(a, op), y = rows.materialise(b, op);
    if (!x || !y) return;
    // One value a row against many, or an outer product: no decoder op.
    auto whole = rows.rowType(rows.width(op));
    if (x.getType() != whole || y.getType() != whole) return rows.noRowForm(op);
    if (op.getKind() == graph::BinaryKind::add)
      rows.set(op, rows.create<decoder::AddOp>(op, x.getType(), x, y));
    else if (op.getKind() == graph::BinaryKind::mul)
      rows.set(op, rows.create<decoder::MulOp>(op, x.getType(), x, y));
    else if (op.getKind() == graph::BinaryKind::sub)
      rows.set(op, rows.create<decoder::AddOp>(
                       op, x.getType(), x, rows.create<decoder::ScaleOp>(op, y.getType(), y, llvm::APFloat(-1.0f))));
    else
      rows.noRowForm(op);
  }
};

//===- the rest
//----------------------------------------------------------------------------------------------------===//

struct CompareRule {
  void infer(graph::CompareOp op, Typing &typing) const {
    elementwise(op, typing, [kind = op.getKind()](ExprContext &exprs, ArrayRef<Expr> x) -> Expr {
      switch (kind) {
      case graph::CompareKind::eq:
        return exprs.equal(x[0], x[1]);
      case graph::CompareKind::ne:
        return exprs.logicalNot(exprs.equal(x[0], x[1]));
      case graph::CompareKind::lt:
        return exprs.less(x[0], x[1]);
      case graph::CompareKind::le:
        return exprs.lessEqual(x[0], x[1]);
      case graph::CompareKind::gt:
        return exprs.less(x[1], x[0]);
      case graph::CompareKind::ge:
        return exprs.lessEqual(x[1], x[0]);
      }
      return exprs.undefined();
    });
  }
};

/// What a closed condition is at every index; nullopt if it varies.
std::optional<bool> constantTruth(Typing &typing, Value condition) {
  if (!typing[condition].isClosed()) return std::nullopt;
  ExprContext &exprs = typing.exprs;
  Shape shape(typing.shape(condition));
  SmallVector<Expr, 4> indices;
  Facts facts = typing.prover.tokenFacts(typing.scores().i, typing.scores().j);
  for (const Dim &dim : shape) {
    if (dim == typing.freshDim())
      indices.push_back(exprs.variable(typing.scores().i));
    else
      indices.push_back(dim.isOne() ? exprs.integer(0) : exprs.variable(exprs.newVariable("d", dim.size(exprs))));
  }
  Expr e = typing.at(condition, indices);
  return e ? typing.prover.simplify(e, facts).asBool() : std::nullopt;
}

struct SelectRule {
  void infer(graph::SelectOp op, Typing &typing) const {
    elementwise(op, typing, [](ExprContext &exprs, ArrayRef<Expr> x) { return exprs.select(x[0], x[1], x[2]); });
  }
  /// A choice that is the same for all tokens (a guard of rows that see no key) is one of the operands.
  void lower(graph::SelectOp op, RowBuilder &rows) const {
    auto choice = constantTruth(rows.typing, op.getCondition());
    Value chosen = choice ? (*choice ? op.getYes() : op.getNo()) : Value();
    if (!chosen || !rows.typing[chosen].isToken() || rows.width(chosen) != rows.width(op)) return rows.noRowForm(op);
    if (Value x = rows.rows(chosen)) rows.set(op, x);
  }
};

/// A real as an integer or a truth value. What is not surely whole is cut off, or compared with 0, when it is known.
Expr fromReal(ExprContext &exprs, Expr x, bool truth) {
  if (x->op == ExprOp::Select)
    return exprs.select(x->operands[0], fromReal(exprs, x->operands[1], truth), fromReal(exprs, x->operands[2], truth));
  Expr plain = truth ? exprs.toBool(x) : exprs.toInteger(x);
  if (plain != x) return plain;
  return truth ? exprs.logicalNot(exprs.equal(x, exprs.real(0))) : exprs.unary(TruncatedToInteger, x);
}

struct CastRule {
  void infer(graph::CastOp op, Typing &typing) const {
    Type type = elementType(op.getResult());
    Type from = elementType(op.getInput());
    elementwise(op, typing, [type, from](ExprContext &exprs, ArrayRef<Expr> x) {
      Expr value = x[0];
      if (from.isInteger(1) && !type.isInteger(1)) value = exprs.select(value, exprs.integer(1), exprs.integer(0));
      if (isa<FloatType>(type)) return exprs.toReal(value);
      if (isa<FloatType>(from)) return fromReal(exprs, value, type.isInteger(1));
      if (type.isInteger(1) && from.isInteger() && value->op == ExprOp::Table)
        return exprs.logicalNot(exprs.equal(value, exprs.integer(0)));
      return type.isInteger(1) ? exprs.toBool(value) : exprs.toInteger(value);
    });
  }
  /// Rows hold numbers as f32 (invariant 2 of RowBuilder.h): most casts do nothing to them.
  void lower(graph::CastOp op, RowBuilder &rows) const {
    Type from = elementType(op.getInput()), to = elementType(op.getResult());
    Value x = rows.rows(op.getInput());
    if (!x) return;
    bool wide = isa<FloatType>(to) || to.getIntOrFloatBitWidth() >= 32;
    bool sameNumbers = isa<FloatType>(from) ? isa<FloatType>(to) : wide || from.isInteger(1) || from == to;
    bool ids = elementType(x).isInteger() && isa<FloatType>(to); // i32 rows
    sameNumbers && !ids ? rows.set(op, x) : rows.noRowForm(op);
  }
};

} // namespace

void ingot::infer::attachElementwise(MLIRContext *context) {
  attach<graph::UnaryOp, UnaryRule>(context);
  attach<graph::BinaryOp, BinaryRule>(context);
  attach<graph::CompareOp, CompareRule>(context);
  attach<graph::SelectOp, SelectRule>(context);
  attach<graph::CastOp, CastRule>(context);
}
