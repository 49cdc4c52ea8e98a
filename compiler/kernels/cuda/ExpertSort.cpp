// Products sorted by expert, by one CTA: a counting sort. Warps take every `warps`-th run of 32 products; a product's
// place among the equals of its run comes from ballots over the bits of its expert, the runs' from counts of each warp.
//
// Shared memory: [warp][expert] counts, later places | [expert] totals.
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/ExpertItems.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

constexpr uint32_t kMostCountBytes = 32 << 10;

uint32_t warpsOf(const ExpertTable &table, uint32_t threads) { // that count
  uint64_t own = table.shape.experts * 4;
  return std::clamp<uint64_t>(kMostCountBytes / own, 1, threads / 32);
}

struct Sort {
  TensorEmitter &m;
  const ExpertTable &table;
  Value indices, target, counts; // ptr<1>, ptr<1>, ptr<3>
  uint32_t threads, tokens;
  Emitter &e = m.e;
  int64_t experts = table.shape.experts, slots = table.shape.slots;
  uint32_t warps = warpsOf(table, threads);
  Value products = table.products(e);
  Value own = m.advance(counts, e.imul(m.warp, experts * 4)); // of the warp
  Value totals = m.advance(counts, int64_t(warps) * experts * 4);

  // A run's products, one a lane; `expert` is `experts` behind the last one. Rows up to the next 64 may be read, which
  // is at least as far as a run goes.
  struct Run {
    Value product, real, expert, count, before; // i32: of equals in the run, and of those in lower lanes
  };
  Run runAt(Value first) {
    Run run;
    run.product = e.iadd(first, m.lane);
    run.real = e.ult(run.product, products);
    Value row = e.imul(e.zext(e.i64, e.udiv(run.product, slots)), int64_t(cpu::rowStride(slots)));
    Value at = e.iadd(row, e.zext(e.i64, e.shl(e.urem(run.product, slots), 2)));
    Value expert = cpu::expertOf(e, table.shape, m.loadWord(m.advance(indices, at), e.f32));
    run.expert = e.select(run.real, e.trunc(e.i32, expert), e.i32c(experts));
    Value equals = e.i32c(-1), all = e.i32c(TensorEmitter::everyLane);
    for (int64_t bit = 0; bit <= llvm::Log2_64(experts); ++bit) {
      Value set = e.ieq(e.iand(e.lshr(run.expert, bit), e.i32c(1)), e.i32c(1));
      Value vote = e.b.create<ptx::BallotOp>(e.i32, set, all);
      equals = e.iand(equals, e.select(set, vote, e.ixor(vote, e.i32c(-1))));
    }
    Value lower = e.isub(e.b.create<arith::ShLIOp>(e.i32c(1), m.lane), e.i32c(1));
    run.count = e.b.create<LLVM::CtPopOp>(e.i32, equals);
    run.before = e.b.create<LLVM::CtPopOp>(e.i32, e.iand(equals, lower));
    return run;
  }
  Value placeOf(const Run &run) { return m.advance(own, e.shl(e.umin(run.expert, e.i32c(experts - 1)), 2)); }

  // body(run, what the warp has counted for its expert so far); the first of the equals counts them.
  void forRuns(llvm::function_ref<void(const Run &, Value)> body) {
    auto runs = [&] {
      e.loop(e.shl(m.warp, 5), products, int64_t(warps) * 32, [&](Value first) {
        Run run = runAt(first);
        Value place = placeOf(run), sofar = m.loadWord(place);
        m.warpSync();
        Value counts = e.iand(run.real, e.ieq(run.before, e.i32c(0)));
        e.ifThen(counts, [&] { m.store(e.iadd(sofar, run.count), place); });
        body(run, sofar);
        m.warpSync();
      });
    };
    warps * 32 == threads ? runs() : e.guard(e.ult(m.warp, e.i32c(warps)), runs);
  }

  void count() {
    auto clear = [&] {
      e.loop(m.lane, e.i32c(experts), 32, [&](Value i) { m.store(e.i32c(0), m.advance(own, e.shl(i, 2))); });
    };
    warps * 32 == threads ? clear() : e.guard(e.ult(m.warp, e.i32c(warps)), clear);
    m.warpSync();
    forRuns([](const Run &, Value) {});
  }

  Value countOf(Value warp, Value expert) { // ptr<3>
    return m.advance(counts, e.shl(e.iadd(e.imul(warp, experts), expert), 2));
  }
  void add() {
    e.loop(m.thread, e.i32c(experts), threads, [&](Value expert) {
      auto sum = e.loop(e.i32c(0), e.i32c(warps), 1, {e.i32c(0)}, [&](Value warp, ValueRange sum) {
        return SmallVector<Value>{e.iadd(sum[0], m.loadWord(countOf(warp, expert)))};
      });
      m.store(sum[0], m.advance(totals, e.shl(expert, 2)));
    });
  }

  // Every expert's place in the list and its tiles; counts become places.
  void place() {
    Value tiles = table.tiles(m, target);
    auto tilesOf = [&](Value products) { return e.udiv(e.iadd(products, int64_t(tokens) - 1), tokens); };
    auto totalOf = [&](Value expert) { return m.loadWord(m.advance(totals, e.shl(expert, 2))); };
    e.loop(m.thread, e.i32c(experts), threads, [&](Value expert) {
      auto before = e.loop(e.i32c(0), expert, 1, {e.i32c(0), e.i32c(0)}, [&](Value other, ValueRange sums) {
        Value total = totalOf(other);
        return SmallVector<Value>{e.iadd(sums[0], total), e.iadd(sums[1], tilesOf(total))};
      });
      Value total = totalOf(expert), own = tilesOf(total);
      e.loop(e.i32c(0), own, 1, [&](Value i) {
        Value done = e.imul(i, int64_t(tokens));
        Value to = m.advance(tiles, e.shl(e.iadd(before[1], i), 4));
        m.store({expert, e.iadd(before[0], done), e.umin(e.i32c(tokens), e.isub(total, done)), e.i32c(0)}, to);
      });
      e.ifThen(e.ieq(expert, e.i32c(experts - 1)), [&] { m.store(e.iadd(before[1], own), target); });
      e.loop(e.i32c(0), e.i32c(warps), 1, {before[0]}, [&](Value warp, ValueRange first) {
        Value at = countOf(warp, expert), count = m.loadWord(at);
        m.store(first[0], at);
        return SmallVector<Value>{e.iadd(first[0], count)};
      });
    });
  }

  // A CTA of one warp has counted behind a wait of its own, and needs no more than that for the others.
  void wait() { threads == 32 ? m.warpSync() : m.barrier(); }

  void emit() {
    count();
    if (threads > 32) m.barrier();
    add();
    wait();
    place();
    wait();
    Value list = m.advance(target, ExpertTable::kHeaderBytes);
    e.loop(m.thread, e.i32c(ExpertTable::kMostTokens), threads,
           [&](Value i) { m.store(e.i32c(0), m.advance(list, e.shl(e.iadd(products, i), 2))); });
    forRuns([&](const Run &run, Value first) {
      e.guard(run.real, [&] { m.store(run.product, m.advance(list, e.shl(e.iadd(first, run.before), 2))); });
    });
  }
};
} // namespace

uint32_t expertSortBytes(const ExpertTable &table, uint32_t threads) {
  return (warpsOf(table, threads) + 1) * table.shape.experts * 4;
}

void emitExpertSort(TensorEmitter &m, const ExpertTable &table, Value indices, Value target, uint32_t tokens,
                    uint32_t threads) {
  Sort{m, table, indices, target, m.shared(m.e.i32c(0)), threads, tokens}.emit();
}

} // namespace ingot::cuda
