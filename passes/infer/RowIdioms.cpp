// Softcapped logits and scaled queries. Norms and activations are recognised earlier (RecogniseNorms,
// RecogniseActivations).
#include "passes/infer/RowIdioms.h"
#include "dialects/decoder/Decoder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <cmath>

using namespace mlir;
using namespace ingot;

namespace {

/// cap * tanh(x / cap) = softcap.
struct CappedByTanh : OpRewritePattern<decoder::ScaleOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(decoder::ScaleOp op, PatternRewriter &rewriter) const override {
    auto tanh = op.getInput().getDefiningOp<decoder::ActOp>();
    bool caps = tanh && tanh.getKind() == decoder::ActKind::tanh;
    auto inner = caps ? tanh.getInput().getDefiningOp<decoder::ScaleOp>() : decoder::ScaleOp();
    if (!inner) return failure();
    float cap = op.getFactor().convertToFloat();
    if (!(cap > 0) || std::fabs(cap * inner.getFactor().convertToFloat() - 1) > 1e-6f) return failure();
    rewriter.replaceOpWithNewOp<decoder::SoftcapOp>(op, op.getType(), inner.getInput(), op.getFactorAttr());
    return success();
  }
};

/// The scale of a query is attention's: exporters give its root to the query and to the key.
struct ScaledQuery : OpRewritePattern<decoder::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(decoder::AttentionOp op, PatternRewriter &rewriter) const override {
    auto scaled = op.getQuery().getDefiningOp<decoder::ScaleOp>();
    if (!scaled) return failure();
    float scale = float(double(op.getScale().convertToFloat()) * scaled.getFactor().convertToFloat());
    if (!(scale > 0)) return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getQueryMutable().assign(scaled.getInput());
      op.setScale(llvm::APFloat(scale));
    });
    return success();
  }
};

} // namespace

LogicalResult ingot::infer::recogniseRowIdioms(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  patterns.add<CappedByTanh, ScaledQuery>(module.getContext());
  FrozenRewritePatternSet frozen(std::move(patterns));
  for (auto function : module.getOps<func::FuncOp>())
    if (failed(applyPatternsAndFoldGreedily(function, frozen))) return failure();
  return success();
}
