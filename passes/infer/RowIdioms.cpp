// One pattern an idiom.
#include "passes/infer/RowIdioms.h"
#include "dialects/decoder/Decoder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using decoder::ActKind;

static decoder::ActOp actOf(Value value, ActKind kind) {
  auto act = value.getDefiningOp<decoder::ActOp>();
  return act && act.getKind() == kind ? act : decoder::ActOp();
}

namespace {

/// x * sigmoid(x) = silu, x * sigmoid(1.702 x) = quick_gelu, relu(x)^2 = relu_squared.
struct GatedByItself : OpRewritePattern<decoder::MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(decoder::MulOp op, PatternRewriter &rewriter) const override {
    auto replace = [&](ActKind kind, Value x) {
      rewriter.replaceOpWithNewOp<decoder::ActOp>(op, op.getType(), kind, x);
      return success();
    };
    for (auto [x, gate] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      auto sigmoid = actOf(gate, ActKind::sigmoid);
      if (!sigmoid) continue;
      if (sigmoid.getInput() == x) return replace(ActKind::silu, x);
      auto scale = sigmoid.getInput().getDefiningOp<decoder::ScaleOp>();
      if (scale && scale.getInput() == x && std::fabs(scale.getFactor().convertToFloat() - 1.702f) < 1e-6f)
        return replace(ActKind::quick_gelu, x);
    }
    if (auto relu = actOf(op.getLhs(), ActKind::relu); relu && op.getLhs() == op.getRhs())
      return replace(ActKind::relu_squared, relu.getInput());
    return failure();
  }
};

/// cap * tanh(x / cap) = softcap.
struct CappedByTanh : OpRewritePattern<decoder::ScaleOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(decoder::ScaleOp op, PatternRewriter &rewriter) const override {
    auto tanh = actOf(op.getInput(), ActKind::tanh);
    auto inner = tanh ? tanh.getInput().getDefiningOp<decoder::ScaleOp>() : decoder::ScaleOp();
    if (!inner) return failure();
    float cap = op.getFactor().convertToFloat();
    if (!(cap > 0) || std::fabs(cap * inner.getFactor().convertToFloat() - 1) > 1e-6f) return failure();
    rewriter.replaceOpWithNewOp<decoder::SoftcapOp>(op, op.getType(), inner.getInput(), op.getFactorAttr());
    return success();
  }
};

} // namespace

LogicalResult ingot::infer::recogniseRowIdioms(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  patterns.add<GatedByItself, CappedByTanh>(module.getContext());
  FrozenRewritePatternSet frozen(std::move(patterns));
  for (auto function : module.getOps<func::FuncOp>())
    if (failed(applyPatternsAndFoldGreedily(function, frozen))) return failure();
  return success();
}
