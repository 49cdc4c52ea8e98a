// One CTA's share of an attention: 16 packed queries at a time against a split of keys, a tile of 64 a warp; the warps'
// results meet in shared memory, and 8 threads own a query each time tiles are joined.
#include "compiler/kernels/cuda/Attend.h"
#include "compiler/kernels/cuda/AttendState.h"
#include "compiler/kernels/cuda/AttendTile.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using cpu::AttendShape;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Columns of a piece that meet in shared memory at once, [first, first + count).
struct Columns {
  int64_t first, count;
};

/// Of `columns`, a thread owns runs of 4 (or 2) every 8 * 4 (2), from its own place on: (first, length).
SmallVector<std::pair<int64_t, unsigned>> runsOf(const Columns &columns) {
  SmallVector<std::pair<int64_t, unsigned>> runs;
  for (int64_t i = 0; i < columns.count / 32; ++i) runs.push_back({i * 32, 4});
  if (columns.count % 32) runs.push_back({columns.count / 32 * 32, 2});
  return runs;
}

/// The CTA's item.
struct Item {
  TensorEmitter &m;
  const AttendLayout &layout;
  const AttendOperands &operands;
  KvStream &stream;
  Value unit = {}, split = {}, splits = {}, segment = {}, firstRow = {}, queries = {}; // i32 but splits: i64
  Emitter &e = m.e;
  const AttendShape &shape = layout.shape;
  int64_t ownColumns = layout.values.steps * 2;

  Value ownQuery() { return e.lshr(m.thread, 3); }
  Value ownPlace() { return e.iand(m.thread, e.i32c(7)); }
  SmallVector<Columns> exchanges(int64_t piece) {
    SmallVector<Columns> all;
    int64_t end = layout.values.size(piece) * 16, most = layout.exchangeColumns();
    for (int64_t first = 0; first < end; first += most) all.push_back({first, std::min(most, end - first)});
    return all;
  }

  //===- what a warp leaves for the others ------------------------------------------------------------------------===//

  Value ownSlot() { return m.shared(e.iadd(e.imul(m.warp, layout.slotBytes()), layout.slot(0))); }

  void leaveSums(const TileWeights &result) {
    for (int half : {0, 1}) {
      Value at = m.advance(m.advance(ownSlot(), e.shl(m.g, 2)), half * 32);
      m.store(result.m[half], m.advance(at, layout.slotLargest()));
      m.store(result.l[half], m.advance(at, layout.slotSum()));
    }
  }
  void leaveNothing() {
    e.ifThen(e.ult(m.lane, e.i32c(kQueries)), [&] {
      m.store(e.constant(e.f32, -kInfinity), m.advance(m.advance(ownSlot(), e.shl(m.lane, 2)), layout.slotLargest()));
    });
  }
  void leaveColumns(const Columns &columns, ValueRange o) {
    Value at = m.advance(ownSlot(), e.iadd(e.imul(m.g, layout.slotPitch()), e.shl(m.t, 3)));
    for (int64_t i = 0; i < columns.count / 8; ++i)
      for (int half : {0, 1})
        m.store(o.slice((columns.first / 8 + i) * 4 + half * 2, 2),
                m.advance(at, half * 8 * layout.slotPitch() + i * 32));
  }

  //===- joining --------------------------------------------------------------------------------------------------===//

  // The tiles of a round, in order: (m, l) further, and how each joins.
  SmallVector<Joined> joinSums(AttendState &state) {
    SmallVector<Joined> joined;
    for (int64_t warp = 0; warp < kAttendWarps; ++warp) {
      Value at = m.shared(e.iadd(e.shl(ownQuery(), 2), layout.slot(warp)));
      Value largest = m.loadWord(m.advance(at, layout.slotLargest()), e.f32);
      Value seen = e.less(e.constant(e.f32, -kInfinity), largest);
      auto sum = e.ifElse(
          seen, e.f32, [&] { return SmallVector<Value>{m.loadWord(m.advance(at, layout.slotSum()), e.f32)}; },
          [&] { return SmallVector<Value>{m.zero()}; });
      joined.push_back(join(e, state.m, state.l, largest, sum[0]));
      state.m = joined.back().m, state.l = joined.back().l;
    }
    return joined;
  }

  // Own columns of `columns`; of a tile that the query did not see nothing is read.
  void joinColumns(const Columns &columns, ArrayRef<Joined> joined, MutableArrayRef<Value> o) {
    SmallVector<Type> types(o.size(), e.f32);
    for (auto [warp, how] : llvm::enumerate(joined)) {
      auto theirs = [&, warp = warp, how = how] {
        Value row = m.shared(e.iadd(e.imul(ownQuery(), layout.slotPitch()), layout.slot(warp)));
        SmallVector<Value> next;
        for (auto [first, length] : runsOf(columns)) {
          Value at = m.advance(m.advance(row, e.imul(ownPlace(), int64_t(length * 4))), first * 4);
          for (Value v : m.load(at, length, e.f32))
            next.push_back(e.fma(o[next.size()], how.alpha, e.mul(v, how.beta)));
        }
        return next;
      };
      llvm::copy(e.ifElse(how.seen, types, theirs, [&] { return SmallVector<Value>(o.begin(), o.end()); }), o.begin());
    }
  }

  // A tile a warp, joined to `state`.
  void round(QueryGroup &group, const TileKeys &tile, const TileKeys &next, AttendState &state) {
    SmallVector<Type> registers(kTileBlocks * layout.terms * 4, e.i32);
    auto p = e.ifElse(
        tile.seen, registers,
        [&] {
          TileWeights weights = emitWeights(group, stream, tile, next);
          leaveSums(weights);
          return weights.p;
        },
        [&] {
          leaveNothing();
          stream.begin(group, next);
          return SmallVector<Value>(registers.size(), e.i32c(0));
        });
    Value m0 = state.m, l0 = state.l;
    MutableArrayRef<Value> own(state.o);
    for (int64_t piece = 0; piece < layout.values.count(); ++piece) {
      SmallVector<Type> types(layout.values.size(piece) * 8, e.f32);
      auto o = e.ifElse(
          tile.seen, types, [&] { return emitValues(group, stream, tile, next, piece, p); },
          [&] { return SmallVector<Value>(types.size(), m.zero()); });
      for (const Columns &columns : exchanges(piece)) {
        e.ifThen(tile.seen, [&] { leaveColumns(columns, o); });
        m.barrier();
        state.m = m0, state.l = l0; // made again each time: that is cheaper than to keep all factors in registers
        auto joined = joinSums(state);
        joinColumns(columns, joined, own.take_front(columns.count / 8));
        own = own.drop_front(columns.count / 8);
        m.barrier();
      }
    }
  }

  //===- a group --------------------------------------------------------------------------------------------------===//

  // State of the group's queries after splits [begin, end), joined from nothing.
  AttendState overSplits(QueryGroup &group, Value begin, Value end) {
    Value own = e.iadd(e.imul(begin, INGOT_SPLIT_TOKENS), e.imul(m.warp, kTileKeys));
    TileKeys first = TileKeys::of(group, own);
    stream.begin(group, first);
    group.loadQueries();
    m.barrier();
    AttendState empty = AttendState::empty(e, ownColumns, e.f32);
    SmallVector<Value> carried{first.page[0], first.page[1], first.seen, first.origin};
    llvm::append_range(carried, empty.values());
    auto all = e.loop(begin, end, 1, carried, [&](Value, ValueRange outer) {
      SmallVector<Value> inner(outer.take_front(4));
      llvm::append_range(inner, empty.values());
      auto split = e.loop(e.i32c(0), e.i32c(kSplitRounds), 1, inner, [&](Value, ValueRange values) {
        TileKeys tile{values[3], values[2], {values[0], values[1]}};
        TileKeys next = TileKeys::of(group, e.iadd(tile.origin, kRoundKeys));
        AttendState state = AttendState::of(values.drop_front(4));
        round(group, tile, next, state);
        SmallVector<Value> after{next.page[0], next.page[1], next.seen, next.origin};
        llvm::append_range(after, state.values());
        return after;
      });
      SmallVector<Value> after(ArrayRef(split).take_front(4));
      auto part = AttendState::of(ValueRange(split).drop_front(4));
      llvm::append_range(after, combine(e, AttendState::of(outer.drop_front(4)), part).values());
      return after;
    });
    return AttendState::of(ValueRange(all).drop_front(4));
  }

  void store(QueryGroup &group, const AttendState &state) {
    Value query = e.iadd(group.first, ownQuery());
    e.guard(e.cmp(arith::CmpIPredicate::ule, query, group.last), [&] {
      PartialLayout partial{shape};
      Value index = e.iadd(e.imul(m.wide(group.rowOf(query)), splits), m.wide(split)), head = group.headOf(query);
      Value base = m.advance(m.global(operands.partials), e.imul(index, partial.bytes()));
      e.ifThen(e.ieq(ownPlace(), e.i32c(0)), [&] {
        Value at = m.advance(base, e.shl(head, 2));
        m.store(state.m, m.advance(at, partial.largest()));
        m.store(state.l, m.advance(at, partial.sum()));
      });
      Value to = m.advance(base, e.imul(head, shape.kv.valueDim * 4));
      size_t done = 0;
      for (int64_t piece = 0; piece < layout.values.count(); ++piece)
        for (const Columns &columns : exchanges(piece))
          for (auto [first, length] : runsOf(columns)) {
            Value at = m.advance(to, e.imul(ownPlace(), int64_t(length * 4)));
            at = m.advance(at, (layout.values.first(piece) * 16 + columns.first + first) * 4);
            m.store(ValueRange(state.o).slice(done, length), at);
            done += length;
          }
    });
  }

  // Whether some thread of the CTA has a value that is no number; the CTA meets.
  Value poisoned(const AttendState &state) {
    Value good = e.integer(e.i1, 1);
    for (Value o : state.o) good = e.iand(good, e.less(e.abs(o), e.constant(e.f32, kInfinity)));
    Value all = e.b.create<ptx::VoteOp>(e.i1, ptx::VoteMode::all, good, e.i32c(TensorEmitter::everyLane));
    e.ifThen(e.ieq(m.lane, e.i32c(0)),
             [&] { m.store(e.zext(e.i32, all), m.shared(e.iadd(e.shl(m.warp, 2), layout.flags()))); });
    m.barrier();
    auto flags = m.load(m.shared(e.i32c(layout.flags())), kAttendWarps);
    Value every = flags[0];
    for (Value flag : ArrayRef(flags).drop_front()) every = e.iand(every, flag);
    return e.ieq(every, e.i32c(0));
  }

  // Queries `first` to `last` at once. Returns whether what a later row sees may have reached an earlier one.
  Value groupOf(Value first, Value last) {
    QueryGroup group{m, layout, operands, unit, segment, firstRow, first, last};
    group.open();
    Value alone = e.ieq(splits, e.i64c(1));
    Value begin = e.select(alone, e.udiv(group.firstKey, INGOT_SPLIT_TOKENS), split);
    Value end = e.iadd(e.udiv(group.lastPosition, INGOT_SPLIT_TOKENS), 1);
    end = e.select(alone, end, e.umin(end, e.iadd(split, 1)));
    group.lastKey = e.umin(group.lastPosition, e.iadd(e.imul(end, INGOT_SPLIT_TOKENS), -1));
    AttendState state = overSplits(group, begin, end);
    store(group, state);
    return e.iand(e.cmp(arith::CmpIPredicate::ne, group.firstPosition, group.lastPosition), poisoned(state));
  }

  // The tile's queries (some: a tile has rows), 16 at once. If a value of infinity (or NaN) poisons those that do not
  // see it (0 * inf), the 16 come again, row by row. What a group does not take the next one does, so that a group must
  // end where it says.
  void groups() {
    int64_t heads = shape.heads / shape.kv.kvHeads;
    Value last = e.iadd(queries, -1), yes = e.integer(e.i1, 1);
    OpBuilder::InsertionGuard guard(e.b);
    auto loop = e.b.create<scf::WhileOp>(TypeRange{e.i32, e.i1}, ValueRange{e.i32c(0), e.integer(e.i1, 0)});
    SmallVector<Location> places(2, e.b.getLoc());
    Block *body = e.b.createBlock(&loop.getBefore(), {}, loop->getResultTypes(), places);
    Value from = body->getArgument(0), byRow = body->getArgument(1);
    Value all = e.ior(from, e.i32c(kQueries - 1)), rowEnd = e.iadd(e.imul(e.udiv(from, heads), heads), heads - 1);
    Value to = e.clamp(e.select(byRow, e.umin(rowEnd, all), all), last);
    Value again = e.iand(groupOf(from, to), e.ixor(byRow, yes));
    Value next = e.select(again, from, e.iadd(to, 1));
    Value within = e.cmp(arith::CmpIPredicate::ne, e.urem(next, kQueries), e.i32c(0)); // the 16 go on
    Value more = e.ior(again, e.ult(to, last));
    e.b.create<scf::ConditionOp>(more, ValueRange{next, e.ior(again, e.iand(byRow, within))});
    Block *after = e.b.createBlock(&loop.getAfter(), {}, loop->getResultTypes(), places);
    e.b.create<scf::YieldOp>(after->getArguments());
  }
};

void emitItem(TensorEmitter &m, const AttendLayout &layout, const AttendOperands &operands, KvStream &stream,
              Value number) {
  Emitter &e = m.e;
  Item item{m, layout, operands, stream};
  int64_t units = layout.shape.kv.kvHeads;
  item.splits = e.batchCount(offsetof(ingot_batch, n_splits));
  Value rest = e.udiv(number, units);
  item.unit = e.trunc(e.i32, e.urem(number, units));
  item.split = e.trunc(e.i32, e.b.create<arith::RemUIOp>(rest, item.splits));
  Value tile = e.at(e.batchPointer(offsetof(ingot_batch, q_tile)),
                    e.imul(e.b.create<arith::DivUIOp>(rest, item.splits), sizeof(ingot_q_tile)));
  auto field = [&](size_t offset) { return e.loadConstant(e.i32, e.at(tile, offset)); };
  item.segment = field(offsetof(ingot_q_tile, segment));
  item.firstRow = field(offsetof(ingot_q_tile, first_row));
  item.queries = e.imul(field(offsetof(ingot_q_tile, n_rows)), layout.shape.heads / units);
  item.groups();
}

} // namespace

// The most columns for which ptxas finds registers without spilling.
bool isTensorAttend(const AttendShape &shape, bool exactActivations) {
  bool wide = shape.kv.elementBytes == 4;
  if (wide && exactActivations) return false;
  uint64_t most = exactActivations ? 96 : wide ? 128 : 256;
  auto fits = [&](uint64_t dim) { return dim % 16 == 0 && dim > 0 && dim <= most; };
  return fits(shape.kv.keyDim) && fits(shape.kv.valueDim);
}

unsigned attendTerms(const AttendShape &shape, bool exactActivations) {
  if (!exactActivations) return shape.kv.elementBytes == 4 ? 2 : 1;
  return shape.kv.bf16 ? 3 : 2;
}

LogicalResult emitTensorAttend(ModuleOp module, KernelVariant &variant, const AttendShape &shape, unsigned terms,
                               llvm::function_ref<AttendOperands(Emitter &e)> operands) {
  Emitter e(module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  e.b.create<ptx::GriddepWaitOp>();
  TensorEmitter m(e);
  AttendLayout layout{shape, terms};
  KvStream stream(m, layout);
  auto id = [&](ptx::Register which) { return m.wide(e.b.create<ptx::IdOp>(e.i32, which)); };
  auto loop = e.itemLoop(id(ptx::Register::block), itemCount(e, variant), id(ptx::Register::blocks));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    emitItem(m, layout, operands(e), stream, loop.getInductionVar());
  }
  variant.blockThreads = kAttendWarps * 32, variant.blockItems = 1;
  variant.sharedBytes = layout.bytes();
  return finishEntry(e, variant.blockThreads);
}

} // namespace ingot::cuda
