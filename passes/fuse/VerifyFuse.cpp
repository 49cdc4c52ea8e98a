// Checks fuse's result. Rules, in the order in which they are checked:
//  1. @body and @head consist of launches and a return;
//  2. a launch holds decoder ops only, none of them attention (it is append + attend now);
//  3. an epilogue's split aligns its parts to multiples of 16 that hold whole heads; a gate alternates in blocks of 16;
//  4. all appends and attends of one launch are of one layer.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/Passes.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::decoder;

namespace ingot {
#define GEN_PASS_DEF_VERIFYFUSE
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static LogicalResult verifyOp(LaunchOp launch, Operation &op, std::optional<uint64_t> &layer) {
  if (!isa<DecoderDialect>(op.getDialect()) || isa<AttentionOp, LaunchOp>(op))
    return op.emitOpError("may not stand in a launch");
  bool behindRoot = launch.getRoot() && launch.getRoot()->isBeforeInBlock(&op);
  if (auto split = dyn_cast<SplitOp>(op); split && behindRoot && split.getAlign() % 16)
    return op.emitOpError("behind a root aligns its parts to ") << split.getAlign() << ", not to a multiple of 16";
  if (auto gate = dyn_cast<GateOp>(op); gate && behindRoot && gate.getBlock() != 16)
    return op.emitOpError("behind a root alternates in blocks of ") << gate.getBlock() << ", not of 16";
  std::optional<uint64_t> own;
  if (auto append = dyn_cast<AppendOp>(op)) own = append.getLayer();
  if (auto attend = dyn_cast<AttendOp>(op)) own = attend.getLayer();
  if (own && layer && *own != *layer) return op.emitOpError("is of another layer than its launch");
  if (own) layer = own;
  return success();
}

namespace {
struct VerifyFuse : ingot::impl::VerifyFuseBase<VerifyFuse> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Operation &op : function.getBody().front()) {
        if (isa<func::ReturnOp>(op)) continue;
        auto launch = dyn_cast<LaunchOp>(op);
        if (!launch) {
          op.emitOpError("is left outside a launch");
          return signalPassFailure();
        }
        std::optional<uint64_t> layer;
        for (Operation &inner : launch.getBody().front())
          if (failed(verifyOp(launch, inner, layer))) return signalPassFailure();
      }
  }
};
} // namespace
