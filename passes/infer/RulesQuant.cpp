// Quantisation of activations: between integers and reals element by element, and DynamicQuantizeLinear.
//
// Relaxation `dynamic-quant-per-row`: ONNX takes a dynamic scale from the whole tensor, that is, from all new tokens at
// once, which breaks the chunk law. Here every row has its own scale and zero point, which is what the graph computes
// one token at a time, and never coarser. Both are Token values without a factor S, `perRow`: one number a token.
#include "passes/infer/RowRegion.h"
#include "passes/infer/Rules.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

Type elementType(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

/// Least and largest value of an integer type; nullopt for others.
std::optional<std::pair<double, double>> rangeOf(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() > 32) return std::nullopt;
  int width = int(integer.getWidth());
  if (integer.isUnsigned()) return std::pair(0.0, std::ldexp(1.0, width) - 1);
  return std::pair(-std::ldexp(1.0, width - 1), std::ldexp(1.0, width - 1) - 1);
}

/// The element of a scale or zero point that goes with element `indices` of the quantised tensor.
Expr partAt(Typing &typing, Value part, int64_t axis, int64_t block, Indices indices) {
  ArrayRef<Dim> shape = typing.shape(part);
  SmallVector<Expr, 4> own(shape.size(), typing.exprs.integer(0));
  bool one = llvm::all_of(shape, [](const Dim &dim) { return dim.isOne(); });
  if (!one && block == 0) own = {indices[axis]};
  if (!one && block > 0) {
    own.assign(indices.begin(), indices.end());
    own[axis] = typing.exprs.floorDiv(own[axis], block);
  }
  return typing.at(part, own);
}

/// A scale (or zero point) of one element, a vector along the axis, or one number a block of it.
bool fits(Typing &typing, Value part, ArrayRef<Dim> shape, int64_t axis, int64_t block) {
  ArrayRef<Dim> own = typing.shape(part);
  if (llvm::all_of(own, [](const Dim &dim) { return dim.isOne(); })) return true;
  if (axis < 0 || axis >= int64_t(shape.size())) return false;
  if (block == 0) return own.size() == 1 && own[0] == shape[axis];
  if (own.size() != shape.size()) return false;
  for (auto [k, dim] : llvm::enumerate(own)) {
    auto extent = shape[k].constant(), blocks = dim.constant();
    bool good = int64_t(k) == axis ? extent && blocks && (*extent + block - 1) / block == *blocks : dim == shape[k];
    if (!good) return false;
  }
  return true;
}

Expr roundHalfEven(ExprContext &exprs, Expr x) {
  if (auto value = x.asReal()) return exprs.real(std::nearbyint(*value));
  return exprs.unary(unsigned(graph::UnaryKind::round), x);
}

Expr inType(ExprContext &exprs, Expr x, Type type) {
  if (type.isF32()) return x.asReal() ? exprs.real(double(float(*x.asReal()))) : x;
  return exprs.unary(roundingTo(type.getIntOrFloatBitWidth(), type.isBF16()), x);
}

/// Both ops: elementwise in the input, with scales that the axis and block say.
template <typename Op> struct ScaledRule {
  void infer(Op op, Typing &typing) const {
    Value input = op.getInput();
    Shape shape(typing.shape(input));
    int64_t axis = op.getAxis(), block = op.getBlock();
    for (Value part : {op.getScale(), op.getZero()})
      if (part && !fits(typing, part, shape, axis, block))
        return typing.report(op, "has a scale or zero point of " + print(typing.exprs, typing.shape(part)) +
                                     ", which does not fit " + print(typing.exprs, shape));
    if (isa<graph::QuantiseOp>(op) && typing[input].isHistory())
      return typing.report(op, "quantises keys, values or scores inside attention, which is computed on reals; exclude "
                               "attention's products from static quantisation (MatMulConstBOnly or nodes_to_exclude)");
    auto form = [op, &typing, axis, block](Indices indices) mutable -> Expr {
      Expr x = typing.at(op.getInput(), indices), scale = partAt(typing, op.getScale(), axis, block, indices);
      Expr zero = op.getZero() ? partAt(typing, op.getZero(), axis, block, indices) : typing.exprs.integer(0);
      return x && scale && zero ? element(typing.exprs, op, x, scale, zero) : Expr();
    };
    setFrom(typing, op, op->getOperands(), shape, form);
  }

  static Expr element(ExprContext &exprs, graph::DequantOp op, Expr x, Expr scale, Expr zero) {
    return inType(exprs, exprs.mul(exprs.toReal(exprs.sub(x, zero)), scale), elementType(op.getScale()));
  }
  static Expr element(ExprContext &exprs, graph::QuantiseOp op, Expr x, Expr scale, Expr zero) {
    auto range = rangeOf(elementType(op.getResult()));
    if (!range) return {};
    Expr quotient = inType(exprs, exprs.divide(x, scale), elementType(op.getScale()));
    Expr moved = exprs.add(roundHalfEven(exprs, quotient), exprs.toReal(zero));
    Expr above = exprs.maximum(moved, exprs.real(range->first));
    return exprs.toInteger(exprs.minimum(above, exprs.real(range->second)));
  }
};

struct DynamicQuantRule {
  void infer(graph::DynamicQuantOp op, Typing &typing) const {
    if (readsHistory(typing, op)) return;
    if (!typing[op.getInput()].isToken())
      return typing.report(op, "quantises a value that does not depend on the tokens; fold constants before export");
    Shape shape(typing.shape(op.getInput()));
    if (typing[op.getInput()].selected) {
      for (Value result : op.getResults()) typing.setSelected(result, result == op.getResult() ? shape : Shape());
      return;
    }
    typing.setToken(op.getResult(), shape);
    typing.setPerRow(op.getScale(), {});
    typing.setPerRow(op.getZero(), {});
  }

  /// ONNX's definition of the op on one row: scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale).
  void lower(graph::DynamicQuantOp op, RowBuilder &rows) const {
    using graph::BinaryKind, graph::ReduceKind;
    RowRegion region(rows, op);
    Value x = region.operand(op.getInput());
    if (!x) return;
    rows.typing.relax("dynamic-quant-per-row");
    Type f32 = region.builder.getF32Type(), byte = elementType(op.getZero());
    auto scalar = [&](float value) {
      return region.constant(DenseElementsAttr::get(RankedTensorType::get({}, f32), value));
    };
    SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, cast<RankedTensorType>(x.getType()).getRank()));
    auto extreme = [&](ReduceKind reduce, BinaryKind join) {
      Value most = region.create<graph::ReduceOp>(reduce, x, axes, false);
      return region.create<graph::BinaryOp>(join, most, scalar(0));
    };
    Value low = extreme(ReduceKind::min, BinaryKind::min), high = extreme(ReduceKind::max, BinaryKind::max);
    Value width = region.create<graph::BinaryOp>(BinaryKind::sub, high, low);
    Value scale = region.create<graph::BinaryOp>(BinaryKind::div, width, scalar(255));
    Value none = region.create<graph::CompareOp>(graph::CompareKind::eq, scale, scalar(0));
    Value divisor = region.create<graph::SelectOp>(none, scalar(1), scale); // a row of zeros is all zero points
    Value down = region.create<graph::BinaryOp>(BinaryKind::sub, scalar(0), low);
    auto quantised = [&](Value value, Value zero) {
      auto type = cast<RankedTensorType>(value.getType()).clone(byte);
      return region.create<graph::QuantiseOp>(type, value, divisor, zero, 0, 0);
    };
    Value zero = quantised(down, Value());
    SmallVector<Value> made = region.finish({quantised(x, zero), scale, zero});
    for (auto [result, row] : llvm::zip(op.getResults(), made)) rows.set(result, row);
  }
};

} // namespace

void ingot::infer::attachQuant(MLIRContext *context) {
  attach<graph::DequantOp, ScaledRule<graph::DequantOp>>(context);
  attach<graph::QuantiseOp, ScaledRule<graph::QuantiseOp>>(context);
  attach<graph::DynamicQuantOp, DynamicQuantRule>(context);
}
