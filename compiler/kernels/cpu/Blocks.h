// Ops that move values between columns, on consecutive blocks of 16 columns held in registers: what a unit of an
// epilogue is made of, and what row programs load a unit at a time. Any head size works; aligned ones cost no shuffle.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "dialects/decoder/Decoder.h"

namespace ingot::cpu {

using Blocks = llvm::SmallVector<Value>; // block b holds columns [16 b, 16 b + 16)

/// Lane l of the result = column index[l] of `blocks`; negative indices leave any value.
Value gatherColumns(Emitter &e, llvm::ArrayRef<Value> blocks, llvm::ArrayRef<int64_t> index);

/// Number of columns that a rope needs to have together, and a norm in groups: a multiple of 16.
int64_t unitColumns(int64_t headDim);

/// Rotary embedding of whole heads: `angles` holds cos(0..n-1), sin(0..n-1) from column 0 on; block 0 starts a head.
Blocks emitRope(Emitter &e, llvm::ArrayRef<Value> blocks, llvm::ArrayRef<Value> angles, int64_t headDim, int64_t n,
                bool interleaved);

/// What a norm subtracts (null: nothing) and multiplies with, as lanes.
struct NormStats {
  Value shift, factor;
};
/// Statistics of n columns. `sweep(first, step)` runs over the columns in ascending blocks, carrying lanes: for each it
/// calls step(lanes, count, sum) with the valid lanes' count (16 but in the tail).
using NormStep = llvm::function_ref<Value(Value lanes, int64_t count, Value sum)>;
using NormSweep = llvm::function_ref<Value(Value sum, NormStep step)>;
NormStats emitNormStats(Emitter &e, decoder::NormKind kind, int64_t n, float eps, NormSweep sweep);
/// Gain and bias may be null.
Value applyNorm(Emitter &e, const NormStats &stats, Value lanes, Value gain, Value bias);

/// A norm of each group of `groupDim` columns by itself; gain and bias hold groupDim columns, or are empty.
Blocks emitGroupNorm(Emitter &e, llvm::ArrayRef<Value> blocks, decoder::NormKind kind, int64_t groupDim, float eps,
                     llvm::ArrayRef<Value> gain, llvm::ArrayRef<Value> bias);

} // namespace ingot::cpu
