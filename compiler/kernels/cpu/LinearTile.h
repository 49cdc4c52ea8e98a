// What Linear.cpp asks of the inner loops: one register tile of dot products over the whole of K.
#pragma once
#include "compiler/kernels/cpu/Linear.h"

namespace ingot::cpu {

/// `width` consecutive rows of a packed block of 16: a whole block at v4, half of one at v3. Byte addresses of the
/// first of these rows inside the block's first group.
struct WeightPart {
  Value data, scale, zero;
};

struct LinearTile {
  const LinearShape &shape;
  int64_t width;                       // lanes of a part: 16 at v4, 8 at v3
  llvm::SmallVector<WeightPart> parts; // what is read side by side
  llvm::SmallVector<Value> rows;       // ptr to each row of activations
  int64_t partsABlock;                 // 2 when both halves of a block are read side by side
  int64_t prefetch;                    // bytes ahead in each part's data; 0: none
  int64_t jump;                        // added where that lies past the block

  /// Prefetches the lines that hold `bytes` bytes from `offset` of every block on, `prefetch` bytes ahead.
  void prefetchAhead(Emitter &e, Value offset, int64_t bytes) const {
    if (!prefetch) return;
    Value ahead = e.iadd(offset, prefetch), end = e.i64c(blockBytes(shape.format, shape.cols) - 1);
    if (jump) ahead = e.iadd(ahead, e.select(e.ult(end, ahead), e.i64c(jump), e.i64c(0)));
    for (size_t p = 0; p < parts.size(); p += partsABlock)
      for (int64_t line = 0; line < bytes; line += 64) e.prefetch(e.at(e.at(parts[p].data, ahead), line));
  }
};

/// Results [part * rows + row], vectors of `width` f32.
llvm::SmallVector<Value> emitInt8Tile(Emitter &e, const LinearTile &tile);
llvm::SmallVector<Value> emitFloatTile(Emitter &e, const LinearTile &tile);

} // namespace ingot::cpu
