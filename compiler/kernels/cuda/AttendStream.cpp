// A tile's K and V on their way into a warp's shared memory, 16 bytes a copy.
#include "compiler/kernels/cuda/AttendTile.h"

using namespace mlir;

namespace ingot::cuda {

TileKeys TileKeys::of(QueryGroup &group, Value origin) {
  Emitter &e = group.e;
  Value seen = e.cmp(arith::CmpIPredicate::ule, origin, group.lastKey);
  if (group.shape.window)
    seen = e.iand(seen, e.cmp(arith::CmpIPredicate::uge, e.iadd(origin, kTileKeys - 1), group.firstKey));
  return {origin, seen, {group.page(origin), group.page(e.iadd(origin, int64_t(cpu::kPageTokens)))}};
}

// K in shared memory: chunk c of 16 bytes (d = c / 2, keys 8 (c mod 2) ..) lies at c xor (c / 8 mod 2), so that 8 rows
// of one half meet 8 different banks; of f32 (d = c / 4, keys 4 (c mod 4) ..) at c xor 2 (c / 8 mod 2), so that the
// words that lanes read at once do. A lane copies chunks lane + 32 i.
KvStream::KvStream(TensorEmitter &m, const AttendLayout &layout) : m(m), layout(layout) {
  ring = m.shared(e.iadd(e.imul(m.warp, layout.ring() * layout.stageBytes()), layout.rings()));
  keyFrom = e.shl(m.lane, 4);
  auto bit = [&](Value x, int64_t n) { return e.iand(n ? e.lshr(x, n) : x, e.i32c(1)); };
  if (layout.isWide()) {
    keyTo = e.shl(e.ixor(m.lane, e.shl(bit(m.lane, 3), 1)), 4);
    Value chunk = e.ixor(e.lshr(m.g, 2), e.shl(bit(m.t, 1), 1));
    keyRow = e.iadd(e.iadd(e.shl(m.t, 6), e.shl(chunk, 4)), e.shl(e.iand(m.g, e.i32c(3)), 2));
    valueRow = e.iadd(e.imul(m.t, 2 * layout.valuePitch()), e.shl(m.g, 2));
  } else {
    keyTo = e.shl(e.ixor(m.lane, bit(m.lane, 3)), 4);
    Value row = e.iand(m.lane, e.i32c(15)), half = e.lshr(m.lane, 4);
    keyRow = e.iadd(e.shl(row, 5), e.shl(e.ixor(half, bit(m.lane, 2)), 4));
    valueRow = e.iadd(e.imul(row, layout.valuePitch()), e.shl(half, 4));
  }
  for (int64_t piece = 0; piece < layout.values.count(); ++piece) {
    int64_t chunks = layout.values.size(piece) * layout.valueStepBytes() / 16, lanes = chunks & -chunks;
    Value own = e.udiv(m.lane, lanes), column = e.shl(e.urem(m.lane, lanes), 4);
    rows.push_back({lanes, own, e.iadd(e.imul(own, layout.shape.kv.valueRowBytes()), column),
                    e.iadd(e.imul(own, layout.valuePitch()), column)});
  }
}

void KvStream::begin(QueryGroup &group, const TileKeys &tile) {
  e.ifThen(tile.seen, [&] {
    for (int64_t stage = 0; stage + 1 < layout.ring(); ++stage) {
      fetch(group, stage, tile);
      m.commit();
    }
  });
}

Value KvStream::take(QueryGroup &group, int64_t stage, const TileKeys &tile, const TileKeys &next) {
  m.wait(layout.ring() - 2);
  m.warpSync(); // all lanes' copies of this stage are there, and nobody reads the last one any more
  int64_t ahead = stage + layout.ring() - 1;
  if (ahead < layout.stages())
    fetch(group, ahead, tile);
  else
    e.ifThen(next.seen, [&] { fetch(group, ahead - layout.stages(), next); });
  m.commit();
  return slotOf(stage);
}

void KvStream::fetch(QueryGroup &group, int64_t stage, const TileKeys &tile) {
  int64_t keyStages = layout.keyStage(kTileBlocks, 0);
  if (stage < keyStages)
    return fetchKeys(group, slotOf(stage), stage / layout.keys.count(), stage % layout.keys.count(), tile);
  fetchValues(group, slotOf(stage), (stage - keyStages) % kTileBlocks, (stage - keyStages) / kTileBlocks, tile);
}

// A block that nobody sees is not read: zeros.
void KvStream::fetchKeys(QueryGroup &group, Value slot, int64_t block, int64_t piece, const TileKeys &tile) {
  const cpu::KvLayout &kv = layout.shape.kv;
  Value key = e.iadd(tile.origin, block * kBlockKeys);
  Value seen = e.cmp(arith::CmpIPredicate::ule, key, group.lastPosition);
  if (layout.shape.window)
    seen = e.iand(seen, e.cmp(arith::CmpIPredicate::uge, e.iadd(key, kBlockKeys - 1), group.firstKey));
  Value bytes = e.select(seen, e.i32c(16), e.i32c(0));
  Value from = m.advance(m.advance(tile.page[block / 2], keyFrom),
                         block % 2 * kv.keyBlockBytes() + layout.keys.first(piece) * layout.keyStepBytes());
  Value to = m.advance(slot, keyTo);
  for (int64_t i = 0; i < layout.keys.size(piece) * layout.keyStepBytes(); i += 512)
    m.copy(m.advance(to, i), m.advance(from, i), bytes);
}

// Likewise a row; one behind the last position may be stale, and 0 * NaN would be NaN.
void KvStream::fetchValues(QueryGroup &group, Value slot, int64_t block, int64_t piece, const TileKeys &tile) {
  const cpu::KvLayout &kv = layout.shape.kv;
  const Rows &own = rows[piece];
  Value key = e.iadd(e.iadd(tile.origin, own.row), block * kBlockKeys);
  Value from = m.advance(m.advance(tile.page[block / 2], own.from),
                         kv.valuesOffset() + block % 2 * kBlockKeys * kv.valueRowBytes() +
                             layout.values.first(piece) * layout.valueStepBytes());
  Value to = m.advance(slot, own.to);
  for (int64_t row = 0; row < kBlockKeys; row += 32 / own.lanes) {
    Value seen = e.cmp(arith::CmpIPredicate::ule, e.iadd(key, row), group.lastPosition);
    if (layout.shape.window) seen = e.iand(seen, e.cmp(arith::CmpIPredicate::uge, e.iadd(key, row), group.firstKey));
    Value bytes = e.guarded(seen, e.i32c(16), e.i32c(0));
    for (int64_t chunk = 0; chunk < layout.values.size(piece) * layout.valueStepBytes() / 16; chunk += own.lanes)
      m.copy(m.advance(to, row * layout.valuePitch() + chunk * 16),
             m.advance(from, row * int64_t(kv.valueRowBytes()) + chunk * 16), bytes);
  }
}

KvStream::Fragments KvStream::keys(Value stage, int64_t step) {
  Value at = m.advance(m.advance(stage, keyRow), step * layout.keyStepBytes());
  if (!layout.isWide()) return {m.loadMatrix(at)};
  // The other half's chunks: bit 1 of the chunk's number flips.
  Value other = m.advance(m.advance(stage, e.ixor(keyRow, e.i32c(32))), step * layout.keyStepBytes());
  SmallVector<Value> x;
  for (Value half : {at, other})
    for (int64_t d : {0, 4, 8, 12}) x.push_back(m.loadWord(m.advance(half, d * 64), e.f32));
  return terms(x);
}

KvStream::Fragments KvStream::values(Value stage, int64_t step) {
  Value at = m.advance(m.advance(stage, valueRow), step * layout.valueStepBytes());
  if (!layout.isWide()) return {m.loadMatrix(at)};
  SmallVector<Value> x;
  for (int64_t half : {0, 32})
    for (int64_t key : {0, 1, 8, 9}) x.push_back(m.loadWord(m.advance(at, key * layout.valuePitch() + half), e.f32));
  return terms(x);
}

KvStream::Fragments KvStream::terms(ArrayRef<Value> x) {
  SmallVector<Value> rest(x);
  Fragments all(layout.cacheTerms());
  for (auto &words : all)
    for (size_t i = 0; i < rest.size(); i += 2) {
      words.push_back(m.pack(layout.pair(), rest[i], rest[i + 1]));
      for (unsigned k : {0, 1}) rest[i + k] = e.sub(rest[i + k], layout.half(m, words.back(), k));
    }
  return all;
}

} // namespace ingot::cuda
