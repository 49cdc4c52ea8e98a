// What a warp does with one tile of 64 keys: reads it in stages, and makes (m, l, o) of 16 queries from it.
//
// Fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane = 4 g + t holds of A rows g, g + 8 and
// columns 2t, 2t + 1, 2t + 8, 2t + 9; of B those rows and column g; of C rows g, g + 8 and columns 2t, 2t + 1.
//   S = Q K^T   rows are queries, k is d, columns are keys: K lies as [d][16 keys], so ldmatrix.trans makes B of it.
//   O = P V     k is keys, columns are value columns: V lies as [key][column], again what ldmatrix.trans wants. The
//               scores that a lane made are the probabilities it needs.
// An f32 cache is read word by word instead, x = x0 + x1 + ... with terms of bf16; the products of terms i and j with
// i + j below their number are summed.
#pragma once
#include "compiler/kernels/cuda/AttendLayout.h"
#include "compiler/kernels/cuda/TensorEmitter.h"

namespace ingot::cuda {

/// 16 packed queries (rows x heads of one kv head) of a query tile, those from `first` to `last`; the last one stands
/// in for those that are missing. All but pointers is i32.
struct QueryGroup {
  TensorEmitter &m;
  const AttendLayout &layout;
  const AttendOperands &operands;
  Value unit, segment, firstRow; // of the item: kv head, sequence, row of packed query 0
  Value first, last;
  Emitter &e = m.e;
  const cpu::AttendShape &shape = layout.shape;
  int64_t groupHeads = shape.heads / shape.kv.kvHeads;

  // By fragment row: queries g and g + 8 of this lane.
  Value position[2] = {}, inverse[2] = {}, slope[2] = {};
  // Of all: their positions lie in [firstPosition, lastPosition], the keys they see in [firstKey, lastPosition]; tiles
  // begin at lastKey at most: the last key of the CTA's splits that somebody sees.
  Value firstPosition = {}, lastPosition = {}, firstKey = {}, lastKey = {};
  Value pool = {}, table = {}; // ptr: the kv head's part of page 0, the sequence's pages

  void open();        // positions, and where the cache lies
  void loadQueries(); // fragments into shared memory; the CTA must meet before they are read

  Value rowOf(Value query) { return e.iadd(firstRow, e.udiv(query, groupHeads)); }
  Value headOf(Value query) { return e.iadd(e.imul(unit, groupHeads), e.urem(query, groupHeads)); }
  Value positionOf(Value row) { return e.batchI32(offsetof(ingot_batch, position), m.wide(row)); }
  Value windowOf(Value position); // the first key it sees
  Value page(Value position);     // ptr<1>: the kv head's part of its page; past lastPosition any page will do
  Value queryAddress(int64_t step, unsigned term, int reg); // this lane's

private:
  void loadQuery(int half);
  void storeQuery(int half, int64_t step, ValueRange q, Value factor);
};

/// The keys [origin, origin + 64), if some query of the group sees any (`seen`).
struct TileKeys {
  Value origin, seen;
  Value page[2]; // of keys 0 and 32
  static TileKeys of(QueryGroup &group, Value origin);
};

/// A warp's ring of stages. No barrier: what a warp reads it has copied itself.
//
//  1. When a tile begins, its first ring - 1 stages are on their way, a group of copies each.
//  2. take(i) waits for stage i and sends for the stage ring - 1 further on, if need be of the next tile, in whose
//  place
//     stage i - 1 lay.
class KvStream {
public:
  KvStream(TensorEmitter &m, const AttendLayout &layout);

  void begin(QueryGroup &group, const TileKeys &tile);                                      // if it is seen
  Value take(QueryGroup &group, int64_t stage, const TileKeys &tile, const TileKeys &next); // ptr<3>

  /// Fragments of B of 16 d (or keys) x 16 keys (or columns), by term: b0, b1 of columns 0..7, then of 8..15. Of an f32
  /// cache k index (2t, 2t + 1, 2t + 8, 2t + 9) of K stands for d = (t, t + 4, t + 8, t + 12).
  using Fragments = SmallVector<SmallVector<Value>>;
  Fragments keys(Value stage, int64_t step);
  Fragments values(Value stage, int64_t step);

private:
  struct Rows {    // how the lanes share the rows of a stage of V
    int64_t lanes; // of a row
    Value row, from, to;
  };
  void fetch(QueryGroup &group, int64_t stage, const TileKeys &tile);
  void fetchKeys(QueryGroup &group, Value slot, int64_t block, int64_t piece, const TileKeys &tile);
  void fetchValues(QueryGroup &group, Value slot, int64_t block, int64_t piece, const TileKeys &tile);
  Value slotOf(int64_t stage) { return m.advance(ring, stage % layout.ring() * layout.stageBytes()); }

  TensorEmitter &m;
  const AttendLayout &layout;
  Emitter &e = m.e;
  Fragments terms(llvm::ArrayRef<Value> x); // 8 f32: the pairs b0, b1, b0, b1
  Value ring, keyFrom, keyTo, keyRow, valueRow;
  SmallVector<Rows> rows; // by piece
};

/// (m, l) of this lane's two queries, and p of the tile as fragments of A: [block][term] 4 registers.
struct TileWeights {
  Value m[2], l[2];
  SmallVector<Value> p;
};
TileWeights emitWeights(QueryGroup &group, KvStream &stream, const TileKeys &tile, const TileKeys &next);

/// o of a piece of the value columns, made from nothing: its columns 8 n + 2t and + 1 of half h at [4 n + 2 h ..].
SmallVector<Value> emitValues(QueryGroup &group, KvStream &stream, const TileKeys &tile, const TileKeys &next,
                              int64_t piece, ValueRange p);

} // namespace ingot::cuda
