// Joining (m, l, o), and the grid that sums the splits: row by row, on lanes.
#include "compiler/kernels/cuda/AttendLayout.h"
#include "compiler/kernels/cuda/AttendState.h"

using namespace mlir;

namespace ingot::cuda {

using cpu::Emitter;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

Value exponential(Emitter &e, Value x) {
  Value power = e.mul(x, e.constant(e.f32, 0x1.715476p+0)); // log2 e
  return e.intrinsic("llvm.nvvm.ex2.approx.ftz.f", e.f32, power);
}

Joined join(Emitter &e, Value m, Value l, Value partM, Value partL) {
  Value seen = e.less(e.constant(e.f32, -kInfinity), partM);
  Value largest = e.select(e.less(m, partM), partM, m);
  Value alpha = exponential(e, e.sub(m, largest)), beta = exponential(e, e.sub(partM, largest));
  Value sum = e.fma(l, alpha, e.mul(partL, beta));
  return {seen, e.select(seen, largest, m), e.select(seen, sum, l), alpha, beta};
}

Value Joined::column(Emitter &e, Value mine, Value theirs) const {
  auto like = [&](Value scalar) { return isa<VectorType>(mine.getType()) ? e.broadcast(scalar) : scalar; };
  return e.select(like(seen), e.fma(mine, like(alpha), e.mul(theirs, like(beta))), mine);
}

AttendState AttendState::empty(Emitter &e, size_t columns, Type type) {
  return {e.constant(e.f32, -kInfinity), e.constant(e.f32, 0), SmallVector<Value>(columns, e.constant(type, 0))};
}

SmallVector<Value> AttendState::values() const {
  SmallVector<Value> all{m, l};
  llvm::append_range(all, o);
  return all;
}

AttendState combine(Emitter &e, const AttendState &old, const AttendState &part) {
  Joined joined = join(e, old.m, old.l, part.m, part.l);
  AttendState next{joined.m, joined.l, {}};
  for (auto [mine, theirs] : llvm::zip(old.o, part.o)) next.o.push_back(joined.column(e, mine, theirs));
  return next;
}

uint64_t attendPartialBytes(const cpu::AttendShape &shape) { return PartialLayout{shape}.bytes(); }

namespace {
struct Finish {
  Emitter &e;
  const cpu::AttendShape &shape;
  Value partials, sinks, row, head;
  PartialLayout layout{shape};
  int64_t blocks = shape.kv.valueDim / cpu::laneCount;

  AttendState part(Value splits, Value split) {
    Value base = e.at(partials, e.imul(e.iadd(e.imul(row, splits), split), layout.bytes()));
    auto scalar = [&](int64_t array) { return e.load(e.f32, e.at(base, e.iadd(e.imul(head, 4), array))); };
    AttendState part{scalar(layout.largest()), scalar(layout.sum()), {}};
    for (int64_t b = 0; b < blocks; ++b)
      part.o.push_back(e.loadLanes(e.at(base, e.imul(e.iadd(e.imul(head, shape.kv.valueDim), b * cpu::laneCount), 4))));
    return part;
  }

  // The sum of exponentials with the sink's, one more (m, l) pair without values; and what o is to be multiplied by.
  std::pair<Value, Value> withSink(const AttendState &run) {
    if (!sinks) return {run.l, {}};
    Value sink = e.load(e.f32, e.at(sinks, e.imul(head, 4)));
    Value m = e.select(e.less(run.m, sink), sink, run.m), factor = exponential(e, e.sub(run.m, m));
    return {e.fma(run.l, factor, exponential(e, e.sub(sink, m))), factor};
  }

  void emit(Value result) {
    Value splits = e.batchCount(offsetof(ingot_batch, n_splits));
    auto start = AttendState::empty(e, blocks, e.lanesType());
    auto run = AttendState::of(e.loop(e.i64c(0), splits, 1, start.values(), [&](Value split, ValueRange old) {
      return combine(e, AttendState::of(old), part(splits, split)).values();
    }));
    auto [sum, factor] = withSink(run);
    Value inverse = e.broadcast(e.div(e.constant(e.f32, 1.0), sum));
    Value to = e.at(e.at(result, e.imul(row, shape.resultStride)), e.imul(head, shape.kv.valueDim * 4));
    for (int64_t b = 0; b < blocks; ++b) {
      Value o = factor ? e.mul(run.o[b], e.broadcast(factor)) : run.o[b];
      e.store(e.mul(o, inverse), e.at(to, b * cpu::laneCount * 4));
    }
  }
};
} // namespace

void emitAttendFinish(Emitter &e, const cpu::AttendShape &shape, Value partials, Value result, Value sinks) {
  e.loop(e.begin, e.end, 1, [&](Value item) {
    Value row = e.udiv(item, shape.heads), head = e.urem(item, shape.heads);
    Value segment = e.batchI32(offsetof(ingot_batch, segment), row);
    e.guard(e.cmp(arith::CmpIPredicate::sge, segment, e.i32c(0)),
            [&] { Finish{e, shape, partials, sinks, row, head}.emit(result); });
  });
}

} // namespace ingot::cuda
