// 16 packed queries: which they are, what they see, and their fragments.
#include "compiler/kernels/cuda/AttendTile.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

/// 2^k and 2^-k.
struct PowerOfTwo {
  Value factor, inverse;
};

// `factor` brings x >= 0 into [2^14, 2^15): below f16's largest, far above its subnormals; tiny x gets 2^126.
PowerOfTwo powerBelow(Emitter &e, Value x) {
  Value exponent = e.smax(e.lshr(e.bitcast(e.i32, x), 23), e.i32c(15));
  auto power = [&](Value biased) { return e.bitcast(e.f32, e.shl(biased, 23)); };
  return {power(e.isub(e.i32c(127 + 14 + 127), exponent)), power(e.iadd(exponent, -14))};
}

} // namespace

Value QueryGroup::windowOf(Value position) {
  if (!shape.window) return e.i32c(0);
  return e.isub(position, e.umin(position, e.i32c(shape.window - 1)));
}

void QueryGroup::open() {
  auto view = [&](Type type, size_t offset) {
    Value views = e.batchPointer(offsetof(ingot_batch, kv));
    return e.loadConstant(type, e.at(views, shape.kv.group * sizeof(ingot_kv_view) + offset));
  };
  pool = view(e.ptr, offsetof(ingot_kv_view, pool));
  Value stride = view(e.i64, offsetof(ingot_kv_view, table_stride));
  table = e.at(view(e.ptr, offsetof(ingot_kv_view, block_table)), e.imul(e.imul(m.wide(segment), stride), 4));
  pool = e.at(pool, e.iadd(e.imul(operands.layer, shape.kv.layerBytes()), e.imul(m.wide(unit), shape.kv.headBytes())));
  firstPosition = positionOf(rowOf(first)), lastPosition = positionOf(rowOf(last));
  firstKey = windowOf(firstPosition);
}

Value QueryGroup::page(Value position) {
  Value entry = e.udiv(e.clamp(position, lastPosition), cpu::kPageTokens);
  Value number = e.loadConstant(e.i32, e.at(table, e.imul(m.wide(entry), 4)));
  return m.advance(m.global(pool), e.imul(m.wide(number), shape.kv.pageBytes()));
}

void QueryGroup::loadQueries() {
  for (int half : {0, 1}) loadQuery(half);
}

// Fragments of query g (half 0) or g + 8, scaled so that the largest component lies in [2^14, 2^15).
void QueryGroup::loadQuery(int half) {
  Value query = e.clamp(e.iadd(first, e.iadd(m.g, half * 8)), last), row = rowOf(query);
  position[half] = positionOf(row);
  Value at = e.iadd(e.imul(m.wide(row), shape.queryStride), e.imul(m.wide(headOf(query)), shape.kv.keyDim * 4));
  Value from = m.advance(m.global(operands.query), at);
  auto load = [&](int64_t step) { // as k indices 2t, 2t + 1, 2t + 8, 2t + 9
    SmallVector<Value> words;
    if (layout.isWide()) {
      for (int64_t d : {0, 4, 8, 12})
        words.push_back(m.loadWord(m.advance(m.advance(from, e.shl(m.t, 2)), step * 64 + d * 4), e.f32));
      return words;
    }
    for (int64_t d : {0, 8})
      llvm::append_range(words, m.load(m.advance(m.advance(from, e.shl(m.t, 3)), step * 64 + d * 4), 2, e.f32));
    return words;
  };
  SmallVector<SmallVector<Value>> q;
  Value largest = m.zero();
  for (int64_t step = 0; step < layout.keys.steps; ++step) {
    q.push_back(load(step));
    for (Value x : q.back()) largest = e.select(e.less(largest, e.abs(x)), e.abs(x), largest);
  }
  for (int lanes : {1, 2}) {
    Value other = m.shuffleXor(largest, lanes);
    largest = e.select(e.less(largest, other), other, largest);
  }
  PowerOfTwo power = powerBelow(e, largest);
  inverse[half] = e.mul(power.inverse, e.constant(e.f32, shape.scale));
  if (!shape.slopes.empty())
    slope[half] = e.load(e.f32, e.at(e.floatTable(shape.slopes), e.imul(m.wide(headOf(query)), 4)));
  for (int64_t step = 0; step < layout.keys.steps; ++step) storeQuery(half, step, q[step], power.factor);
}

// Registers a0 (or a1) and a2 (a3); each warp stores its own steps.
void QueryGroup::storeQuery(int half, int64_t step, ValueRange q, Value factor) {
  e.ifThen(e.ieq(m.warp, e.i32c(step % kAttendWarps)), [&] {
    SmallVector<Value> x;
    for (Value v : q) x.push_back(e.mul(v, factor));
    for (unsigned term = 0; term < layout.terms; ++term)
      for (int pair : {0, 1}) {
        Value packed = m.pack(layout.pair(), x[2 * pair], x[2 * pair + 1]);
        m.store(packed, queryAddress(step, term, 2 * pair + half));
        for (int i : {0, 1}) x[2 * pair + i] = e.sub(x[2 * pair + i], layout.half(m, packed, i)); // what is left
      }
  });
}

Value QueryGroup::queryAddress(int64_t step, unsigned term, int reg) {
  return m.advance(m.shared(e.shl(m.lane, 4)), (step * layout.terms + term) * 512 + reg * 4);
}

} // namespace ingot::cuda
