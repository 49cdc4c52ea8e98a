// (m, l, o) of a tile, made from nothing: scores, softmax, weighted values.
#include "compiler/kernels/cuda/AttendTile.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"
#include "compiler/kernels/cuda/AttendState.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Term `term` of A times those of B that it meets, onto columns 0..7 and 8..15.
void multiply(QueryGroup &group, ValueRange a, unsigned term, const KvStream::Fragments &b, SmallVector<Value> *sums) {
  const AttendLayout &layout = group.layout;
  for (unsigned other = 0; other < layout.cacheTerms() && (!other || term + other < layout.terms); ++other)
    for (int n : {0, 1}) group.m.mma(layout.mma(), sums[n], a, ArrayRef(b[other]).slice(2 * n, 2));
}

struct Tile {
  QueryGroup &group;
  KvStream &stream;
  const TileKeys &tile, &next;
  TensorEmitter &m = group.m;
  Emitter &e = m.e;
  const AttendLayout &layout = group.layout;
  const cpu::AttendShape &shape = layout.shape;
  // Of block b, half n of it: keys 16 b + 8 n + 2t + (c mod 2) against query g (c < 2) or g + 8.
  using Scores = SmallVector<Value>;
  Scores scores[kTileBlocks][2] = {};

  Value take(int64_t stage) { return stream.take(group, stage, tile, next); }

  void dot() {
    for (int64_t block = 0; block < kTileBlocks; ++block) {
      for (Scores &half : scores[block]) half.assign(4, m.zero());
      for (int64_t piece = 0; piece < layout.keys.count(); ++piece) {
        Value slot = take(layout.keyStage(block, piece));
        for (int64_t i = 0; i < layout.keys.size(piece); ++i)
          dotStep(block, layout.keys.first(piece) + i, stream.keys(slot, i));
      }
    }
  }
  void dotStep(int64_t block, int64_t step, const KvStream::Fragments &keys) {
    for (unsigned term = 0; term < layout.terms; ++term)
      multiply(group, m.load(group.queryAddress(step, term, 0), 4), term, keys, scores[block]);
  }

  template <class Visit> void forScores(Visit visit) {
    for (int64_t block = 0; block < kTileBlocks; ++block)
      for (int n : {0, 1})
        for (int c = 0; c < 4; ++c) visit(scores[block][n][c], block * kBlockKeys + n * 8 + c % 2, c / 2);
  }
  // The 16 scores of this lane's query, in ascending order of keys.
  template <class Visit> void forQuery(int half, Visit visit) {
    forScores([&](Value &s, int64_t, int h) {
      if (h == half) visit(s);
    });
  }

  // scale, softcap, alibi, in that order.
  Value score(Value dot, int64_t key, int half) {
    cpu::LaneMath a(e, e.f32);
    Value s = e.mul(dot, group.inverse[half]);
    if (shape.softcap != 0) s = math::softcap(a, s, e.constant(e.f32, shape.softcap));
    if (!group.slope[half]) return s;
    Value j = e.iadd(e.iadd(tile.origin, e.shl(m.t, 1)), key);
    return e.fma(group.slope[half], e.toFloat(e.isub(j, group.position[half])), s);
  }

  // What a query does not see becomes -inf. Most tiles are seen by all queries.
  void mask() {
    Value all = e.cmp(arith::CmpIPredicate::ule, e.iadd(tile.origin, kTileKeys - 1), group.firstPosition);
    if (shape.window)
      all = e.iand(all, e.cmp(arith::CmpIPredicate::uge, tile.origin, group.windowOf(group.lastPosition)));
    SmallVector<Value> old;
    forScores([&](Value s, int64_t, int) { old.push_back(s); });
    auto masked = e.ifElse(
        all, SmallVector<Type>(old.size(), e.f32), [&] { return old; },
        [&] {
          Value begin = e.iadd(tile.origin, e.shl(m.t, 1));
          SmallVector<Value> some;
          forScores([&](Value s, int64_t key, int half) {
            Value j = e.iadd(begin, key), seen = e.cmp(arith::CmpIPredicate::sle, j, group.position[half]);
            if (shape.window)
              seen = e.iand(seen, e.cmp(arith::CmpIPredicate::sge, j, group.windowOf(group.position[half])));
            some.push_back(e.select(seen, s, e.constant(e.f32, -kInfinity)));
          });
          return some;
        });
    size_t i = 0;
    forScores([&](Value &s, int64_t, int) { s = masked[i++]; });
  }

  // m_t, and p in the place of the scores, with its sum l_t.
  std::pair<Value, Value> softmax(int half) {
    Value largest = e.constant(e.f32, -kInfinity), sum = m.zero();
    auto larger = [&](Value x, Value y) { return e.b.create<arith::MaxNumFOp>(x, y); };
    forQuery(half, [&](Value s) { largest = larger(largest, s); });
    for (int lanes : {1, 2}) largest = larger(largest, m.shuffleXor(largest, lanes));
    Value shift = e.select(e.less(e.constant(e.f32, -kInfinity), largest), largest, m.zero());
    forQuery(half, [&](Value &s) {
      s = exponential(e, e.sub(s, shift));
      sum = e.add(sum, s);
    });
    for (int lanes : {1, 2}) sum = e.add(sum, m.shuffleXor(sum, lanes));
    return {largest, sum};
  }

  // Fragments of p, by block and term: a0 = query g, keys 2t, 2t + 1; a1: g + 8; a2, a3: keys 8 further on.
  SmallVector<Value> weights() {
    SmallVector<Value> all(kTileBlocks * layout.terms * 4);
    for (int64_t block = 0; block < kTileBlocks; ++block)
      for (int reg = 0; reg < 4; ++reg) {
        Value *p = &scores[block][reg / 2][reg % 2 * 2], low = p[0], high = p[1];
        for (unsigned term = 0; term < layout.terms; ++term) {
          Value &pair = all[(block * layout.terms + term) * 4 + reg];
          pair = m.pack(layout.pair(), low, high);
          low = e.sub(low, layout.half(m, pair, 0)), high = e.sub(high, layout.half(m, pair, 1)); // what is left
        }
      }
    return all;
  }
};

} // namespace

TileWeights emitWeights(QueryGroup &group, KvStream &stream, const TileKeys &keys, const TileKeys &next) {
  Tile tile{group, stream, keys, next};
  TileWeights result;
  tile.dot();
  tile.forScores([&](Value &s, int64_t key, int half) { s = tile.score(s, key, half); });
  tile.mask();
  for (int half : {0, 1}) std::tie(result.m[half], result.l[half]) = tile.softmax(half);
  result.p = tile.weights();
  return result;
}

SmallVector<Value> emitValues(QueryGroup &group, KvStream &stream, const TileKeys &tile, const TileKeys &next,
                              int64_t piece, ValueRange p) {
  TensorEmitter &m = group.m;
  const AttendLayout &layout = group.layout;
  int64_t steps = layout.values.size(piece);
  SmallVector<SmallVector<Value>> o(steps * 2, SmallVector<Value>(4, m.zero()));
  for (int64_t block = 0; block < kTileBlocks; ++block) {
    Value slot = stream.take(group, layout.valueStage(block, piece), tile, next);
    for (int64_t step = 0; step < steps; ++step) {
      auto values = stream.values(slot, step);
      for (unsigned term = 0; term < layout.terms; ++term)
        multiply(group, p.slice((block * layout.terms + term) * 4, 4), term, values, &o[2 * step]);
    }
  }
  SmallVector<Value> all;
  for (auto &c : o) llvm::append_range(all, c);
  return all;
}

} // namespace ingot::cuda
