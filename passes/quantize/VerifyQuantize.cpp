// Checks quantize's result. Rules, in the order in which they are checked:
//  1. a launch with a linear root has `num`, no other launch has;
//  2. int8 activations stand against an integer grid whose group is a multiple of theirs;
//  3. no linear still carries an accuracy_level;
//  4. caches are f32, f16 or bf16.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/RecipeBuilder.h"
#include "passes/quantize/Passes.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::decoder;

namespace ingot {
#define GEN_PASS_DEF_VERIFYQUANTIZE
#include "passes/quantize/Passes.h.inc"
} // namespace ingot

static LogicalResult verifyLaunch(LaunchOp launch) {
  auto linear = dyn_cast_or_null<LinearOp>(launch.getRoot());
  if (bool(linear) != bool(launch.getNumAttr()))
    return launch.emitOpError("`num` goes with a linear root, and only with one");
  if (!linear) return success();
  NumAttr num = launch.getNumAttr();
  RankedTensorType weight = recipeType(linear, linear.getWeightAttr());
  auto grid = dyn_cast_or_null<weights::GridAttr>(weight.getEncoding());
  bool oneBlock = grid && int64_t(grid.getGroup()) >= weight.getDimSize(1); // in pieces, the last one padded
  if (num.getActivations() == ActivationKind::int8 &&
      (!grid || num.getGroup() <= 0 || (int64_t(grid.getGroup()) % num.getGroup() && !oneBlock)))
    return launch.emitOpError("has int8 activations without an integer grid of their group");
  if (linear.getAccuracyLevel()) return linear.emitOpError("still carries an accuracy_level");
  return success();
}

namespace {
struct VerifyQuantize : ingot::impl::VerifyQuantizeBase<VerifyQuantize> {
  void runOnOperation() override {
    auto result = getOperation().walk(
        [](LaunchOp launch) { return failed(verifyLaunch(launch)) ? WalkResult::interrupt() : WalkResult::advance(); });
    if (result.wasInterrupted()) return signalPassFailure();
    for (auto group : getOperation().getOps<CacheGroupOp>())
      if (!group.getType().isF32() && !group.getType().isF16() && !group.getType().isBF16()) {
        group.emitOpError("of ") << group.getType() << " is not supported: use --kv-cache f32, f16 or bf16";
        return signalPassFailure();
      }
  }
};
} // namespace
