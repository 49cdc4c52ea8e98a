// Sets the element type of the KV caches: the graph's own, or what --kv-cache asks for.
#include "dialects/decoder/Decoder.h"
#include "passes/quantize/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_QUANTIZECACHE
#include "passes/quantize/Passes.h.inc"
} // namespace ingot

namespace {
struct QuantizeCache : ingot::impl::QuantizeCacheBase<QuantizeCache> {
  using QuantizeCacheBase::QuantizeCacheBase;

  Type wanted() {
    if (type == "f32") return Float32Type::get(&getContext());
    if (type == "f16") return Float16Type::get(&getContext());
    if (type == "bf16") return BFloat16Type::get(&getContext());
    return {};
  }

  void runOnOperation() override {
    if (type == "graph") return;
    if (!wanted()) {
      getOperation().emitError() << "KV cache type '" << type << "': expected f32, f16 or bf16";
      return signalPassFailure();
    }
    for (auto group : getOperation().getOps<decoder::CacheGroupOp>()) group.setType(wanted());
  }
};
} // namespace
