// Main kernels of a launch with a linear root: y[t][n] = sum over k of w[n][k] x[t][k], handed to the epilogue in
// blocks of 16 consecutive columns. Arithmetic: numerics.md, lines "linear", "integer weights"; the bits do not depend
// on the variant, the level or the number of rows.
//
// Invariants
//  1. A grid item is `per` rows x `itemBlocks` blocks of 16 columns; item = tile * units + unit, as in plan.fbs.
//  2. Rows past the step's and blocks past the weight's are computed as copies of the last one and never handed on.
//  3. Weights are read once for up to 8 rows.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "compiler/weights/layout.h"

namespace ingot::cpu {

struct LinearShape {
  WeightFormat format;
  uint64_t rows = 0, cols = 0;  // of the packed weight: N and K
  bool int8Activations = false; // x is rows of PreparedRow{cols, format.group}, else f32 rows
  unsigned unitBlocks = 1; // blocks of 16 columns that the epilogue takes at once; divides the weight's block count

  uint64_t blocks() const { return blockCount(rows); }
};

/// One kernel of a step's `main` list. The same at both levels; how it is tiled in registers is the level's affair.
struct LinearVariant {
  uint32_t maxRows;    // plan.Variant.max_rows
  uint32_t per;        // plan.Variant.per
  uint32_t streams;    // plan.Variant.streams: 0 every CPU, else blocks of weights that are read side by side
  uint32_t itemBlocks; // a multiple of unitBlocks

  uint64_t units(const LinearShape &shape) const { return (shape.blocks() + itemBlocks - 1) / itemBlocks; }
  uint64_t scratchBytes() const { return uint64_t(16) * itemBlocks * 64; } // plan.Kernel.scratch_bytes
};

/// The variants that a linear of this shape deserves, in the plan's order.
llvm::SmallVector<LinearVariant> linearVariants(const LinearShape &shape, Machine machine = Machine::cpu);

struct LinearOperands {
  Value weights;        // ptr, the packed weight
  Value x;              // ptr, row 0 of the activations
  uint64_t xStride = 0; // bytes between rows
};

/// Called once, inside loops: emits what becomes of columns [16 * unitBlocks * unit, ...) of row `token`. `unit` is
/// below blocks() / unitBlocks; columns past `rows` of the weight are padding.
using LinearEpilogue = llvm::function_ref<void(Value token, Value unit, llvm::ArrayRef<Value> blocks)>;

/// Emits the loop over the items [e.begin, e.end) into the kernel that `e` has open. e.scratch: scratchBytes(),
/// 64-aligned.
void emitLinear(Emitter &e, const LinearShape &shape, const LinearVariant &variant, const LinearOperands &operands,
                LinearEpilogue epilogue);

/// Rows that one register tile of `variant` takes at a level.
int64_t linearTokens(const LinearShape &shape, const LinearVariant &variant, CpuLevel level);

/// Emits one item: its columns for the rows at `rows` (linearTokens pointers), the first `count` of which exist. The
/// epilogue gets them as tokens 0, 1, ... Other kernels' way to linears whose rows and weights they choose themselves.
void emitLinearItem(Emitter &e, const LinearShape &shape, const LinearVariant &variant, Value weights, Value item,
                    llvm::ArrayRef<Value> rows, Value count, LinearEpilogue epilogue);

} // namespace ingot::cpu
