// The frame of linear kernels: grid items, register tiles, results through scratch to the epilogue.
#include "compiler/kernels/cpu/Linear.h"
#include "compiler/kernels/cpu/LinearTile.h"
#include "compiler/kernels/cpu/PreparedRow.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

constexpr uint32_t kAnyRows = 0xffffffff;
constexpr int64_t kBlockBytes = 64; // 16 results
constexpr int64_t kPrefetch = 1152; // Emerald Rapids: reads at the memory's speed

// How a variant is tiled in registers at a level.
struct Tiling {
  int64_t tokens;   // rows at once
  int64_t streams;  // weight blocks at once
  int64_t halves;   // halves of a block that are read side by side (v3), 1 at v4
  int64_t prefetch; // bytes
};

// A single row: what limits is the read of the weights. f32 chains want company, to hide the latency of fma.
Tiling rowTiling(const LinearVariant &variant, const LinearShape &shape, CpuLevel level) {
  int64_t streams = variant.streams ? variant.streams : 4;
  if (variant.streams == 1 && !shape.int8Activations && shape.format.type != WeightFormat::Type::f32) streams = 2;
  int64_t passes = (variant.itemBlocks + streams - 1) / streams; // over an item; 5 blocks make 3 + 3 rather than 4 + 4
  streams = (variant.itemBlocks + passes - 1) / passes;
  return {1, streams, level == CpuLevel::v4 ? 1 : 2, variant.streams > 1 ? kPrefetch : 0};
}

// Several rows: what limits is arithmetic. v4 has 32 registers of 16 lanes; weights that must become f32 first are
// worth more rows than others. v3 has 16 of 8 lanes: integer sums take half a block of weights for four rows; f32
// chains both halves, for a dozen chains in flight.
Tiling tileTiling(const LinearVariant &variant, const LinearShape &shape, CpuLevel level) {
  int64_t prefetch = variant.maxRows == kAnyRows ? 0 : kPrefetch;
  bool v4 = level == CpuLevel::v4, converts = shape.format.type != WeightFormat::Type::f32;
  if (shape.int8Activations) return {std::min<int64_t>(variant.per, v4 ? 8 : 4), 1, 1, prefetch};
  return {std::min<int64_t>(variant.per, !v4 ? 6 : converts ? 16 : 8), 1, v4 ? 1 : 2, prefetch};
}

Tiling tilingOf(const LinearVariant &variant, const LinearShape &shape, CpuLevel level) {
  return variant.per == 1 ? rowTiling(variant, shape, level) : tileTiling(variant, shape, level);
}

struct Frame {
  Emitter &e;
  const LinearShape &shape;
  const LinearVariant &variant;
  const LinearOperands &operands;
  LinearEpilogue epilogue;
  Tiling tiling = tilingOf(variant, shape, e.level);
  int64_t width = e.v4() ? 16 : 8;
  Value rows = e.rows();

  Value lastBlock() { return e.i64c(shape.blocks() - 1); }

  // Lanes [lane, lane + width) of block `block` (clamped to the weight's last).
  WeightPart part(Value block, Value lane) {
    const WeightFormat &f = shape.format;
    Value data = e.at(operands.weights, e.imul(e.clamp(block, lastBlock()), blockBytes(f, shape.cols)));
    auto field = [&](int64_t offset, int64_t bytesPerLane) {
      return e.at(e.at(data, offset), e.imul(lane, bytesPerLane));
    };
    if (!f.isInteger()) return {field(0, f.bits() / 8), {}, {}};
    WeightPart part{field(0, 4), field(scaleOffset(f), scaleElementBytes(f)), {}};
    if (groupZeroBytes(f)) part.zero = field(zeroOffset(f), groupZeroBytes(f) / kBlockRows);
    return part;
  }

  // Rows [row, row + tokens), clamped to the step's last.
  SmallVector<Value> rowPointers(Value row) {
    SmallVector<Value> pointers;
    for (int64_t t = 0; t < tiling.tokens; ++t) {
      Value index = tiling.tokens == 1 ? row : e.clamp(e.iadd(row, t), e.isub(rows, e.i64c(1)));
      pointers.push_back(e.at(operands.x, e.imul(index, operands.xStride)));
    }
    return pointers;
  }

  // Where scratch holds the results of row t, block b, counted inside the item: [t][b][16].
  Value result(Value t, Value b) {
    return e.at(e.scratch, e.iadd(e.imul(t, variant.itemBlocks * kBlockBytes), e.imul(b, kBlockBytes)));
  }

  // One register tile: `streams` blocks from `block` of the item on, the lanes from `lane` on (all 16 when halves ==
  // 2).
  void tile(Value firstBlock, Value block, Value lane, ArrayRef<Value> rowPointers) {
    int64_t jump = (tiling.streams - 1) * blockBytes(shape.format, shape.cols); // from a block's end to the next item's
    LinearTile tile{shape, width, {}, SmallVector<Value>(rowPointers), tiling.halves, tiling.prefetch, jump};
    SmallVector<std::pair<Value, Value>> place; // block of the item, lane
    for (int64_t s = 0; s < tiling.streams; ++s)
      for (int64_t h = 0; h < tiling.halves; ++h) {
        place.push_back({e.iadd(block, s), e.iadd(lane, h * width)});
        tile.parts.push_back(part(e.iadd(firstBlock, place.back().first), place.back().second));
      }
    auto sums = shape.int8Activations ? emitInt8Tile(e, tile) : emitFloatTile(e, tile);
    for (auto [i, sum] : llvm::enumerate(sums)) {
      auto [b, l] = place[i / tiling.tokens];
      e.store(sum, e.at(result(e.i64c(i % tiling.tokens), b), e.imul(l, 4)), width * 4);
    }
  }

  // Hands every whole unit of the item, for the tile's first `count` rows, to the epilogue.
  void finish(Value item, Value row, Value count) {
    int64_t units = shape.blocks() / shape.unitBlocks, unitsAnItem = variant.itemBlocks / shape.unitBlocks;
    Value firstUnit = e.imul(item, unitsAnItem);
    Value unitsHere = e.clamp(e.i64c(unitsAnItem), e.isub(e.i64c(units), firstUnit));
    e.loop(e.i64c(0), count, 1, [&](Value t) {
      e.loop(e.i64c(0), unitsHere, 1, [&](Value u) {
        SmallVector<Value> blocks;
        for (int64_t b = 0; b < shape.unitBlocks; ++b)
          blocks.push_back(e.load(e.lanesType(), result(t, e.iadd(e.imul(u, shape.unitBlocks), b)), 32));
        epilogue(e.iadd(row, t), e.iadd(firstUnit, u), blocks);
      });
    });
  }

  // Blocks of one item for the rows from `row` on.
  void rowsOfItem(Value item, Value row) {
    blocksOfItem(item, rowPointers(row));
    finish(item, row, e.clamp(e.i64c(tiling.tokens), e.isub(rows, row)));
  }

  void blocksOfItem(Value item, ArrayRef<Value> pointers) {
    Value firstBlock = e.imul(item, variant.itemBlocks);
    e.loop(e.i64c(0), e.i64c(variant.itemBlocks), tiling.streams, [&](Value block) {
      e.loop(e.i64c(0), e.i64c(16), width * tiling.halves,
             [&](Value lane) { tile(firstBlock, block, lane, pointers); });
    });
  }

  void emit() {
    uint64_t units = variant.units(shape);
    e.loop(e.begin, e.end, 1, [&](Value item) {
      Value unit = e.urem(item, units), first = e.imul(e.udiv(item, units), variant.per);
      Value last = e.clamp(rows, e.iadd(first, variant.per));
      e.loop(first, last, tiling.tokens, [&](Value row) { rowsOfItem(unit, row); });
    });
  }
};

} // namespace

SmallVector<LinearVariant> linearVariants(const LinearShape &shape, Machine machine) {
  // CUDA has workers for every unit and four tokens.
  if (machine == Machine::cuda)
    return {{1, 1, 0, shape.unitBlocks}, {4, 4, 0, shape.unitBlocks}, {kAnyRows, 8, 0, shape.unitBlocks}};
  bool arithmetic = shape.format.isInteger() && !shape.int8Activations; // bounds a single row, not the read of weights
  // Four blocks side by side read fastest, two nearly as fast: a small matrix rather splits evenly between the workers.
  uint32_t streams = shape.blocks() < 96 && !arithmetic ? 2 : 4;
  uint32_t unit = shape.unitBlocks, wide = (streams + unit - 1) / unit * unit;
  SmallVector<LinearVariant> variants;
  if (arithmetic)
    variants.push_back({1, 1, 0, wide});
  else
    variants = {{1, 1, 1, shape.format.isInteger() ? unit : wide}, {1, 1, 4, wide}};
  variants.append({{4, 4, 0, unit}, {8, 8, 0, unit}, {kAnyRows, 64, 0, unit}});
  return variants;
}

void emitLinear(Emitter &e, const LinearShape &shape, const LinearVariant &variant, const LinearOperands &operands,
                LinearEpilogue epilogue) {
  Frame{e, shape, variant, operands, epilogue}.emit();
}

int64_t linearTokens(const LinearShape &shape, const LinearVariant &variant, CpuLevel level) {
  return tilingOf(variant, shape, level).tokens;
}

void emitLinearItem(Emitter &e, const LinearShape &shape, const LinearVariant &variant, Value weights, Value item,
                    ArrayRef<Value> rows, Value count, LinearEpilogue epilogue) {
  LinearOperands operands{weights, {}, 0};
  Frame frame{e, shape, variant, operands, epilogue};
  frame.blocksOfItem(item, rows);
  frame.finish(item, e.i64c(0), count);
}

} // namespace ingot::cpu
