// One CTA's share of an attention: 16 packed queries (rows x heads of one kv head) against tiles of 64 keys.
//
// Fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane = 4 g + t holds of A rows g, g + 8 and
// columns 2t, 2t + 1, 2t + 8, 2t + 9; of B those rows and column g; of C rows g, g + 8 and columns 2t, 2t + 1. Which d,
// key or value column stands behind an index is ours to choose, as long as both operands agree:
//   S = Q K^T   k index (2t, 2t+1, 2t+8, 2t+9) of step s = d 16 s + 4t + (0..3); column n of the pair of products
//               (even, odd) = keys 2n and 2n + 1, because K lies as [d][16 keys]: one 4-byte load has both.
//   O = P V     k index likewise = keys 4t + (0..3); columns n = value columns 2n and 2n + 1 of 16.
// So the scores a lane makes are the probabilities it needs, and no value passes through shared memory before o.
#include "compiler/kernels/cuda/Attend.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"
#include "compiler/kernels/cuda/TensorEmitter.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using arith::CmpIPredicate;
using cpu::AttendShape;
using cpu::Emitter;
using cpu::LaneMath;

constexpr int64_t kTileKeys = 64, kSplitTiles = INGOT_SPLIT_TOKENS / kTileKeys, kQueries = 16, kWarps = 4;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// 2^k and 2^-k.
struct PowerOfTwo {
  Value factor, inverse;
};

/// A thread's view of its CTA in i64, as addresses want it; shared memory by byte offsets.
struct Warp {
  TensorEmitter m;
  Emitter &e = m.e;
  Value thread = wide(m.thread), index = wide(m.warp), lane = wide(m.lane), g = wide(m.g), t = wide(m.t);

  explicit Warp(Emitter &e) : m(e) {}
  Value wide(Value x) { return m.e.zext(m.e.i64, x); }
  void barrier() { m.barrier(); }
  Value shuffleXor(Value x, int64_t lanes) { return m.shuffleXor(x, lanes); }

  SmallVector<Value> loadVector(Type element, unsigned n, Value address) {
    return m.load(m.global(address), n, element);
  }
  void storeVector(ValueRange words, Value address) { m.store(words, m.global(address)); }
  Value address(Value offset) { return m.shared(e.trunc(e.i32, offset)); }
  SmallVector<Value> loadSharedVector(Type element, unsigned n, Value offset) {
    return m.load(address(offset), n, element);
  }
  Value loadShared(Type element, Value offset) { return loadSharedVector(element, 1, offset)[0]; }
  void storeSharedVector(ValueRange words, Value offset) { m.store(words, address(offset)); }
  void storeShared(Value word, Value offset) { storeSharedVector(word, offset); }

  Value packHalves(Value low, Value high) { return m.pack(ptx::PairType::f16, low, high); }
  Value half(Value word, unsigned i) { return m.half(word, i); }
  /// Element `odd` (0: low, 1: high) of four words as two: of words 0 and 1, of words 2 and 3.
  SmallVector<Value> pairs(ArrayRef<Value> words, int odd) {
    uint32_t selector = odd ? 0x7632 : 0x5410;
    return {m.permute(words[0], words[1], selector), m.permute(words[2], words[3], selector)};
  }
  void mmaHalf(Value (&sums)[4], ValueRange a, ValueRange b) {
    SmallVector<Value> all(std::begin(sums), std::end(sums));
    m.mma(ptx::MmaKind::f16, all, a, b);
    llvm::copy(all, sums);
  }
  /// `factor` brings x >= 0 into [2^14, 2^15): below f16's largest, far above its subnormals; tiny x gets 2^126.
  PowerOfTwo powerBelow(Value x) {
    Value exponent = e.smax(e.lshr(e.bitcast(e.i32, x), 23), e.i32c(15));
    auto power = [&](Value biased) { return e.bitcast(e.f32, e.shl(biased, 23)); };
    return {power(e.isub(e.i32c(127 + 14 + 127), exponent)), power(e.iadd(exponent, -14))};
  }
};

/// (m, l, o): running maximum, sum of exponentials, weighted values of the columns that a thread owns.
struct State {
  Value m, l;
  SmallVector<Value> o;

  static State empty(Emitter &e, size_t columns) {
    return {e.constant(e.f32, -kInfinity), e.constant(e.f32, 0), SmallVector<Value>(columns, e.constant(e.f32, 0))};
  }
  SmallVector<Value> values() const {
    SmallVector<Value> all{m, l};
    llvm::append_range(all, o);
    return all;
  }
  static State of(ValueRange all) { return {all[0], all[1], SmallVector<Value>(all.drop_front(2))}; }
};

/// `old` with `part` behind it (numerics.md, attention); a part that saw nothing (m = -inf) changes nothing. m and l
/// are scalars, o scalars of a thread or lanes.
State combine(Emitter &e, const State &old, const State &part) {
  LaneMath a(e, e.f32);
  auto like = [&](Value o, Value scalar) { return isa<VectorType>(o.getType()) ? e.broadcast(scalar) : scalar; };
  Value seen = e.less(e.constant(e.f32, -kInfinity), part.m);
  Value m = e.select(e.less(old.m, part.m), part.m, old.m);
  Value alpha = math::exp(a, e.sub(old.m, m)), beta = math::exp(a, e.sub(part.m, m));
  State next{e.select(seen, m, old.m), e.select(seen, e.fma(old.l, alpha, e.mul(part.l, beta)), old.l), {}};
  for (auto [mine, theirs] : llvm::zip(old.o, part.o)) {
    Value all = e.fma(mine, like(mine, alpha), e.mul(theirs, like(mine, beta)));
    next.o.push_back(e.select(like(mine, seen), all, mine));
  }
  return next;
}

/// Shared memory of a CTA: the queries' fragments, then a slot a warp for the tile it has made.
struct SharedLayout {
  const AttendShape &shape;
  unsigned terms;

  int64_t steps() const { return shape.kv.keyDim / 16; }
  int64_t queryBytes() const { return steps() * terms * 32 * 16; } // [step][term][lane] 4 registers
  int64_t rowBytes() const { return (shape.kv.valueDim + 4) * 4; } // the odd 16 bytes spread rows over banks
  int64_t slotBytes() const { return kQueries * (rowBytes() + 8); }
  int64_t slot(int64_t warp = 0) const { return queryBytes() + warp * slotBytes(); }
  int64_t largest() const { return kQueries * rowBytes(); } // inside a slot: m [16], l [16]
  int64_t sum() const { return largest() + kQueries * 4; }
  int64_t bytes() const { return slot(kWarps); }
};

struct PartialLayout {
  const AttendShape &shape;

  int64_t largest(int64_t head = 0) const { return (shape.heads * shape.kv.valueDim + head) * 4; }
  int64_t sum() const { return largest() + shape.heads * 4; }
  int64_t bytes() const { return llvm::alignTo(sum() + shape.heads * 4, 64); }
};

/// 16 queries of one kv head, from packed query `first` of the tile on; the last ones repeat the tile's last query.
struct QueryGroup {
  Emitter &e;
  Warp &warp;
  const AttendShape &shape;
  const AttendOperands &operands;
  SharedLayout shared;
  Value unit, segment, firstRow, queries; // queries: of the tile, rows * group heads
  Value first;
  int64_t groupHeads = shape.heads / shape.kv.kvHeads;

  // By fragment row: queries g and g + 8 of this lane.
  Value position[2] = {}, inverse[2] = {}, slope[2] = {};
  Value lastPosition = {}, firstPosition = {}; // of all 16
  Value kvLength = {}, pool = {}, table = {}, head = {};

  Value clamped(Value query) { return e.umin(query, e.isub(queries, e.i64c(1))); }
  Value rowOf(Value query) { return e.iadd(firstRow, e.udiv(query, groupHeads)); }
  Value positionOf(Value row) { return e.zext(e.i64, e.batchI32(offsetof(ingot_batch, position), row)); }
  Value headOf(Value query) { return e.iadd(e.imul(unit, groupHeads), e.urem(query, groupHeads)); }

  Value firstKey(Value position) {
    if (!shape.window) return e.i64c(0);
    return e.isub(position, e.umin(position, e.i64c(shape.window - 1)));
  }

  Value view(Type type, size_t offset) {
    Value views = e.batchPointer(offsetof(ingot_batch, kv));
    return e.loadConstant(type, e.at(views, shape.kv.group * sizeof(ingot_kv_view) + offset));
  }

  void open() {
    pool = view(e.ptr, offsetof(ingot_kv_view, pool));
    Value stride = view(e.i64, offsetof(ingot_kv_view, table_stride));
    table = e.at(view(e.ptr, offsetof(ingot_kv_view, block_table)), e.imul(e.imul(segment, stride), 4));
    head = e.iadd(e.imul(operands.layer, shape.kv.layerBytes()), e.imul(unit, shape.kv.headBytes()));
    kvLength = e.zext(e.i64, e.batchI32(offsetof(ingot_batch, kv_len), segment));
    firstPosition = positionOf(rowOf(clamped(first)));
    lastPosition = positionOf(rowOf(clamped(e.iadd(first, kQueries - 1))));
    for (int half : {0, 1}) loadQuery(half, clamped(e.iadd(first, e.iadd(warp.g, half * 8))));
    warp.barrier();
  }

  // Fragments of query g (half 0) or g + 8, scaled so that the largest component lies in [2^14, 2^15).
  void loadQuery(int half, Value query) {
    position[half] = positionOf(rowOf(query));
    Value row = e.at(operands.query, e.imul(rowOf(query), shape.queryStride));
    Value at = e.at(e.at(row, e.imul(headOf(query), shape.kv.keyDim * 4)), e.imul(warp.t, 16));
    SmallVector<SmallVector<Value>> q;
    Value largest = e.constant(e.f32, 0);
    for (int64_t step = 0; step < shared.steps(); ++step) {
      q.push_back(warp.loadVector(e.f32, 4, e.at(at, step * 64)));
      for (Value x : q.back()) largest = e.select(e.less(largest, e.abs(x)), e.abs(x), largest);
    }
    for (int lanes : {1, 2}) {
      Value other = warp.shuffleXor(largest, lanes);
      largest = e.select(e.less(largest, other), other, largest);
    }
    PowerOfTwo power = warp.powerBelow(largest);
    inverse[half] = e.mul(power.inverse, e.constant(e.f32, shape.scale));
    if (!shape.slopes.empty()) slope[half] = e.load(e.f32, e.at(e.floatTable(shape.slopes), e.imul(headOf(query), 4)));
    for (int64_t step = 0; step < shared.steps(); ++step) storeQuery(half, step, q[step], power.factor);
  }

  // Registers a0 (or a1) and a2 (a3); each warp stores its own steps.
  void storeQuery(int half, int64_t step, ArrayRef<Value> q, Value factor) {
    e.ifThen(e.ieq(warp.index, e.i64c(step % kWarps)), [&] {
      SmallVector<Value> x;
      for (Value v : q) x.push_back(e.mul(v, factor));
      for (unsigned term = 0; term < shared.terms; ++term)
        for (int pair : {0, 1}) {
          Value packed = warp.packHalves(x[2 * pair], x[2 * pair + 1]);
          warp.storeShared(packed, queryAddress(e.i64c(step), term, 2 * pair + half));
          for (int i : {0, 1}) x[2 * pair + i] = e.sub(x[2 * pair + i], warp.half(packed, i)); // what is left
        }
    });
  }
  Value queryAddress(Value step, unsigned term, int reg) {
    return e.iadd(e.iadd(e.imul(step, shared.terms * 512), e.imul(warp.lane, 16)), term * 512 + reg * 4);
  }

  // The kv head's part of the page that holds `position`; past the last visible position any page will do.
  Value page(Value position) {
    Value entry = e.udiv(e.umin(position, lastPosition), cpu::kPageTokens);
    Value number = e.zext(e.i64, e.load(e.i32, e.at(table, e.imul(entry, 4))));
    return e.at(pool, e.iadd(e.imul(number, shape.kv.pageBytes()), head));
  }

  Value seesTile(Value origin) {
    Value seen = e.cmp(CmpIPredicate::ule, origin, lastPosition);
    if (!shape.window) return seen;
    return e.iand(seen, e.cmp(CmpIPredicate::uge, e.iadd(origin, kTileKeys - 1), firstKey(firstPosition)));
  }
};

/// What a warp computes of one tile.
struct TileProducts {
  QueryGroup &group;
  Value origin;
  Emitter &e = group.e;
  Warp &warp = group.warp;
  const AttendShape &shape = group.shape;
  // scores[block][odd][c]: keys 4t + odd + 2 (c mod 2) of block `block` of 16 against query g (c < 2) or g + 8.
  Value scores[4][2][4] = {};

  Value blockStart(int64_t block) { return e.iadd(origin, block * 16); }

  // S of the tile: K lies as [d][16 keys]. A loop over d keeps the loads in flight to what registers hold.
  void dot() {
    SmallVector<Value> bases, zeros(32, e.constant(e.f32, 0));
    for (int64_t block = 0; block < 4; ++block) {
      Value key = blockStart(block), inPage = e.urem(e.udiv(key, 16), cpu::kPageTokens / 16);
      Value base = e.at(group.page(key), e.imul(inPage, shape.kv.keyBlockBytes()));
      bases.push_back(e.at(base, e.iadd(e.imul(warp.t, 4 * shape.kv.keyDimBytes()), e.imul(warp.g, 4))));
    }
    auto sums = e.loop(e.i64c(0), e.i64c(group.shared.steps()), 1, zeros, [&](Value step, ValueRange carried) {
      scatter(carried);
      SmallVector<SmallVector<Value>> q;
      for (unsigned term = 0; term < group.shared.terms; ++term)
        q.push_back(warp.loadSharedVector(e.i32, 4, group.queryAddress(step, term, 0)));
      for (int64_t block = 0; block < 4; ++block) {
        Value keys = e.at(bases[block], e.imul(step, 16 * shape.kv.keyDimBytes()));
        SmallVector<Value> words;
        for (int64_t i = 0; i < 4; ++i) words.push_back(e.load(e.i32, e.at(keys, i * shape.kv.keyDimBytes())));
        for (auto &term : q)
          for (int odd : {0, 1}) warp.mmaHalf(scores[block][odd], term, warp.pairs(words, odd));
      }
      return gather();
    });
    scatter(sums);
  }
  void scatter(ValueRange values) {
    for (int64_t i = 0; i < 32; ++i) scores[i / 8][i / 4 % 2][i % 4] = values[i];
  }
  SmallVector<Value> gather() {
    SmallVector<Value> values;
    for (int64_t i = 0; i < 32; ++i) values.push_back(scores[i / 8][i / 4 % 2][i % 4]);
    return values;
  }

  // scale, softcap, alibi and mask, in that order.
  Value score(int64_t block, int odd, int c) {
    int half = c / 2;
    Value s = e.mul(scores[block][odd][c], group.inverse[half]);
    LaneMath a(e, e.f32);
    if (shape.softcap != 0) s = math::softcap(a, s, e.constant(e.f32, shape.softcap));
    Value j = e.iadd(blockStart(block), e.iadd(e.imul(warp.t, 4), odd + 2 * (c % 2)));
    if (group.slope[half]) s = e.fma(group.slope[half], e.toFloat(e.trunc(e.i32, e.isub(j, group.position[half]))), s);
    Value seen = e.cmp(CmpIPredicate::ule, j, group.position[half]);
    if (shape.window) seen = e.iand(seen, e.cmp(CmpIPredicate::uge, j, group.firstKey(group.position[half])));
    return e.select(seen, s, e.constant(e.f32, -kInfinity));
  }

  // The 16 scores of this lane's query, in ascending order of keys.
  template <class Visit> void forQuery(int half, Visit visit) {
    for (int64_t block = 0; block < 4; ++block)
      for (int c : {0, 1})
        for (int odd : {0, 1}) visit(scores[block][odd][2 * half + c]);
  }

  // m_t, and p in the place of the scores, with its sum l_t.
  std::pair<Value, Value> softmax(int half) {
    Value m = e.constant(e.f32, -kInfinity), l = e.constant(e.f32, 0);
    forQuery(half, [&](Value &s) { m = e.select(e.less(m, s), s, m); });
    for (int lanes : {1, 2}) {
      Value other = warp.shuffleXor(m, lanes);
      m = e.select(e.less(m, other), other, m);
    }
    Value shift = e.select(e.less(e.constant(e.f32, -kInfinity), m), m, e.constant(e.f32, 0));
    LaneMath a(e, e.f32);
    forQuery(half, [&](Value &s) {
      s = math::exp(a, e.sub(s, shift));
      l = e.add(l, s);
    });
    for (int lanes : {1, 2}) l = e.add(l, warp.shuffleXor(l, lanes));
    return {m, l};
  }

  // Fragments of p for a block: terms x 4 registers.
  SmallVector<SmallVector<Value>> probabilities(int64_t block) {
    SmallVector<SmallVector<Value>> terms(group.shared.terms, SmallVector<Value>(4));
    for (int reg = 0; reg < 4; ++reg) { // a0: g, keys 4t, 4t+1; a1: g+8; a2: g, keys 4t+2, 4t+3; a3: g+8
      int c = 2 * (reg % 2) + reg / 2;
      Value even = scores[block][0][c], odd = scores[block][1][c];
      for (auto &term : terms) {
        term[reg] = warp.packHalves(even, odd);
        even = e.sub(even, warp.half(term[reg], 0)), odd = e.sub(odd, warp.half(term[reg], 1));
      }
    }
    return terms;
  }

  // o_t of 16 value columns: V lies as [key][column].
  SmallVector<Value> values(Value column, ArrayRef<SmallVector<SmallVector<Value>>> p) {
    Value sums[2][4];
    for (auto &odd : sums)
      for (Value &c : odd) c = e.constant(e.f32, 0);
    for (int64_t block = 0; block < 4; ++block) {
      Value key = e.iadd(blockStart(block), e.imul(warp.t, 4));
      Value base = e.at(e.at(group.page(blockStart(block)), shape.kv.valuesOffset()), e.shl(column, 1));
      base = e.at(base, e.iadd(e.imul(e.urem(key, cpu::kPageTokens), shape.kv.valueRowBytes()), e.imul(warp.g, 4)));
      SmallVector<Value> words;
      for (int64_t i = 0; i < 4; ++i) {
        Value word = e.load(e.i32, e.at(base, i * shape.kv.valueRowBytes()));
        words.push_back(e.select(e.ult(e.iadd(key, i), group.kvLength), word, e.i32c(0))); // invariant 3
      }
      for (const auto &term : p[block])
        for (int odd : {0, 1}) warp.mmaHalf(sums[odd], term, warp.pairs(words, odd));
    }
    SmallVector<Value> ordered; // columns 4t .. 4t + 3 of query g, then of query g + 8
    for (int half : {0, 1})
      for (int c : {0, 1})
        for (int odd : {0, 1}) ordered.push_back(sums[odd][2 * half + c]);
    return ordered;
  }

  // The whole tile into this warp's slot.
  void emit(Value slot) {
    dot();
    for (auto [block, odds] : llvm::enumerate(scores))
      for (int odd : {0, 1})
        for (int c = 0; c < 4; ++c) odds[odd][c] = score(block, odd, c);
    for (int half : {0, 1}) {
      auto [m, l] = softmax(half);
      Value query = e.imul(e.iadd(warp.g, half * 8), 4);
      warp.storeShared(m, e.iadd(slot, e.iadd(query, group.shared.largest())));
      warp.storeShared(l, e.iadd(slot, e.iadd(query, group.shared.sum())));
    }
    SmallVector<SmallVector<SmallVector<Value>>> p;
    for (int64_t block = 0; block < 4; ++block) p.push_back(probabilities(block));
    Value row = e.iadd(slot, e.iadd(e.imul(warp.g, group.shared.rowBytes()), e.imul(warp.t, 16)));
    e.loop(e.i64c(0), e.i64c(shape.kv.valueDim), 16, [&](Value column) {
      auto o = values(column, p);
      Value to = e.iadd(row, e.shl(column, 2));
      warp.storeSharedVector(ArrayRef(o).take_front(4), to);
      warp.storeSharedVector(ArrayRef(o).drop_front(4), e.iadd(to, 8 * group.shared.rowBytes()));
    });
  }
};

/// The CTA's item.
struct Item {
  Emitter &e;
  const AttendShape &shape;
  const AttendOperands &operands;
  SharedLayout shared;
  Warp &warp;
  Value unit = {}, split = {}, splits = {}, segment = {}, firstRow = {}, queries = {};

  // Who owns what when tiles are combined: query thread / 8, valueDim / 8 columns from (thread mod 8) of it.
  int64_t ownColumns() { return shape.kv.valueDim / 8; }
  Value ownQuery() { return e.lshr(warp.thread, 3); }
  Value ownColumn() { return e.imul(e.iand(warp.thread, e.i64c(7)), ownColumns()); }

  // `old` with the tile that warp `from` has left in its slot; of a tile nobody saw there is only m = -inf.
  State withSlot(const State &old, int64_t from) {
    Value query = ownQuery(), slot = e.i64c(shared.slot(from));
    State tile;
    tile.m = warp.loadShared(e.f32, e.iadd(slot, e.iadd(e.imul(query, 4), shared.largest())));
    auto joined = [&] {
      tile.l = warp.loadShared(e.f32, e.iadd(slot, e.iadd(e.imul(query, 4), shared.sum())));
      Value row = e.iadd(slot, e.iadd(e.imul(query, shared.rowBytes()), e.imul(ownColumn(), 4)));
      for (int64_t c = 0; c < ownColumns(); c += 2)
        llvm::append_range(tile.o, warp.loadSharedVector(e.f32, 2, e.iadd(row, c * 4)));
      return combine(e, old, tile).values();
    };
    SmallVector<Type> types(2 + ownColumns(), e.f32);
    return State::of(
        e.ifElse(e.less(e.constant(e.f32, -kInfinity), tile.m), types, joined, [&] { return old.values(); }));
  }

  State splitState(QueryGroup &group, Value split) {
    State start = State::empty(e, ownColumns());
    auto end = e.loop(e.i64c(0), e.i64c(kSplitTiles), kWarps, start.values(), [&](Value round, ValueRange carried) {
      Value tile = e.iadd(e.iadd(e.imul(split, kSplitTiles), round), warp.index);
      Value origin = e.imul(tile, kTileKeys), slot = e.iadd(e.imul(warp.index, shared.slotBytes()), shared.slot());
      e.ifElse(
          group.seesTile(origin), {},
          [&] {
            TileProducts{group, origin}.emit(slot);
            return SmallVector<Value>();
          },
          [&] {
            e.ifThen(e.ult(warp.lane, e.i64c(kQueries)), [&] {
              warp.storeShared(e.constant(e.f32, -kInfinity),
                               e.iadd(slot, e.iadd(e.imul(warp.lane, 4), shared.largest())));
            });
            return SmallVector<Value>();
          });
      warp.barrier();
      State state = State::of(carried);
      for (int64_t from = 0; from < kWarps; ++from) state = withSlot(state, from);
      warp.barrier();
      return state.values();
    });
    return State::of(end);
  }

  void store(QueryGroup &group, const State &state) {
    Value query = e.iadd(group.first, ownQuery());
    e.ifThen(e.ult(query, queries), [&] {
      PartialLayout layout{shape};
      Value index = e.iadd(e.imul(group.rowOf(query), splits), split);
      Value base = e.at(operands.partials, e.imul(index, layout.bytes())), head = group.headOf(query);
      e.ifThen(e.ieq(ownColumn(), e.i64c(0)), [&] {
        warp.storeVector(state.m, e.at(base, e.iadd(e.imul(head, 4), layout.largest())));
        warp.storeVector(state.l, e.at(base, e.iadd(e.imul(head, 4), layout.sum())));
      });
      Value o = e.at(base, e.imul(e.iadd(e.imul(head, shape.kv.valueDim), ownColumn()), 4));
      for (int64_t c = 0; c < ownColumns(); c += 2) warp.storeVector(ArrayRef(state.o).slice(c, 2), e.at(o, c * 4));
    });
  }

  void groupOf(Value first) {
    QueryGroup group{e, warp, shape, operands, shared, unit, segment, firstRow, queries, first};
    group.open();
    Value alone = e.ieq(splits, e.i64c(1));
    Value begin = e.select(alone, e.udiv(group.firstKey(group.firstPosition), INGOT_SPLIT_TOKENS), split);
    Value end = e.iadd(e.udiv(group.lastPosition, INGOT_SPLIT_TOKENS), 1);
    end = e.select(alone, end, e.umin(end, e.iadd(split, 1)));
    auto run = e.loop(begin, end, 1, State::empty(e, ownColumns()).values(), [&](Value s, ValueRange carried) {
      return combine(e, State::of(carried), splitState(group, s)).values();
    });
    store(group, State::of(run));
    warp.barrier(); // before the next group's queries
  }
};

} // namespace

bool isTensorAttend(const AttendShape &shape) {
  auto fits = [](uint64_t dim) { return dim % 16 == 0 && dim > 0 && dim <= 256; };
  return shape.kv.elementBytes == 2 && fits(shape.kv.keyDim) && fits(shape.kv.valueDim);
}

uint64_t attendPartialBytes(const AttendShape &shape) { return PartialLayout{shape}.bytes(); }
static void emitItem(Emitter &e, Warp &warp, const AttendShape &shape, const AttendOperands &operands, unsigned terms,
                     Value number) {
  Item item{e, shape, operands, {shape, terms}, warp};
  int64_t units = shape.kv.kvHeads;
  item.splits = e.batchCount(offsetof(ingot_batch, n_splits));
  item.unit = e.urem(number, units);
  Value rest = e.udiv(number, units);
  item.split = e.b.create<arith::RemUIOp>(rest, item.splits);
  Value tile = e.at(e.batchPointer(offsetof(ingot_batch, q_tile)),
                    e.imul(e.b.create<arith::DivUIOp>(rest, item.splits), sizeof(ingot_q_tile)));
  auto field = [&](size_t offset) { return e.zext(e.i64, e.loadConstant(e.i32, e.at(tile, offset))); };
  item.segment = field(offsetof(ingot_q_tile, segment));
  item.firstRow = field(offsetof(ingot_q_tile, first_row));
  item.queries = e.imul(field(offsetof(ingot_q_tile, n_rows)), shape.heads / units);
  e.loop(e.i64c(0), item.queries, kQueries, [&](Value first) { item.groupOf(first); });
}

LogicalResult emitTensorAttend(ModuleOp module, KernelVariant &variant, const AttendShape &shape, unsigned terms,
                               llvm::function_ref<AttendOperands(Emitter &e)> operands) {
  Emitter e(module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  e.b.create<ptx::GriddepWaitOp>();
  Warp warp(e);
  auto id = [&](ptx::Register which) { return warp.wide(e.b.create<ptx::IdOp>(e.i32, which)); };
  auto loop = e.b.create<scf::ForOp>(id(ptx::Register::block), itemCount(e, variant), id(ptx::Register::blocks));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    emitItem(e, warp, shape, operands(e), terms, loop.getInductionVar());
  }
  variant.blockThreads = kWarps * 32, variant.blockItems = 1;
  variant.sharedBytes = SharedLayout{shape, terms}.bytes();
  return finishEntry(e, variant.blockThreads);
}

void emitAttendFinish(Emitter &e, const AttendShape &shape, Value partials, Value result, Value sinks) {
  PartialLayout layout{shape};
  int64_t dim = shape.kv.valueDim, blocks = dim / cpu::laneCount;
  Value splits = e.batchCount(offsetof(ingot_batch, n_splits));
  e.loop(e.begin, e.end, 1, [&](Value item) {
    Value row = e.udiv(item, shape.heads), head = e.urem(item, shape.heads);
    Value segment = e.batchI32(offsetof(ingot_batch, segment), row);
    e.ifThen(e.cmp(CmpIPredicate::sge, segment, e.i32c(0)), [&] {
      State start = State::empty(e, 0);
      start.o.assign(blocks, e.lanes(0.0));
      auto run = State::of(e.loop(e.i64c(0), splits, 1, start.values(), [&](Value split, ValueRange old) {
        Value base = e.at(partials, e.imul(e.iadd(e.imul(row, splits), split), layout.bytes()));
        State part{e.load(e.f32, e.at(base, e.iadd(e.imul(head, 4), layout.largest()))),
                   e.load(e.f32, e.at(base, e.iadd(e.imul(head, 4), layout.sum()))),
                   {}};
        for (int64_t b = 0; b < blocks; ++b)
          part.o.push_back(e.loadLanes(e.at(base, e.imul(e.iadd(e.imul(head, dim), b * cpu::laneCount), 4))));
        return combine(e, State::of(old), part).values();
      }));
      Value sum = run.l, factor;
      if (sinks) { // one more (m, l) pair without values
        LaneMath scalar(e, e.f32);
        Value sink = e.load(e.f32, e.at(sinks, e.imul(head, 4)));
        Value m = e.select(e.less(run.m, sink), sink, run.m);
        factor = math::exp(scalar, e.sub(run.m, m));
        sum = e.fma(sum, factor, math::exp(scalar, e.sub(sink, m)));
      }
      Value inverse = e.broadcast(e.div(e.constant(e.f32, 1.0), sum));
      Value to = e.at(e.at(result, e.imul(row, shape.resultStride)), e.imul(head, dim * 4));
      for (int64_t b = 0; b < blocks; ++b) {
        Value o = factor ? e.mul(run.o[b], e.broadcast(factor)) : run.o[b];
        e.store(e.mul(o, inverse), e.at(to, b * cpu::laneCount * 4));
      }
    });
  });
}

} // namespace ingot::cuda
