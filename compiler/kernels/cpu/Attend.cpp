// The frame of attention kernels: grid items, bands of rows, the loop over tiles of keys, the final division.
#include "compiler/kernels/cpu/Attend.h"
#include "compiler/kernels/cpu/AttendBand.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"

using namespace mlir;

namespace ingot::cpu {

Value Band::firstKey(Value position) const {
  if (!shape.window) return e.i64c(0);
  Value window = e.i64c(shape.window - 1);
  return e.isub(position, e.umin(position, window));
}

Range Band::visible(int64_t row, Value origin) const {
  Value end = e.clamp(e.iadd(origin, kTileTokens), e.iadd(position[row], 1));
  if (!shape.window) return {origin, end};
  return {e.b.create<arith::MaxUIOp>(origin, firstKey(position[row])), end};
}

Value Band::page(Value position) const {
  Value index = e.zext(e.i64, e.loadConstant(e.i32, e.at(table, e.imul(e.udiv(position, kPageTokens), 4))));
  return e.at(pool, e.iadd(e.imul(index, shape.kv.pageBytes()), head));
}

Value Band::pageAhead(Value position) const {
  if (rows > 1) return {};
  return page(e.umin(e.iadd(position, kPrefetchTokens), this->position.back()));
}

Value Band::loadCached(Value address, int64_t count) const {
  Value v = e.load(e.vec(element(), count), address);
  if (shape.kv.elementBytes == 4) return v;
  if (!shape.kv.bf16) return e.extendHalf(v);
  return e.bitcast(e.vec(e.f32, count), e.shl(e.zext(e.vec(e.i32, count), v), 16));
}

namespace {

struct Item {
  Emitter &e;
  const AttendShape &shape;
  const AttendOperands &operands;
  Value slopes; // of all heads; null: none
  Value unit, segment, firstRow, lastRow;
  int64_t groupHeads = shape.heads / shape.kv.kvHeads;

  // A field of batch->kv[group].
  Value view(Type type, size_t offset) {
    Value views = e.batchPointer(offsetof(ingot_batch, kv));
    return e.loadConstant(type, e.at(views, shape.kv.group * sizeof(ingot_kv_view) + offset));
  }

  Value row(Value first, int64_t i) { return i ? e.clamp(e.iadd(first, i), lastRow) : first; }

  Band openBand(int64_t rows, Value first) {
    Band band{e, shape, rows, groupHeads, {}, {}, {}, {}, {}, {}};
    for (int64_t r = 0; r < rows; ++r) {
      Value index = row(first, r);
      band.position.push_back(e.zext(e.i64, e.batchI32(offsetof(ingot_batch, position), index)));
      Value queries = e.at(operands.query, e.imul(index, shape.queryStride));
      band.query.push_back(e.at(queries, e.imul(unit, groupHeads * shape.kv.keyDim * 4)));
    }
    band.pool = view(e.ptr, offsetof(ingot_kv_view, pool));
    Value stride = view(e.i64, offsetof(ingot_kv_view, table_stride));
    band.table = e.at(view(e.ptr, offsetof(ingot_kv_view, block_table)), e.imul(e.imul(segment, stride), 4));
    band.head = e.iadd(e.imul(operands.layer, shape.kv.layerBytes()), e.imul(unit, shape.kv.headBytes()));
    if (slopes) band.slopes = e.at(slopes, e.imul(unit, groupHeads * 4));
    return band;
  }

  // (m, l, o) = (-inf, 0, 0), and each query's position.
  void reset(Band &band) {
    const BandScratch &s = band.scratch;
    e.loop(e.i64c(s.values()), e.i64c(s.array(0)), 64, [&](Value i) { e.store(e.lanes(0.0), e.at(e.scratch, i), 64); });
    for (int64_t q = 0; q < s.padded(); q += laneCount) {
      e.store(e.lanes(-std::numeric_limits<double>::infinity()), band.slot(s.largest() + 4 * q), 64);
      for (int64_t array : {s.sum(), s.tileLargest(), s.tileSum(), s.alpha(), s.beta(), s.position()})
        e.store(e.lanes(0.0), band.slot(array + 4 * q), 64);
    }
    for (int64_t q = 0; q < band.queries(); ++q)
      e.store(e.trunc(e.i32, band.position[band.rowOf(q)]), band.slot(s.position() + 4 * q));
  }

  struct Ending {
    Value sum, alpha; // f32; no alpha: 1
  };

  // The sink of query head g of the unit joins as one more (m, l) pair without values.
  Ending joinSink(Band &band, Value q, Value g) {
    auto state = [&](int64_t array) { return e.load(e.f32, e.at(band.slot(array), e.imul(q, 4))); };
    Value l = state(band.scratch.sum());
    if (!operands.sinks) return {l, {}};
    LaneMath a(e, e.f32);
    Value head = e.iadd(e.imul(unit, groupHeads), g), m = state(band.scratch.largest());
    Value sink = e.loadConstant(e.f32, e.at(operands.sinks, e.imul(head, 4)));
    Value largest = e.select(e.less(m, sink), sink, m);
    Value alpha = math::exp(a, e.sub(m, largest));
    return {e.fma(l, alpha, math::exp(a, e.sub(sink, largest))), alpha};
  }

  // o * (1 / l) of the rows that exist.
  void finish(Band &band, Value first) {
    Value one = e.constant(e.f32, 1.0);
    int64_t width = valueWidth();
    for (int64_t r = 0; r < band.rows; ++r) {
      auto store = [&] {
        Value out = e.at(operands.result, e.imul(e.iadd(first, r), shape.resultStride));
        out = e.at(out, e.imul(unit, groupHeads * shape.kv.valueDim * 4));
        e.loop(groupHeads, [&](Value g) {
          Value q = e.iadd(g, r * groupHeads);
          Ending end = joinSink(band, q, g);
          Value inverse = e.broadcast(e.div(one, end.sum), width);
          Value alpha = end.alpha ? e.broadcast(end.alpha, width) : Value();
          Value from = e.at(band.slot(band.scratch.values()), e.imul(q, shape.kv.valueDim * 4));
          Value to = e.at(out, e.imul(g, shape.kv.valueDim * 4));
          for (int64_t d = 0; d < int64_t(shape.kv.valueDim); d += width) {
            Value o = e.load(e.vec(e.f32, width), e.at(from, 4 * d));
            e.store(e.mul(alpha ? e.mul(o, alpha) : o, inverse), e.at(to, 4 * d));
          }
        });
      };
      if (r == 0)
        store();
      else
        e.guard(e.cmp(arith::CmpIPredicate::ule, e.iadd(first, r), lastRow), store);
    }
  }

  // The widest vector that divides a value row.
  int64_t valueWidth() {
    int64_t width = laneCount;
    while (shape.kv.valueDim % width) width /= 2;
    return width;
  }

  void bandOf(int64_t rows, Value first) {
    Band band = openBand(rows, first);
    reset(band);
    Value begin = e.udiv(band.firstKey(band.position.front()), kTileTokens);
    Value end = e.iadd(e.udiv(band.position.back(), kTileTokens), 1);
    e.loop(begin, end, 1, [&](Value tile) {
      Value origin = e.imul(tile, kTileTokens);
      emitScores(band, origin);
      emitSoftmax(band, origin);
      emitValues(band, origin);
    });
    finish(band, first);
  }

  // A single row (decode) gets a band of its own size.
  void emit() {
    int64_t rows = bandRows(shape);
    Value end = e.iadd(lastRow, 1);
    if (rows == 1) return e.loop(firstRow, end, 1, [&](Value row) { bandOf(1, row); });
    e.ifElse(
        e.ieq(firstRow, lastRow), {},
        [&] {
          bandOf(1, firstRow);
          return SmallVector<Value>();
        },
        [&] {
          e.loop(firstRow, end, rows, [&](Value row) { bandOf(rows, row); });
          return SmallVector<Value>();
        });
  }
};

} // namespace

uint64_t attendScratchBytes(const AttendShape &shape) {
  int64_t queries = bandRows(shape) * (shape.heads / shape.kv.kvHeads);
  return BandScratch{queries, int64_t(shape.kv.valueDim)}.bytes();
}

void emitAttend(Emitter &e, const AttendShape &shape, const AttendOperands &operands) {
  Value slopes = shape.slopes.empty() ? Value() : e.floatTable(shape.slopes);
  e.loop(e.begin, e.end, 1, [&](Value item) { // of one split, whatever n_splits says
    Value tile = e.at(e.batchPointer(offsetof(ingot_batch, q_tile)),
                      e.imul(e.udiv(item, shape.kv.kvHeads), sizeof(ingot_q_tile)));
    auto field = [&](size_t offset) { return e.zext(e.i64, e.loadConstant(e.i32, e.at(tile, offset))); };
    Value first = field(offsetof(ingot_q_tile, first_row));
    Value last = e.iadd(e.iadd(first, field(offsetof(ingot_q_tile, n_rows))), -1);
    Item{e,     shape, operands, slopes, e.urem(item, shape.kv.kvHeads), field(offsetof(ingot_q_tile, segment)),
         first, last}
        .emit();
  });
}

} // namespace ingot::cpu
