// attention = append + attend: the cache is written by the launch that makes keys and values, and read by the next one.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_SPLITATTENTION
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

namespace {
struct SplitAttention : ingot::impl::SplitAttentionBase<SplitAttention> {
  void runOnOperation() override {
    getOperation().walk([](decoder::AttentionOp op) {
      OpBuilder b(op);
      b.create<decoder::AppendOp>(op.getLoc(), op.getKey(), op.getValue(), *op.getCache(), *op.getLayer());
      auto attend = b.create<decoder::AttendOp>(op.getLoc(), op.getResult().getType(), op.getQuery(), *op.getCache(),
                                                *op.getLayer(), op.getHeads(), op.getScale(), op.getSoftcap(),
                                                op.getMask(), op.getAlibiAttr(), op.getSinksAttr());
      op.getResult().replaceAllUsesWith(attend.getResult());
      op.erase();
    });
  }
};
} // namespace
