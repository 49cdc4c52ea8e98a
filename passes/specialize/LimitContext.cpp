// Lowers decoder.limits' max_context to what the user asks for. Asking for more than the model was made for is an
// error: beyond its tables and training a model answers nonsense.
#include "dialects/decoder/Decoder.h"
#include "passes/specialize/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_LIMITCONTEXT
#include "passes/specialize/Passes.h.inc"
} // namespace ingot

namespace {
struct LimitContext : ingot::impl::LimitContextBase<LimitContext> {
  using LimitContextBase::LimitContextBase;

  void runOnOperation() override {
    if (tokens == 0) return;
    for (auto limits : getOperation().getOps<decoder::LimitsOp>()) {
      int64_t own = limits.getMaxContext();
      if (tokens < 0 || tokens > own) {
        getOperation().emitError() << "--max-context " << tokens.getValue() << ": this model holds 1 to " << own
                                   << " tokens";
        return signalPassFailure();
      }
      limits.setMaxContext(tokens);
    }
  }
};
} // namespace
