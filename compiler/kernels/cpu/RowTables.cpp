// Ops of row programs that begin a row: embeddings, learned positions, rotary angles.
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/Pointwise.h"
#include "compiler/kernels/cpu/RowProgram.h"

using namespace mlir;

namespace ingot::cpu {

// Row `index` of a plain table: rows follow each other without padding.
Columns RowProgram::plainRow(const WeightView &view, Value table, Value index) {
  Value base = e.at(table, e.imul(index, view.cols * view.format.bits() / 8));
  WeightFormat format = view.format;
  return [this, base, format](Value column, int64_t count) { return loadPlain(e, format, base, column, count); };
}

// Codes of 16 consecutive columns of one row of a packed block, as i32 lanes. `chunks` is the block's first 64-byte
// chunk of these columns, at the row's dword. A dword holds 8 int4 codes (low nibbles first, then high) or 4 int8
// codes.
static Value packedCodes(Emitter &e, const WeightFormat &format, Value chunks) {
  Type words = e.vec(e.i32);
  bool nibbles = format.type == WeightFormat::Type::int4;
  int64_t perWord = nibbles ? 8 : 4;
  SmallVector<int64_t> shifts;
  for (int64_t k = 0; k < laneCount; ++k) shifts.push_back(nibbles ? k % 4 * 8 + k % 8 / 4 * 4 : k % 4 * 8);
  Value spread = e.integer(words, 0);
  for (int64_t word = 0; word < laneCount / perWord; ++word) {
    SmallVector<int64_t> mine;
    for (int64_t k = 0; k < laneCount; ++k) mine.push_back(k / perWord == word);
    Value bits = e.broadcast(e.load(e.i32, e.at(chunks, word * kChunkBytes)));
    spread = e.select(e.intVector(e.i1, mine), bits, spread);
  }
  Value shifted = e.b.create<arith::ShRUIOp>(spread, e.intVector(e.i32, shifts));
  Value codes = e.iand(shifted, e.integer(words, nibbles ? 15 : 255));
  return nibbles ? codes : e.ixor(codes, e.integer(words, 128)); // int8 is stored as code ^ 0x80
}

// One scale or minimum of a group, as f32 lanes.
static Value groupNumber(Emitter &e, const WeightFormat &format, Value address) {
  if (format.scale == WeightFormat::Scale::f32) return e.broadcast(e.load(e.f32, address));
  return e.broadcast(e.extendHalf(e.load(e.f16, address)));
}

// (code - z) * s rounded once, or fma(code, s, m): layout.h, invariant 4.
static Value gridLanes(Emitter &e, const WeightFormat &f, Value group, Value lane, Value chunkOffset) {
  Value codes = packedCodes(e, f, e.at(e.at(group, chunkOffset), e.imul(lane, 4)));
  Value scale = groupNumber(e, f, e.at(e.at(group, scaleOffset(f)), e.imul(lane, scaleElementBytes(f))));
  Value zeros = e.at(group, zeroOffset(f));
  if (f.zero == WeightFormat::Zero::minimum)
    return e.fma(e.toFloat(codes), scale, groupNumber(e, f, e.at(zeros, e.imul(lane, scaleElementBytes(f)))));
  Value zero = f.zero == WeightFormat::Zero::symmetric ? e.integer(e.vec(e.i32), int64_t(1) << (f.bits() - 1))
                                                       : e.broadcast(e.zext(e.i32, e.load(e.i8, e.at(zeros, lane))));
  return e.mul(e.toFloat(e.isub(codes, zero)), scale);
}

// 16 floats of one row, 16 elements apart.
static Value floatLanes(Emitter &e, const WeightFormat &f, Value first, int64_t count) {
  Type element = f.type == WeightFormat::Type::f32 ? e.f32 : f.type == WeightFormat::Type::f16 ? e.f16 : e.i16;
  Value lanes = e.b.create<LLVM::ZeroOp>(e.vec(element));
  int64_t step = int64_t(kBlockRows) * f.bits() / 8;
  for (int64_t k = 0; k < count; ++k)
    lanes = e.b.create<LLVM::InsertElementOp>(lanes, e.load(element, e.at(first, k * step)), e.i32c(k));
  if (f.type == WeightFormat::Type::f32) return lanes;
  if (f.type == WeightFormat::Type::f16) return e.extendHalf(lanes);
  return e.bitcast(e.lanesType(), e.shl(e.zext(e.vec(e.i32), lanes), 16));
}

Columns RowProgram::packedRow(const WeightView &view, Value table, Value index) {
  WeightFormat f = view.format;
  Value block = e.at(table, e.imul(e.udiv(index, kBlockRows), blockBytes(f, view.cols)));
  Value lane = e.urem(index, kBlockRows);
  if (!f.isInteger())
    return [this, f, block, lane](Value column, int64_t count) {
      int64_t bytes = f.bits() / 8;
      Value first = e.at(e.at(block, e.imul(column, kBlockRows * bytes)), e.imul(lane, bytes));
      return floatLanes(e, f, first, count);
    };
  // 16 columns lie in one group (its size is a multiple of 16): group, then bytes of data before them in it.
  return [this, f, block, lane](Value column, int64_t) {
    Value group = e.at(block, e.imul(e.udiv(column, f.group), groupBytes(f)));
    return gridLanes(e, f, group, lane, e.imul(e.urem(column, f.group), kBlockRows * f.bits() / 8));
  };
}

Columns RowProgram::tableRow(FlatSymbolRefAttr symbol, Value index) {
  const WeightView &view = frame.weight(symbol);
  Value table = frame.weightAddress(e, symbol);
  return view.packed ? packedRow(view, table, index) : plainRow(view, table, index);
}

static Columns scaled(Emitter &e, Columns lanes, float factor) {
  if (factor == 1.0f) return lanes;
  return [&e, lanes, factor](Value column, int64_t count) { return e.mul(lanes(column, count), e.lanes(factor)); };
}

void RowProgram::embed(decoder::EmbedOp op) {
  Value id = e.zext(e.i64, e.batchI32(offsetof(ingot_batch, token), row));
  define(op.getResult(), scaled(e, tableRow(op.getTableAttr(), id), op.getScale().convertToFloat()));
}

void RowProgram::lookupRows(decoder::LookupRowsOp op) {
  Value position = e.zext(e.i64, e.batchI32(offsetof(ingot_batch, position), row));
  define(op.getResult(), tableRow(op.getTableAttr(), e.iadd(position, op.getOffset())));
}

// [cos(p f_0) .. cos(p f_{n-1}) | sin ...] * scale. The two halves are stored one after the other, wherever n ends.
void RowProgram::angles(decoder::AnglesOp op) {
  int64_t cols = LaunchFrame::columns(op.getResult()), n = cols / 2;
  Value to = destination(op.getResult()), sines = e.at(to, n * 4);
  Value position = e.batchI32(offsetof(ingot_batch, position), row);
  Value scale = e.lanes(op.getScale().convertToFloat());
  auto store = [&](Value cosine, Value sine, Value column, int64_t count) {
    e.storeFirst(e.mul(cosine, scale), e.at(to, e.imul(column, 4)), count);
    e.storeFirst(e.mul(sine, scale), e.at(sines, e.imul(column, 4)), count);
  };
  auto emit = [&] {
    if (op.getFreq()) {
      Value p = e.broadcast(e.toFloat(position)), table = e.floatTable(*op.getFreq());
      forColumns(e, n, [&](Value column, int64_t count) {
        LaneMath a(e);
        auto turn = math::sincos(a, e.mul(p, loadColumns(e, table, column, count)));
        store(turn.cos, turn.sin, column, count);
      });
    } else {
      Value index = e.zext(e.i64, position);
      Columns cosines = tableRow(op.getCosAttr(), index), sinesTable = tableRow(op.getSinAttr(), index);
      forColumns(e, n, [&](Value column, int64_t count) {
        store(cosines(column, count), sinesTable(column, count), column, count);
      });
    }
  };
  unit ? e.ifThen(e.ieq(unit, e.i64c(0)), emit) : emit();
  values[op.getResult()] = inMemory(to, cols);
  values[op.getResult()].stored = llvm::any_of(frame.results, [&](auto &r) { return r.value == op.getResult(); });
}

} // namespace ingot::cpu
