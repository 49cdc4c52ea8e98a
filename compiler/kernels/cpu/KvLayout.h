// How keys and values lie in a page of the CPU's cache. The runtime sees opaque bytes; append and attend see this.
//
// A page holds kPageTokens consecutive positions of every layer of its group:
//   for each layer, for each kv head:  K [kPageTokens / 16][key_dim][16 tokens]   then   V [kPageTokens][value_dim]
// Keys have tokens as lanes, so that scores of 16 keys need no horizontal sum; values have the head's dims as lanes.
#pragma once
#include "dialects/decoder/Decoder.h"

namespace ingot::cpu {

inline constexpr uint64_t kPageTokens = 32;

struct KvLayout {
  unsigned group = 0; // index into ingot_batch::kv
  uint64_t layers = 0, kvHeads = 0, keyDim = 0, valueDim = 0, elementBytes = 4;
  bool bf16 = false; // elements of 2 bytes are bf16, else f16

  constexpr uint64_t headBytes() const { return kPageTokens * (keyDim + valueDim) * elementBytes; }
  constexpr uint64_t layerBytes() const { return kvHeads * headBytes(); }
  constexpr uint64_t pageBytes() const { return (layers * layerBytes() + 63) / 64 * 64; }

  // Offsets inside one head of one layer of a page; `token` counts inside the page.
  constexpr uint64_t keyBlockBytes() const { return keyDim * 16 * elementBytes; } // 16 tokens
  constexpr uint64_t keyDimBytes() const { return 16 * elementBytes; }            // from one d to the next
  constexpr uint64_t valuesOffset() const { return kPageTokens * keyDim * elementBytes; }
  constexpr uint64_t valueRowBytes() const { return valueDim * elementBytes; }

  /// The layout of a cache group of type f32, f16 or bf16. Its index is its place among the module's groups.
  static mlir::FailureOr<KvLayout> of(decoder::CacheGroupOp group);
  /// Of the group that `op` names by `cache`; errors at the op.
  static mlir::FailureOr<KvLayout> of(mlir::Operation *op, mlir::FlatSymbolRefAttr cache);
};

} // namespace ingot::cpu
