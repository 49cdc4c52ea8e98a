// The cache's geometry, and the stores of append.
#include "compiler/kernels/cpu/KvAppend.h"
#include "compiler/kernels/cpu/KvLayout.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ingot::cpu {

FailureOr<KvLayout> KvLayout::of(decoder::CacheGroupOp group) {
  KvLayout layout;
  for (auto other : group->getParentOfType<ModuleOp>().getOps<decoder::CacheGroupOp>()) {
    if (other == group) break;
    ++layout.group;
  }
  if (!group.getType().isF32() && !group.getType().isF16() && !group.getType().isBF16())
    return group.emitOpError("has a cache of ") << group.getType() << "; pages hold f32, f16 or bf16";
  layout.layers = group.getLayers(), layout.kvHeads = group.getKvHeads();
  layout.keyDim = group.getKeyDim(), layout.valueDim = group.getValueDim();
  layout.elementBytes = group.getType().isF32() ? 4 : 2, layout.bf16 = group.getType().isBF16();
  return layout;
}

FailureOr<KvLayout> KvLayout::of(Operation *op, FlatSymbolRefAttr cache) {
  auto group = SymbolTable::lookupNearestSymbolFrom<decoder::CacheGroupOp>(op, cache);
  if (!group) return op->emitOpError("names a cache group ") << cache << " that does not exist";
  return of(group);
}

LogicalResult checkAppend(decoder::AppendOp op, int64_t unit) {
  auto layout = KvLayout::of(op, op.getCacheAttr());
  if (failed(layout)) return failure();
  if (unit % layout->keyDim || unit % layout->valueDim)
    return op.emitOpError("has heads of ")
           << layout->keyDim << " and " << layout->valueDim << " columns, but the epilogue works on units of " << unit;
  return success();
}

namespace {
struct Append {
  Emitter &e;
  KvLayout layout;
  bool isValue;

  int64_t headDim() const { return isValue ? layout.valueDim : layout.keyDim; }

  // Address of the layer's heads in the page that holds `position` of `segment`.
  Value layerAddress(Value segment, Value position, Value layer) {
    Value view = e.at(e.batchPointer(offsetof(ingot_batch, kv)), layout.group * sizeof(ingot_kv_view));
    auto field = [&](Type type, size_t offset) { return e.loadConstant(type, e.at(view, offset)); };
    Value stride = field(e.i64, offsetof(ingot_kv_view, table_stride));
    Value entry = e.iadd(e.imul(segment, stride), e.udiv(position, kPageTokens));
    Value table = field(e.ptr, offsetof(ingot_kv_view, block_table));
    Value page = e.zext(e.i64, e.loadConstant(e.i32, e.at(table, e.imul(entry, 4))));
    Value base = e.at(field(e.ptr, offsetof(ingot_kv_view, pool)), e.imul(page, layout.pageBytes()));
    return e.at(base, e.imul(layer, layout.layerBytes()));
  }

  // Where the token's element d = 0 of a head lies.
  Value tokenAddress(Value head, Value token) {
    if (isValue) return e.at(e.at(head, layout.valuesOffset()), e.imul(token, layout.valueRowBytes()));
    Value block = e.at(head, e.imul(e.udiv(token, laneCount), layout.keyBlockBytes()));
    return e.at(block, e.imul(e.urem(token, laneCount), layout.elementBytes));
  }

  // Elements [first, first + count) of `lanes` become d = [d, d + count) of the head.
  void piece(Value lanes, int64_t first, int64_t count, Value address, int64_t d) {
    if (isValue) {
      Value part = count == laneCount ? lanes : e.slice(lanes, first, count);
      e.store(part, e.at(address, d * layout.elementBytes), layout.elementBytes);
      return;
    }
    for (int64_t i = 0; i < count; ++i)
      e.store(e.extract(lanes, first + i), e.at(address, (d + i) * layout.keyDimBytes()), layout.elementBytes);
  }

  // The part of `blocks` that is head number `head` of the unit.
  void head(ArrayRef<Value> blocks, int64_t head, Value address) {
    int64_t begin = head * headDim(), end = begin + headDim();
    for (int64_t column = begin; column < end;) {
      int64_t count = std::min(end, (column / laneCount + 1) * laneCount) - column;
      piece(blocks[column / laneCount], column % laneCount, count, address, column - begin);
      column += count;
    }
  }
};
} // namespace

// To the nearest bf16, ties to even, as i16; NaN stays NaN.
static Value roundBrain(Emitter &e, Value lanes) {
  Value bits = e.bitcast(e.vec(e.i32), lanes), high = e.lshr(bits, 16);
  Value half = e.iadd(e.iand(high, e.integer(high.getType(), 1)), 0x7fff);
  Value size = e.iand(bits, e.integer(bits.getType(), 0x7fffffff));
  Value ordinary = e.slt(size, e.integer(bits.getType(), 0x7f800001));
  Value quiet = e.ior(high, e.integer(high.getType(), 0x40));
  return e.trunc(e.vec(e.i16), e.select(ordinary, e.lshr(e.iadd(bits, half), 16), quiet));
}

static Value roundToCache(Emitter &e, const KvLayout &layout, Value lanes) {
  if (layout.elementBytes == 4) return lanes;
  return layout.bf16 ? roundBrain(e, lanes) : e.roundHalf(lanes);
}

void emitAppend(Emitter &e, const LaunchFrame &frame, decoder::AppendOp op, bool value, Value token, Value column,
                ArrayRef<Value> blocks) {
  auto layout = KvLayout::of(op, op.getCacheAttr());
  Append append{e, *layout, value};
  Blocks rounded;
  for (Value lanes : blocks) rounded.push_back(roundToCache(e, *layout, lanes));
  Value segment = e.batchI32(offsetof(ingot_batch, segment), token);
  auto store = [&] {
    Value position = e.zext(e.i64, e.batchI32(offsetof(ingot_batch, position), token));
    Value layer = append.layerAddress(e.zext(e.i64, segment), position, e.slot(frame.layerSlot));
    Value inPage = e.urem(position, kPageTokens), firstHead = e.udiv(column, append.headDim());
    for (int64_t h = 0; h < int64_t(blocks.size()) * laneCount / append.headDim(); ++h) {
      Value index = e.iadd(firstHead, h);
      e.guard(e.ult(index, e.i64c(layout->kvHeads)), [&] {
        append.head(rounded, h, append.tokenAddress(e.at(layer, e.imul(index, layout->headBytes())), inPage));
      });
    }
  };
  // Pads are not stored. Row 0 is none: a step has a token, and pads lie behind its tokens (session/batch.h).
  if (matchPattern(token, m_Zero())) return store();
  e.guard(e.cmp(arith::CmpIPredicate::sge, segment, e.i32c(0)), store);
}

} // namespace ingot::cpu
