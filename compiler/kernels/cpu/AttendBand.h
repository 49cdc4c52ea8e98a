// What Attend.cpp's phases share: the rows of a band, their scratch, where pages lie.
#pragma once
#include "compiler/kernels/cpu/Attend.h"

namespace ingot::cpu {

inline constexpr int64_t kTileTokens = 128;
inline constexpr int64_t kPrefetchTokens = 64; // a multiple of kPageTokens

/// Rows of a band at most: about twelve query vectors share a pass over K and V.
inline int64_t bandRows(const AttendShape &shape) {
  return std::clamp<int64_t>(12 / int64_t(shape.heads / shape.kv.kvHeads), 1, 8);
}

/// Scratch of a band of `queries` vectors. Per query: scores of a tile [128], weighted values [valueDim]; then arrays
/// of one f32 (or i32) a query, padded to 16 lanes.
struct BandScratch {
  int64_t queries, valueDim;

  int64_t padded() const { return (queries + laneCount - 1) / laneCount * laneCount; }
  int64_t scores() const { return 0; }
  int64_t values() const { return queries * kTileTokens * 4; }
  int64_t array(int64_t i) const { return values() + (queries * valueDim * 4 + 63) / 64 * 64 + i * padded() * 4; }
  int64_t largest() const { return array(0); }     // m so far
  int64_t sum() const { return array(1); }         // l so far
  int64_t tileLargest() const { return array(2); } // of this tile
  int64_t tileSum() const { return array(3); }
  int64_t alpha() const { return array(4); }
  int64_t beta() const { return array(5); }
  int64_t position() const { return array(6); } // i32, of the query's row
  int64_t bytes() const { return array(7); }
};

/// Positions [begin, end) as i64.
struct Range {
  Value begin, end;
};

struct Band {
  Emitter &e;
  const AttendShape &shape;
  int64_t rows;                      // computed; those past the query tile repeat its last
  int64_t groupHeads;                // query heads of a kv head
  llvm::SmallVector<Value> position; // i64, by row, ascending
  llvm::SmallVector<Value> query;    // ptr to [groupHeads][keyDim] f32, by row
  Value pool, table;                 // of the sequence
  Value head;                        // byte offset of the layer's kv head inside a page
  Value slopes;                      // ptr to alibi slopes [groupHeads]; null: none
  BandScratch scratch{rows * groupHeads, int64_t(shape.kv.valueDim)};

  int64_t queries() const { return rows * groupHeads; }
  int64_t rowOf(int64_t query) const { return query / groupHeads; }
  Type element() const { return shape.kv.elementBytes == 4 ? e.f32 : shape.kv.bf16 ? e.i16 : e.f16; }
  Value slot(int64_t offset) const { return e.at(e.scratch, offset); }

  /// The first key that a row sees.
  Value firstKey(Value position) const;
  /// The keys of tile [origin, origin + 128) that row `row` sees; empty (begin >= end) when none.
  Range visible(int64_t row, Value origin) const;
  /// The kv head's part of the page that holds `position`.
  Value page(Value position) const;
  /// A band of one row reads from memory rather than from L2: where the data of kPrefetchTokens further on lie, else
  /// null.
  Value pageAhead(Value position) const;
  /// `count` cached values at `address` as f32.
  Value loadCached(Value address, int64_t count) const;
};

// The phases of one tile. scores: S = masked scores of every query; softmax: S = p, m_t, l_t, alpha, beta and the new
// (m, l); values: o = fma(o, alpha, o_t * beta).
void emitScores(Band &band, Value origin);
void emitSoftmax(Band &band, Value origin);
void emitValues(Band &band, Value origin);

} // namespace ingot::cpu
