// One tile of 128 keys: scores, softmax, weighted values.
#include "compiler/kernels/cpu/AttendBand.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Blocks of 16 keys of a tile that some row of the band sees, as absolute block numbers.
Range blocksOf(const Band &band, Value origin) {
  Emitter &e = band.e;
  Range first = band.visible(0, origin), last = band.visible(band.rows - 1, origin);
  return {e.udiv(first.begin, laneCount), e.udiv(e.iadd(last.end, laneCount - 1), laneCount)};
}

// Where S[query][16 * block modulo 128] lies.
Value scoreAddress(const Band &band, int64_t query, Value block) {
  Emitter &e = band.e;
  Value offset = e.imul(e.urem(block, kTileTokens / laneCount), 64);
  return e.at(band.slot(band.scratch.scores() + query * kTileTokens * 4), offset);
}

// q.k of queries [first, first + count) with the 16 keys at `keys`: one chain over d each, keys in the lanes. `ahead`:
// the keys to prefetch meanwhile, or null.
SmallVector<Value> dotKeys(const Band &band, int64_t first, int64_t count, Value keys, Value ahead) {
  Emitter &e = band.e;
  SmallVector<Value> zero(count, e.lanes(0.0));
  int64_t keyDim = band.shape.kv.keyDim;
  return e.loop(e.i64c(0), e.i64c(keyDim), 1, zero, [&](Value d, ValueRange acc) {
    Value key = band.loadCached(e.at(keys, e.imul(d, band.shape.kv.keyDimBytes())), laneCount);
    if (ahead) e.prefetch(e.at(ahead, e.imul(d, band.shape.kv.keyDimBytes())));
    SmallVector<Value> next;
    for (int64_t i = 0; i < count; ++i) {
      int64_t query = first + i;
      Value head = e.at(band.query[band.rowOf(query)], query % band.groupHeads * keyDim * 4);
      Value q = e.broadcast(e.load(e.f32, e.at(head, e.imul(d, 4))));
      next.push_back(e.fma(q, key, acc[i]));
    }
    return next;
  });
}

// slope * (j - position) on top of the scores of 16 keys j.
Value addAlibi(const Band &band, int64_t query, Value j, Value score) {
  Emitter &e = band.e;
  Value position = e.broadcast(e.trunc(e.i32, band.position[band.rowOf(query)]));
  Value slope = e.load(e.f32, e.at(band.slopes, query % band.groupHeads * 4));
  return e.fma(e.broadcast(slope), e.toFloat(e.isub(j, position)), score);
}

} // namespace

void emitScores(Band &band, Value origin) {
  Emitter &e = band.e;
  int64_t together = e.cuda() ? 8 : e.v4() ? 16 : 6;
  SmallVector<int64_t> lanes(laneCount);
  for (int64_t i = 0; i < laneCount; ++i) lanes[i] = i;
  Value laneIndex = e.intVector(e.i32, lanes), hidden = e.lanes(-kInfinity);
  Range blocks = blocksOf(band, origin);
  e.loop(blocks.begin, blocks.end, 1, [&](Value block) {
    Value firstKey = e.imul(block, laneCount);
    Value inPage = e.urem(block, kPageTokens / laneCount);
    Value offset = e.imul(inPage, band.shape.kv.keyBlockBytes());
    Value keys = e.at(band.page(firstKey), offset), ahead = band.pageAhead(firstKey);
    if (ahead) ahead = e.at(ahead, offset);
    Value j = e.iadd(e.broadcast(e.trunc(e.i32, firstKey)), laneIndex);
    SmallVector<Value> seen; // by row
    for (int64_t row = 0; row < band.rows; ++row) {
      Range keysOfRow = band.visible(row, origin);
      Value mask = e.slt(j, e.broadcast(e.trunc(e.i32, keysOfRow.end)));
      if (band.shape.window)
        mask = e.iand(mask, e.cmp(arith::CmpIPredicate::sge, j, e.broadcast(e.trunc(e.i32, keysOfRow.begin))));
      seen.push_back(mask);
    }
    for (int64_t first = 0; first < band.queries(); first += together) {
      auto dots = dotKeys(band, first, std::min(together, band.queries() - first), keys, first ? Value() : ahead);
      for (auto [i, dot] : llvm::enumerate(dots)) {
        Value score = e.mul(dot, e.lanes(band.shape.scale));
        LaneMath a(e);
        if (band.shape.softcap != 0) score = math::softcap(a, score, e.lanes(band.shape.softcap));
        int64_t query = first + int64_t(i);
        if (band.slopes) score = addAlibi(band, query, j, score);
        e.store(e.select(seen[band.rowOf(query)], score, hidden), scoreAddress(band, query, block), 64);
      }
    }
  });
}

// m_t and, in place, p = exp(s - m_t) with its lane sums, of one query. A hidden key's p is exp(-inf) = 0.
static void softmaxOfQuery(Band &band, Range blocks, Value query) {
  Emitter &e = band.e;
  Value scores = e.at(band.slot(band.scratch.scores()), e.imul(query, kTileTokens * 4));
  auto address = [&](Value block) { return e.at(scores, e.imul(e.urem(block, kTileTokens / laneCount), 64)); };
  auto largest = e.loop(blocks.begin, blocks.end, 1, ValueRange{e.lanes(-kInfinity)}, [&](Value b, ValueRange m) {
    Value s = e.load(e.lanesType(), address(b), 64);
    return SmallVector<Value>{e.select(e.less(m[0], s), s, m[0])};
  });
  Value m = e.maxLanes(largest[0]), shift = e.broadcast(m);
  auto sum = e.loop(blocks.begin, blocks.end, 1, ValueRange{e.lanes(0.0)}, [&](Value b, ValueRange l) {
    LaneMath a(e);
    Value p = math::exp(a, e.sub(e.load(e.lanesType(), address(b), 64), shift));
    e.store(p, address(b), 64);
    return SmallVector<Value>{e.add(l[0], p)};
  });
  e.store(m, e.at(band.slot(band.scratch.tileLargest()), e.imul(query, 4)));
  e.store(e.sumLanes(sum[0]), e.at(band.slot(band.scratch.tileSum()), e.imul(query, 4)));
}

// The queries whose rows see a key of the tile, as lanes.
static Value seeing(Band &band, Value position, Value origin) {
  Emitter &e = band.e;
  Value seen = e.cmp(arith::CmpIPredicate::sge, position, e.broadcast(e.trunc(e.i32, origin)));
  if (!band.shape.window) return seen;
  Value lastBegin = e.broadcast(e.trunc(e.i32, e.iadd(origin, kTileTokens - 1)));
  Value begin = e.isub(position, e.integer(e.vec(e.i32), int64_t(band.shape.window) - 1));
  return e.iand(seen, e.cmp(arith::CmpIPredicate::sle, begin, lastBegin));
}

void emitSoftmax(Band &band, Value origin) {
  Emitter &e = band.e;
  const BandScratch &s = band.scratch;
  Range blocks = blocksOf(band, origin);
  e.loop(band.queries(), [&](Value query) { softmaxOfQuery(band, blocks, query); });
  for (int64_t q = 0; q < s.padded(); q += laneCount) {
    auto load = [&](int64_t array, Type element) { return e.load(e.vec(element), band.slot(array + 4 * q), 64); };
    auto store = [&](Value v, int64_t array) { e.store(v, band.slot(array + 4 * q), 64); };
    LaneMath a(e);
    Value old = load(s.largest(), e.f32), tile = load(s.tileLargest(), e.f32), l = load(s.sum(), e.f32);
    Value m = e.select(e.less(old, tile), tile, old);
    Value alpha = math::exp(a, e.sub(old, m)), beta = math::exp(a, e.sub(tile, m));
    Value sum = e.fma(l, alpha, e.mul(load(s.tileSum(), e.f32), beta));
    Value seen = seeing(band, load(s.position(), e.i32), origin);
    store(e.select(seen, m, old), s.largest());
    store(e.select(seen, sum, l), s.sum());
    store(alpha, s.alpha());
    store(beta, s.beta());
  }
}

namespace {

// Queries [first, first + count) times value columns [column, column + vectors * width): accumulators in registers.
struct ValueBlock {
  Band &band;
  Value origin;
  int64_t first, count, column, vectors, width;
  Emitter &e = band.e;
  Type type = e.vec(e.f32, width);
  SmallVector<Range> seen = {}; // of rows firstRow() ..

  int64_t firstRow() const { return band.rowOf(first); }
  int64_t rowsHere() const { return band.rowOf(first + count - 1) - firstRow() + 1; }
  const Range &rangeOf(int64_t query) const { return seen[band.rowOf(query) - firstRow()]; }

  // Keys [from, to): every accumulator's chain goes on; with `masked`, only in rows that see the key.
  SmallVector<Value> chain(Value from, Value to, bool masked, ValueRange accumulators) {
    Value pages = e.udiv(e.iadd(to, kPageTokens - 1), kPageTokens);
    return e.loop(e.udiv(from, kPageTokens), pages, 1, accumulators, [&](Value page, ValueRange outer) {
      Value begin = e.imul(page, kPageTokens);
      int64_t offset = band.shape.kv.valuesOffset() + column * band.shape.kv.elementBytes;
      Value values = e.at(band.page(begin), offset), ahead = band.pageAhead(begin);
      Value low = e.b.create<arith::MaxUIOp>(from, begin), high = e.umin(to, e.iadd(begin, kPageTokens));
      return e.loop(low, high, 1, outer, [&](Value j, ValueRange acc) {
        Value row = e.imul(e.isub(j, begin), band.shape.kv.valueRowBytes());
        for (int64_t line = 0; ahead && line < vectors * width * int64_t(band.shape.kv.elementBytes); line += 64)
          e.prefetch(e.at(e.at(ahead, row), offset + line));
        return step(j, e.at(values, row), masked, acc);
      });
    });
  }

  SmallVector<Value> step(Value j, Value address, bool masked, ValueRange accumulators) {
    SmallVector<Value> v, next, sees;
    for (int64_t i = 0; i < vectors; ++i)
      v.push_back(band.loadCached(e.at(address, i * width * band.shape.kv.elementBytes), width));
    for (const Range &range : seen)
      sees.push_back(masked ? e.iand(e.cmp(arith::CmpIPredicate::uge, j, range.begin), e.ult(j, range.end)) : Value());
    Value scores = e.at(band.slot(band.scratch.scores()), e.imul(e.urem(j, kTileTokens), 4)); // a bound for LaneMemory
    for (int64_t q = first; q < first + count; ++q) {
      Value p = e.broadcast(e.load(e.f32, e.at(scores, q * kTileTokens * 4)), width);
      for (Value value : v) {
        Value acc = accumulators[next.size()], sum = e.fma(p, value, acc);
        next.push_back(masked ? e.select(sees[band.rowOf(q) - firstRow()], sum, acc) : sum);
      }
    }
    return next;
  }

  // o = fma(o, alpha, o_t * beta) in the rows that see the tile.
  void combine(ArrayRef<Value> tile) {
    for (int64_t q = first; q < first + count; ++q) {
      auto factor = [&](int64_t array) { return e.broadcast(e.load(e.f32, band.slot(array + 4 * q)), width); };
      Value alpha = factor(band.scratch.alpha()), beta = factor(band.scratch.beta());
      Value sees = e.ult(rangeOf(q).begin, rangeOf(q).end);
      for (int64_t i = 0; i < vectors; ++i) {
        int64_t d = q * band.scratch.valueDim + column + i * width;
        Value address = band.slot(band.scratch.values() + 4 * d), old = e.load(type, address);
        Value sum = e.fma(old, alpha, e.mul(tile[(q - first) * vectors + i], beta));
        e.store(e.select(sees, sum, old), address);
      }
    }
  }

  // Begins and ends ascend with the rows: all rows see the keys from the last begin to the first end.
  void emit() {
    for (int64_t r = 0; r < rowsHere(); ++r) seen.push_back(band.visible(firstRow() + r, origin));
    SmallVector<Value> acc(count * vectors, e.constant(type, 0.0));
    Range all{seen.back().begin, seen.front().end};
    if (rowsHere() > 1 && band.shape.window)
      acc = chain(seen.front().begin, e.umin(all.begin, seen.back().end), true, acc);
    acc = chain(all.begin, e.b.create<arith::MaxUIOp>(all.begin, all.end), false, acc);
    if (rowsHere() > 1) acc = chain(e.b.create<arith::MaxUIOp>(all.begin, all.end), seen.back().end, true, acc);
    combine(acc);
  }
};

} // namespace

void emitValues(Band &band, Value origin) {
  int64_t width = band.e.v4() ? 16 : 8, valueDim = band.shape.kv.valueDim;
  while (valueDim % width) width /= 2;
  int64_t registers = band.e.cuda() ? 16 : band.e.v4() ? 24 : 12; // accumulators
  int64_t vectors = std::min<int64_t>(valueDim / width, 4), together = std::max<int64_t>(1, registers / vectors);
  for (int64_t first = 0; first < band.queries(); first += together)
    for (int64_t column = 0; column < valueDim; column += vectors * width) {
      int64_t count = std::min(together, band.queries() - first);
      int64_t here = std::min(vectors, (valueDim - column) / width);
      ValueBlock{band, origin, first, count, column, here, width}.emit();
    }
}

} // namespace ingot::cpu
