// Norms spelled in primitives become decoder.norm, however they are spelled (RowAlgebra.h), with weights as recipes:
//   rms    x (mean(x^2) + eps)^(-1/2) g
//   layer  (x - mean(x)) (mean(x^2) - mean(x)^2 + eps)^(-1/2) g + b
//   l2     x (sum(x^2) + eps)^(-1/2) g
// A factor other than 1 stays behind as decoder.scale.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/Weights.h"
#include "mlir/Pass/Pass.h"
#include "passes/infer/Passes.h"
#include "passes/infer/Recipes.h"
#include "passes/infer/RowFunctions.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;
using decoder::NormKind;

namespace ingot {
#define GEN_PASS_DEF_RECOGNISENORMS
#include "passes/infer/Passes.h.inc"
} // namespace ingot

namespace {

struct Norm {
  NormKind kind;
  double eps, factor;
  Value gain, bias; // null: none
};

/// The denominator's square: a mean(x^2) - b mean(x)^2 + eps.
struct Spread {
  double squares = 0, squaredMean = 0, eps = 0;
};

class NormReader {
public:
  explicit NormReader(RowFunctions &row) : algebra(row.algebra), columns(row.columns) {}

  std::optional<Norm> read(const Terms &terms) const {
    if (terms.empty() || terms.size() > 3) return std::nullopt;
    Norm norm{NormKind::rms, 0, 0, {}, {}};
    const Product *scaled = nullptr, *centre = nullptr;
    for (const Product &product : terms) {
      if (Value bias = asVector(product)) {
        if (norm.bias || !algebra.close(product.factor, 1)) return std::nullopt;
        norm.bias = bias;
      } else if (hasPower(product, RowAlgebra::x)) {
        if (std::exchange(scaled, &product)) return std::nullopt;
      } else if (std::exchange(centre, &product)) {
        return std::nullopt;
      }
    }
    return scaled && readScaled(norm, *scaled) && readCentre(norm, *scaled, centre) ? std::optional(norm)
                                                                                    : std::nullopt;
  }

private:
  static bool hasPower(const Product &product, unsigned atom) {
    return llvm::any_of(product.powers, [&](Power p) { return p.atom == atom && p.exponent == 1; });
  }
  Value asVector(const Product &product) const {
    if (product.powers.size() != 1 || product.powers[0].exponent != 1) return {};
    return algebra.atom(product.powers[0].atom).vector;
  }

  /// x group^(-1/2) [vector]: kind, eps, gain and factor.
  bool readScaled(Norm &norm, const Product &product) const {
    const Atom *group = nullptr;
    for (Power power : product.powers) {
      if (power.atom == RowAlgebra::x) continue; // to the power of 1: hasPower
      const Atom &atom = algebra.atom(power.atom);
      if (atom.kind == AtomKind::group && power.exponent == -0.5 && !group)
        group = &atom;
      else if (atom.kind == AtomKind::vector && power.exponent == 1 && !norm.gain)
        norm.gain = atom.vector;
      else
        return false;
    }
    auto spread = group ? readSpread(group->of) : std::nullopt;
    return spread && applySpread(norm, *spread, product.factor);
  }

  bool applySpread(Norm &norm, Spread spread, double factor) const {
    bool centred = spread.squaredMean != 0;
    if (spread.eps < 0 || (centred && !algebra.close(spread.squares, spread.squaredMean))) return false;
    double n = double(columns);
    bool mean = algebra.close(spread.squares, 1), sum = columns > 1 && algebra.close(spread.squares, n);
    bool folded = sum && (centred || algebra.close(factor, std::sqrt(n))); // sqrt(n) / sqrt(sum) is 1 / sqrt(mean)
    if (!mean && !sum) return false;
    norm.kind = centred ? NormKind::layer : mean || folded ? NormKind::rms : NormKind::l2;
    norm.eps = folded ? spread.eps / n : spread.eps;
    norm.factor = folded ? factor / std::sqrt(n) : factor;
    if (algebra.close(norm.factor, 1)) norm.factor = 1;
    return true;
  }

  std::optional<Spread> readSpread(const Terms &terms) const {
    Spread spread;
    for (const Product &product : terms) {
      if (product.powers.empty())
        spread.eps = product.factor;
      else if (unsigned power = meanPower(product, 2); power == 1)
        spread.squares = product.factor;
      else if (meanPower(product, 1) == 2)
        spread.squaredMean = -product.factor;
      else
        return std::nullopt;
    }
    return spread;
  }

  /// k if the product is mean(x^exponent)^k, else 0.
  unsigned meanPower(const Product &product, double exponent) const {
    if (product.powers.size() != 1) return 0;
    const Atom &atom = algebra.atom(product.powers[0].atom);
    bool ofX = atom.kind == AtomKind::mean && atom.of.size() == 1 && atom.of[0].powers.size() == 1 &&
               atom.of[0].powers[0].atom == RowAlgebra::x && atom.of[0].powers[0].exponent == exponent;
    return ofX ? unsigned(product.powers[0].exponent) : 0;
  }

  /// -mean(x) in the place of x, exactly where the norm is centred; only then a bias belongs to it.
  bool readCentre(const Norm &norm, const Product &scaled, const Product *centre) const {
    if (norm.kind != NormKind::layer) return !centre && !norm.bias;
    if (!centre || !algebra.close(centre->factor, -scaled.factor)) return false;
    if (norm.bias && norm.factor != 1) return false;
    unsigned means = 0, others = 0;
    for (Power power : centre->powers) {
      bool mean = meanPower({1, {power}}, 1) == 1;
      means += mean;
      others += !mean && llvm::any_of(scaled.powers,
                                      [&](Power p) { return p.atom == power.atom && p.exponent == power.exponent; });
    }
    return means == 1 && others + 1 == centre->powers.size() && centre->powers.size() == scaled.powers.size();
  }

  const RowAlgebra &algebra;
  int64_t columns;
};

/// Gain and bias are vectors of the model; both or neither become recipes.
class RecogniseNormsPass : public ingot::impl::RecogniseNormsBase<RecogniseNormsPass> {
public:
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main) return;
    Recipes recipes(getOperation());
    rewriteRowFunctions(main, [&](RowFunctions &row, Operation *op, const Terms &terms) -> RowRewrite {
      std::optional<Norm> norm = NormReader(row).read(terms);
      FlatSymbolRefAttr gain, bias;
      bool plain = norm && vectorRecipe(recipes, norm->gain, op, gain) && vectorRecipe(recipes, norm->bias, op, bias);
      if (!plain) return nullptr;
      return [=, x = row.leaf](OpBuilder &builder, Location location, Type type) {
        return emit(builder, location, type, x, *norm, gain, bias);
      };
    });
  }

private:
  static bool vectorRecipe(Recipes &recipes, Value vector, Operation *user, FlatSymbolRefAttr &symbol) {
    if (!vector) return true;
    symbol = recipes.ofConstant(vector, user, [](OpBuilder &builder, Value value) {
      return Recipes::reshape(builder, value, cast<RankedTensorType>(value.getType()).getNumElements());
    });
    return bool(symbol);
  }

  static Value emit(OpBuilder &builder, Location location, Type type, Value x, const Norm &norm, FlatSymbolRefAttr gain,
                    FlatSymbolRefAttr bias) {
    auto kind = decoder::NormKindAttr::get(builder.getContext(), norm.kind);
    Value result = builder.create<decoder::NormOp>(location, type, kind, x, gain, bias,
                                                   builder.getF32FloatAttr(norm.eps), builder.getI64IntegerAttr(1));
    if (norm.factor == 1) return result;
    return builder.create<decoder::ScaleOp>(location, type, result, builder.getF32FloatAttr(norm.factor));
  }
};

} // namespace
