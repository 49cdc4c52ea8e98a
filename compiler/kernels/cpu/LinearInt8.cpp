// Inner loop of linears with int8 activations: per group an exact integer dot product, then one fma with scale * d.
// v4: vpdpbusd on codes. v3: int4 by maddubs summed in 16 bits over 32 k (at most 30480); int8 as |w| and sign(a, w),
// widened every pair (at most 32512), because maddubs on codes would saturate.
#include "compiler/kernels/cpu/LinearTile.h"
#include "compiler/kernels/cpu/PreparedRow.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

using Zero = WeightFormat::Zero;
constexpr int64_t kMaddubsColumns = 32; // int4 columns whose products fit 16 bits

struct Int8Tile {
  Emitter &e;
  const LinearTile &tile;
  const WeightFormat &f = tile.shape.format;
  PreparedRow row{tile.shape.cols, f.group};
  Type words = e.vec(e.i32, tile.width), bytes = e.vec(e.i8, tile.width * 4), floats = e.vec(e.f32, tile.width);
  size_t tokens = tile.rows.size();
  int64_t chunkColumns = f.type == WeightFormat::Type::int4 ? 8 : 4; // columns of a 64-byte chunk

  Value asBytes(Value x) { return e.bitcast(bytes, x); }
  Value splat(Value scalar) { return e.broadcast(scalar, tile.width); }

  // Bytes of columns [column, column + 4) of each lane, as the dot product wants them; both nibble halves of an int4
  // chunk.
  SmallVector<Value> weights(Value group, int64_t chunk) {
    Value v = e.loadConstant(words, e.at(group, chunk * kChunkBytes));
    if (f.type == WeightFormat::Type::int8) return {e.v4() ? e.ixor(v, e.integer(words, int32_t(0x80808080))) : v};
    Value mask = e.integer(words, 0x0f0f0f0f);
    return {e.iand(v, mask), e.iand(e.lshr(v, 4), mask)};
  }

  // Four activations of a token as every lane sees them.
  Value activations(Value rowGroup, int64_t column) { return splat(e.load(e.i32, e.at(rowGroup, column))); }

  Value signedPairs(Value w, Value a) { // v3, int8: 16-bit sums of two products
    Value magnitude = e.b.create<LLVM::AbsOp>(bytes, asBytes(w), /*is_int_min_poison=*/false);
    return e.maddUnsigned(magnitude, e.intrinsic("llvm.x86.avx2.psign.b", bytes, {asBytes(a), asBytes(w)}));
  }
  Value widen(Value pairs) { return e.maddPairs(pairs, e.integer(e.vec(e.i16, 16), 1)); }

  // The sums of one part's group for every token, from `start`.
  SmallVector<Value> dots(Value group, ArrayRef<Value> rowGroups, SmallVector<Value> sums) {
    if (e.v4()) return dotsV4(group, rowGroups, sums);
    return f.type == WeightFormat::Type::int4 ? dotsInt4V3(group, rowGroups, sums) : dotsInt8V3(group, rowGroups, sums);
  }

  // A single row gets two chains per group: vpdpbusd has a latency of 5.
  SmallVector<Value> dotsV4(Value group, ArrayRef<Value> rowGroups, SmallVector<Value> sums) {
    SmallVector<Value> second;
    if (tokens == 1) second.push_back(e.integer(words, 0));
    for (int64_t column = 0; column < f.group; column += chunkColumns)
      for (auto [i, w] : llvm::enumerate(weights(group, column / chunkColumns)))
        for (size_t t = 0; t < tokens; ++t) {
          int64_t at = column + 4 * int64_t(i);
          Value &sum = !second.empty() && at % 8 ? second[t] : sums[t];
          sum = e.dotBytes(sum, w, activations(rowGroups[t], at));
        }
    for (auto [sum, other] : llvm::zip(sums, second)) sum = e.iadd(sum, other);
    return sums;
  }

  SmallVector<Value> dotsInt4V3(Value group, ArrayRef<Value> rowGroups, SmallVector<Value> sums) {
    for (int64_t begin = 0; begin < f.group; begin += kMaddubsColumns) {
      SmallVector<Value> pairs(tokens);
      for (int64_t column = begin; column < std::min<int64_t>(begin + kMaddubsColumns, f.group); column += chunkColumns)
        for (auto [i, w] : llvm::enumerate(weights(group, column / chunkColumns)))
          for (size_t t = 0; t < tokens; ++t) {
            Value a = activations(rowGroups[t], column + 4 * int64_t(i));
            Value product = e.maddUnsigned(asBytes(w), asBytes(a));
            pairs[t] = pairs[t] ? e.iadd(pairs[t], product) : product;
          }
      for (size_t t = 0; t < tokens; ++t) sums[t] = e.iadd(sums[t], widen(pairs[t]));
    }
    return sums;
  }

  SmallVector<Value> dotsInt8V3(Value group, ArrayRef<Value> rowGroups, SmallVector<Value> sums) {
    for (int64_t column = 0; column < f.group; column += chunkColumns) {
      Value w = weights(group, column / chunkColumns)[0];
      for (size_t t = 0; t < tokens; ++t)
        sums[t] = e.iadd(sums[t], widen(signedPairs(w, activations(rowGroups[t], column))));
    }
    return sums;
  }

  Value scales(Value address) {
    if (f.scale == WeightFormat::Scale::f32) return e.loadConstant(floats, address);
    return e.extendHalf(e.loadConstant(e.vec(e.f16, tile.width), address));
  }

  // What the sums start from, and the factor of sum(a) per lane where it is not in PreparedRow already.
  Value start(Value zero, Value sum) {
    if (f.zero == Zero::symmetric) return splat(sum);
    Value offset = e.integer(words, codeOffset(f, e.level));
    if (f.zero == Zero::zero_point)
      offset = e.isub(offset, e.zext(words, e.loadConstant(e.vec(e.i8, tile.width), zero)));
    return e.imul(offset, splat(sum));
  }

  // One group: every accumulator's next value.
  SmallVector<Value> group(Value g, ValueRange accumulators) {
    Value offset = e.imul(g, groupBytes(f)), byGroup = e.imul(g, 4);
    tile.prefetchAhead(e, offset, groupBytes(f));
    SmallVector<Value> a, d, sum, next;
    for (Value x : tile.rows) {
      a.push_back(e.at(x, e.imul(g, f.group)));
      d.push_back(e.load(e.f32, e.at(e.at(x, row.scaleOffset()), byGroup)));
      sum.push_back(e.load(e.i32, e.at(e.at(x, row.startOffset()), byGroup)));
    }
    for (const WeightPart &part : tile.parts) {
      Value data = e.at(part.data, offset), zero = part.zero ? e.at(part.zero, offset) : Value();
      SmallVector<Value> sums;
      for (size_t t = 0; t < tokens; ++t) sums.push_back(start(zero, sum[t]));
      sums = dots(data, a, sums);
      Value scale = scales(e.at(part.scale, offset));
      Value minimum = f.zero == Zero::minimum ? scales(zero) : Value();
      for (size_t t = 0; t < tokens; ++t) {
        Value acc = accumulators[next.size()];
        acc = e.fma(e.toFloat(sums[t]), e.mul(scale, splat(d[t])), acc);
        if (minimum) acc = e.fma(splat(e.toFloat(sum[t])), e.mul(minimum, splat(d[t])), acc);
        next.push_back(acc);
      }
    }
    return next;
  }
};

} // namespace

SmallVector<Value> emitInt8Tile(Emitter &e, const LinearTile &tile) {
  Int8Tile body{e, tile};
  SmallVector<Value> zero(tile.parts.size() * tile.rows.size(), e.constant(body.floats, 0.0));
  return e.loop(e.i64c(0), e.i64c(body.row.groups()), 1, zero,
                [&](Value g, ValueRange accumulators) { return body.group(g, accumulators); });
}

} // namespace ingot::cpu
