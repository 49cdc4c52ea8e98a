// Activations spelled in primitives become one op, however they are spelled (RowAlgebra.h): graph.unary where it has
// the kind, else decoder.act.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "mlir/Pass/Pass.h"
#include "passes/infer/Passes.h"
#include "passes/infer/RowFunctions.h"
#include <cmath>
#include <numbers>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;
using decoder::ActKind;
using graph::UnaryKind;

namespace ingot {
#define GEN_PASS_DEF_RECOGNISEACTIVATIONS
#include "passes/infer/Passes.h.inc"
} // namespace ingot

namespace {

/// What is looked for, in the algebra of one leaf.
class Activations {
public:
  explicit Activations(RowAlgebra &algebra) : algebra(algebra), x(algebra.row()) {}

  std::optional<UnaryKind> unary(const Terms &terms) {
    if (algebra.equal(terms, sigmoid(1))) return UnaryKind::sigmoid;
    if (algebra.equal(terms, algebra.add(algebra.literal(-1), sigmoid(2), 2))) return UnaryKind::tanh;
    if (algebra.equal(terms, gelu())) return UnaryKind::gelu;
    if (algebra.equal(terms, geluTanh())) return UnaryKind::gelu_tanh;
    return std::nullopt;
  }
  std::optional<ActKind> act(const Terms &terms) {
    if (algebra.equal(terms, times(x, sigmoid(1)))) return ActKind::silu;
    if (algebra.equal(terms, times(x, sigmoid(1.702)))) return ActKind::quick_gelu;
    if (algebra.equal(terms, times(relu(), relu()))) return ActKind::relu_squared;
    return std::nullopt;
  }

private:
  Terms times(const Terms &a, const Terms &b) { return *algebra.multiply(a, b); }
  Terms scaled(double factor) { return algebra.add({}, x, factor); }
  Terms relu() { return *algebra.apply(AtomKind::relu, x); }
  Terms sigmoid(double factor) { return *algebra.apply(AtomKind::sigmoid, scaled(factor)); }
  /// x / 2 (1 + erf(x / sqrt 2))
  Terms gelu() {
    Terms erf = *algebra.apply(AtomKind::erf, scaled(1 / std::numbers::sqrt2));
    return times(scaled(0.5), algebra.add(algebra.literal(1), erf));
  }
  /// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  Terms geluTanh() {
    Terms cubic = algebra.add(x, times(x, times(x, x)), 0.044715);
    Terms tanh = *algebra.tanh(algebra.add({}, cubic, std::sqrt(2 / std::numbers::pi)));
    return times(scaled(0.5), algebra.add(algebra.literal(1), tanh));
  }

  RowAlgebra &algebra;
  Terms x;
};

class RecogniseActivationsPass : public ingot::impl::RecogniseActivationsBase<RecogniseActivationsPass> {
public:
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main) return;
    rewriteRowFunctions(main, [](RowFunctions &row, Operation *op, const Terms &terms) -> RowRewrite {
      Activations known(row.algebra);
      if (auto kind = known.act(terms))
        return [kind, x = row.leaf](OpBuilder &builder, Location location, Type type) {
          return cast(builder, location, type, builder.create<decoder::ActOp>(location, x.getType(), *kind, x));
        };
      auto kind = isa<graph::UnaryOp>(op) ? std::nullopt : known.unary(terms);
      if (!kind) return nullptr;
      return [kind, x = row.leaf](OpBuilder &builder, Location location, Type type) {
        return cast(builder, location, type, builder.create<graph::UnaryOp>(location, x.getType(), *kind, x));
      };
    });
  }

private:
  /// The op that stood there may have had another float type.
  static Value cast(OpBuilder &builder, Location location, Type type, Value value) {
    if (type == value.getType()) return value;
    auto element = mlir::cast<RankedTensorType>(type).getElementType();
    if (element == mlir::cast<RankedTensorType>(value.getType()).getElementType()) {
      value.setType(mlir::cast<RankedTensorType>(type)); // the same shape, known better or worse
      return value;
    }
    return builder.create<graph::CastOp>(location, type, value);
  }
};

} // namespace
