// Appending keys and values to the cache's pages, 16 columns of one row at a time.
#pragma once
#include "compiler/kernels/cpu/Blocks.h"
#include "compiler/kernels/cpu/LaunchFrame.h"

namespace ingot::cpu {

/// Errors: a cache that is not there or not f32, f16 or bf16; heads that the unit does not hold whole.
mlir::LogicalResult checkAppend(decoder::AppendOp op, int64_t unit);

/// Writes columns [column, column + 16 * blocks.size()) of row `token` of the op's key (or value) where the token's
/// position lies in its sequence's pages. `column` is a multiple of whole heads; columns past the last head are
/// padding. Rows that are pads are skipped.
void emitAppend(Emitter &e, const LaunchFrame &frame, decoder::AppendOp op, bool value, Value token, Value column,
                llvm::ArrayRef<Value> blocks);

} // namespace ingot::cpu
