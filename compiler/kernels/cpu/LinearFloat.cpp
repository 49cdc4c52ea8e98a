// Inner loop of linears with f32 activations: one fma chain a row, k ascending. Weights become f32 first: floats
// exactly, integers rounded once per value, so that the result is the dequantised model's bit for bit.
#include "compiler/kernels/cpu/LinearTile.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

using Element = WeightFormat::Type;
using Zero = WeightFormat::Zero;

struct FloatTile {
  Emitter &e;
  const LinearTile &tile;
  const WeightFormat &f = tile.shape.format;
  Type words = e.vec(e.i32, tile.width), floats = e.vec(e.f32, tile.width);
  int64_t cols = tile.shape.cols;

  Value splat(Value scalar) { return e.broadcast(scalar, tile.width); }

  // Every part's chain one column further: `value(p)` is the weight of part p at column k = first + i.
  SmallVector<Value> column(Value xOffset, int64_t i, ValueRange accumulators,
                            llvm::function_ref<Value(size_t)> value) {
    SmallVector<Value> x, next;
    // Four neighbours are one load on a GPU: rows begin at multiples of 64 bytes, a slot's part of one at whole
    // columns.
    unsigned alignment = cols % 4 == 0 && i % 4 == 0 ? 16 : 4;
    for (Value row : tile.rows) x.push_back(splat(e.load(e.f32, e.at(e.at(row, xOffset), 4 * i), alignment)));
    for (size_t p = 0; p < tile.parts.size(); ++p) {
      Value w = value(p);
      for (Value v : x) next.push_back(e.fma(w, v, accumulators[next.size()]));
    }
    return next;
  }

  //===- float weights: [k][16 rows] ------------------------------------------------------------------------------===//

  Value loadFloats(Value address) {
    if (f.type == Element::f32) return e.loadConstant(floats, address);
    if (f.type == Element::f16) return e.extendHalf(e.loadConstant(e.vec(e.f16, tile.width), address));
    return e.bitcast(floats, e.shl(e.zext(words, e.loadConstant(e.vec(e.i16, tile.width), address)), 16));
  }

  SmallVector<Value> floatColumns(Value first, int64_t count, ValueRange accumulators) {
    SmallVector<Value> acc(accumulators), data;
    int64_t bytes = groupDataBytes(f);
    Value offset = e.imul(first, bytes);
    tile.prefetchAhead(e, offset, count * bytes);
    for (const WeightPart &part : tile.parts) data.push_back(e.at(part.data, offset));
    Value xOffset = e.imul(first, 4);
    for (int64_t i = 0; i < count; ++i)
      acc = column(xOffset, i, acc, [&](size_t p) { return loadFloats(e.at(data[p], i * bytes)); });
    return acc;
  }

  SmallVector<Value> floatWeights(SmallVector<Value> acc) {
    int64_t unroll = !e.cuda() ? 8 : tile.rows.size() == 1 ? 32 : 8; // loads in flight
    int64_t whole = cols / unroll * unroll;
    acc = e.loop(e.i64c(0), e.i64c(whole), unroll, acc,
                 [&](Value k, ValueRange inner) { return floatColumns(k, unroll, inner); });
    return floatColumns(e.i64c(whole), cols - whole, acc);
  }

  //===- integer weights ------------------------------------------------------------------------------------------===//

  struct Group {
    Value data, scale, zero; // of one part: ptr, f32 lanes, zero points or minima as f32 lanes
  };
  int64_t chunkColumns = f.type == Element::int4 ? 8 : 4;

  Value parameters(Value address) {
    if (f.scale == WeightFormat::Scale::f32) return e.loadConstant(floats, address);
    return e.extendHalf(e.loadConstant(e.vec(e.f16, tile.width), address));
  }

  Group openGroup(const WeightPart &part, Value offset) {
    Group group{e.at(part.data, offset), parameters(e.at(part.scale, offset)), {}};
    if (f.zero == Zero::zero_point)
      group.zero = e.toFloat(e.zext(words, e.loadConstant(e.vec(e.i8, tile.width), e.at(part.zero, offset))));
    if (f.zero == Zero::minimum) group.zero = parameters(e.at(part.zero, offset));
    return group;
  }

  // The code of column i of a chunk as f32, less `bias`. At v4 an int4 code is looked up: vpermps reads the low 4 bits.
  Value codeOf(Value chunk, int64_t i, int64_t bias) {
    bool int4 = f.type == Element::int4;
    Value shifted = e.lshr(chunk, int4 ? i % 4 * 8 + i / 4 * 4 : i * 8);
    if (e.cuda()) { // 2^23 + code in the low bits of a float: no conversion, which a GPU does at a quarter of the rate
      Value code = e.iand(shifted, e.integer(words, int4 ? 15 : 255));
      Value shiftedFloat = e.bitcast(floats, e.ior(code, e.integer(words, 0x4b000000)));
      return e.sub(shiftedFloat, e.constant(floats, double((1 << 23) + bias)));
    }
    if (!int4 || !e.v4()) {
      Value code = e.iand(shifted, e.integer(words, int4 ? 15 : 255));
      return e.toFloat(bias ? e.isub(code, e.integer(words, bias)) : code);
    }
    SmallVector<int64_t> table;
    for (int64_t code = 0; code < 16; ++code) table.push_back(code - bias);
    return e.intrinsic("llvm.x86.avx512.permvar.sf.512", floats, {e.toFloat(e.intVector(e.i32, table)), shifted});
  }

  // Column i of a chunk, dequantised: (code - zero) * scale or fma(code, scale, minimum). Differences of codes are
  // exact.
  Value dequantise(const Group &group, Value chunk, int64_t i) {
    if (f.zero == Zero::minimum) return e.fma(codeOf(chunk, i, 0), group.scale, group.zero);
    if (f.zero == Zero::zero_point) return e.mul(e.sub(codeOf(chunk, i, 0), group.zero), group.scale);
    return e.mul(codeOf(chunk, i, int64_t(1) << (f.bits() - 1)), group.scale);
  }

  SmallVector<Value> chunk(ArrayRef<Group> groups, Value index, Value xOffset, int64_t count, ValueRange accumulators) {
    SmallVector<Value> acc(accumulators), chunks;
    for (const Group &group : groups) {
      Value v = e.loadConstant(words, e.at(group.data, e.imul(index, kChunkBytes)));
      chunks.push_back(f.type == Element::int8 ? e.ixor(v, e.integer(words, int32_t(0x80808080))) : v); // to codes
    }
    Value x = e.iadd(xOffset, e.imul(index, 4 * chunkColumns));
    for (int64_t i = 0; i < count; ++i)
      acc = column(x, i, acc, [&](size_t p) { return dequantise(groups[p], chunks[p], i); });
    return acc;
  }

  SmallVector<Value> integerGroup(Value g, int64_t columns, ValueRange accumulators) {
    SmallVector<Group> groups;
    Value offset = e.imul(g, groupBytes(f));
    tile.prefetchAhead(e, offset, groupBytes(f));
    for (const WeightPart &part : tile.parts) groups.push_back(openGroup(part, offset));
    Value xOffset = e.imul(g, 4 * int64_t(f.group));
    int64_t whole = columns / chunkColumns;
    SmallVector<Value> acc = e.loop(e.i64c(0), e.i64c(whole), 1, accumulators, [&](Value c, ValueRange inner) {
      return chunk(groups, c, xOffset, chunkColumns, inner);
    });
    int64_t rest = columns % chunkColumns;
    return rest ? chunk(groups, e.i64c(whole), xOffset, rest, acc) : acc;
  }

  SmallVector<Value> integerWeights(SmallVector<Value> acc) {
    int64_t whole = cols / f.group;
    acc = e.loop(e.i64c(0), e.i64c(whole), 1, acc,
                 [&](Value g, ValueRange inner) { return integerGroup(g, f.group, inner); });
    int64_t rest = cols % f.group;
    return rest ? integerGroup(e.i64c(whole), rest, acc) : acc;
  }
};

} // namespace

SmallVector<Value> emitFloatTile(Emitter &e, const LinearTile &tile) {
  FloatTile body{e, tile};
  SmallVector<Value> zero(tile.parts.size() * tile.rows.size(), e.constant(body.floats, 0.0));
  return tile.shape.format.isInteger() ? body.integerWeights(zero) : body.floatWeights(zero);
}

} // namespace ingot::cpu
