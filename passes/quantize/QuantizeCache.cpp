// Sets the element type of the KV caches: the graph's own, or what --kv-cache asks for. A bf16 cache is kept as f32,
// which holds every bf16, until kernels read bf16 pages.
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

  void runOnOperation() override {
    if (type == "graph") {
      for (auto group : getOperation().getOps<decoder::CacheGroupOp>())
        if (group.getType().isBF16()) group.setType(Float32Type::get(&getContext()));
      return;
    }
    Type wanted = type == "f32"   ? Type(Float32Type::get(&getContext()))
                  : type == "f16" ? Type(Float16Type::get(&getContext()))
                                  : Type();
    if (!wanted) {
      getOperation().emitError() << "KV cache type '" << type << "': expected f32 or f16";
      return signalPassFailure();
    }
    for (auto group : getOperation().getOps<decoder::CacheGroupOp>()) group.setType(wanted);
  }
};
} // namespace
