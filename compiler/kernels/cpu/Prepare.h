// Prepare grids: a linear root's input, normalised and quantised once per row for all of the main grid.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cpu/PreparedRow.h"

namespace ingot::cpu {

/// What the root reads instead of the launch's input. No prepare: neither a prologue nor int8 activations.
struct PreparedInput {
  decoder::NormOp prologue; // null: none
  bool int8 = false;
  PreparedRow layout; // with int8
  uint64_t cols = 0;

  bool exists() const { return prologue || int8; }
  uint64_t bytesPerRow() const { return int8 ? layout.bytes() : rowStride(cols); }
};

/// Reads the launch's prologue and `num`. Errors: ops before the root that are not one norm, a group other than the
/// weight's.
mlir::FailureOr<PreparedInput> preparedInput(const LaunchFrame &frame, decoder::LinearOp root);

/// Emits the prepare kernel: items are rows, results go to the slot `prepared`. The bytes of scratch it needs.
uint64_t emitPrepare(Emitter &e, const LaunchFrame &frame, decoder::LinearOp root, const PreparedInput &input);

} // namespace ingot::cpu
