// Paged attention: softmax(scale * q.K + mask) V of the rows of a query tile over their own sequence's cache.
// Arithmetic: numerics.md, line "attention". Decode and prefill are the same kernel.
//
// Invariants
//  1. A grid item is one kv head of one query tile (runtime/format/abi.h); its query heads share each pass over K and
//  V.
//  2. A tile of keys is the absolute positions [128 t, 128 t + 128), whatever the page size. A row's (m, l, o) of a
//  tile
//     covers the keys it sees and nothing else: stale slots may hold NaN. Tiles combine ascending.
//  3. Rows are taken a few at a time (a *band*). Which rows share a band changes no bit: a row that sees nothing of a
//  tile
//     keeps its state, and its value chain runs over its own keys only.
//  4. Items of a split other than the first do nothing: the first does all keys (n_splits is 1 today).
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "compiler/kernels/cpu/KvLayout.h"

namespace ingot::cpu {

inline constexpr uint32_t kQueryTileRows = 16; // plan.q_tile_rows

struct AttendShape {
  KvLayout kv;
  uint64_t heads = 1; // of queries, a multiple of kv.kvHeads
  float scale = 1;
  float softcap = 0;         // 0: none
  uint64_t window = 0;       // 0: none; else keys j > position - window, below 2^31
  std::vector<float> slopes; // alibi, one a query head; empty: none
  uint64_t queryStride = 0;  // bytes between rows of queries, each [heads][keyDim] f32
  uint64_t resultStride = 0; // of results, each [heads][valueDim] f32
};

struct AttendOperands {
  Value query, result; // ptr, row 0 of the step
  Value layer;         // i64, index inside the cache group
  Value sinks;         // ptr to one f32 a query head; null: none
};

/// Bytes of scratch an item needs, 64-aligned.
uint64_t attendScratchBytes(const AttendShape &shape);

/// Emits the loop over the items [e.begin, e.end); units = kv.kvHeads.
void emitAttend(Emitter &e, const AttendShape &shape, const AttendOperands &operands);

} // namespace ingot::cpu
