// Emission of what ExpertItems.h names, but for the sort.
#include "compiler/kernels/cuda/ExpertItems.h"

using namespace mlir;

namespace ingot::cuda {

// A tile is full or its expert's last.
uint64_t ExpertTable::bytesPerRow() const {
  uint64_t tilesPerRow = (shape.slots + kLeastTokens - 1) / kLeastTokens;
  uint64_t fixed = kHeaderBytes + 64 + kZeroBytes + shape.experts * kTileBytes; // once, 64 to round the products up
  uint64_t bytes = shape.slots * 4 + tilesPerRow * kTileBytes + (fixed + few) / (few + 1);
  return (bytes + 63) / 64 * 64;
}

Value ExpertTable::table(TensorEmitter &m, Value prepared) const {
  return m.advance(prepared, m.e.imul(m.e.rows(), int64_t(parts() * rowBytes)));
}
Value ExpertTable::products(Emitter &e) const { return e.imul(e.trunc(e.i32, e.rows()), int64_t(shape.slots)); }
Value ExpertTable::tiles(TensorEmitter &m, Value table) const {
  Emitter &e = m.e;
  Value bytes = e.shl(e.lshr(e.iadd(products(e), 15), 4), 6); // of the products, a multiple of 64
  return m.advance(table, e.iadd(bytes, kHeaderBytes + kZeroBytes));
}

Value ExpertItems::tableBase(TensorEmitter &m) const {
  return table.table(m, m.global(m.e.slotPointer(frame.preparedSlot)));
}

Value ExpertItems::count(TensorEmitter &m, uint64_t groups) const {
  Emitter &e = m.e;
  if (byProduct) return e.imul(e.imul(e.rows(), table.shape.slots), int64_t(groups));
  return e.imul(e.zext(e.i64, m.loadWord(tableBase(m))), int64_t(groups));
}

void ExpertItems::open(TensorEmitter &m, Value tile) const {
  Emitter &e = m.e;
  if (byProduct) {
    own = tile, tokens = e.i64c(1);
    Value row = e.udiv(own, table.shape.slots), slot = e.urem(own, table.shape.slots);
    Value index = frame.inputRow(e, root.getIndices(), row);
    expert = cpu::expertOf(e, table.shape, m.loadWord(m.advance(m.global(index), e.shl(slot, 2)), e.f32));
    return;
  }
  Value base = tableBase(m);
  auto words = m.load(m.advance(table.tiles(m, base), e.imul(tile, ExpertTable::kTileBytes)), 4);
  expert = e.zext(e.i64, words[0]), tokens = e.zext(e.i64, words[2]);
  own = m.advance(base, e.iadd(e.shl(e.zext(e.i64, words[1]), 2), ExpertTable::kHeaderBytes));
}

Value ExpertItems::weightOffset(Emitter &e) const {
  const cpu::LinearShape &linear = table.shape.linear;
  return e.imul(expert, int64_t(linear.blocks() * blockBytes(linear.format, linear.cols)));
}

Value ExpertItems::productOf(TensorEmitter &m, Value token) const {
  if (byProduct) return own;
  return m.e.zext(m.e.i64, m.loadWord(m.advance(own, m.e.shl(token, 2))));
}

Value ExpertItems::preparedRow(TensorEmitter &m, Value token) const {
  Emitter &e = m.e;
  Value last = e.isub(e.trunc(e.i32, tokens), e.i32c(1));
  Value product = productOf(m, byProduct ? token : e.umin(token, last));
  return table.shape.sharedInput ? e.udiv(product, table.shape.slots) : product;
}

void ExpertItems::store(TensorEmitter &m, Value token, Value unit, Value lanes) const {
  Value product = productOf(m, token);
  int64_t slots = table.shape.slots;
  cpu::storeProduct(m.e, frame, root, table.shape, {m.e.udiv(product, slots), m.e.urem(product, slots), expert}, unit,
                    lanes);
}

} // namespace ingot::cuda
