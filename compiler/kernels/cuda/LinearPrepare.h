// The prepare grid of a tensor-core linear: a CTA a row. The row is normalised if the launch says so, cut into terms
// (or int8 groups) and left in the order in which fragments are read (LinearShape.h).
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/LinearShape.h"
#include "compiler/kernels/cuda/TensorEmitter.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// Whether a CTA can hold a row.
bool canPrepare(const LinearShape &shape);

/// What a prepare grid of expert linears has beside its rows.
struct PrepareExtra {
  uint64_t parts = 1;       // prepared rows a row of the input, side by side in it
  uint32_t sharedBytes = 0; // of what the first CTA does before its rows
  std::function<void(TensorEmitter &m, uint32_t threads)> first;
};

/// Emits `variant.kernel` at the end of `module` and fills in the variant's shape. `prologue` may be null, else `input`
/// is the root's.
mlir::LogicalResult emitLinearPrepare(mlir::ModuleOp module, const cpu::LaunchFrame &frame, mlir::Value input,
                                      decoder::NormOp prologue, const LinearShape &shape, KernelVariant &variant,
                                      const PrepareExtra &extra = {});
/// Threads of its CTAs.
uint32_t prepareThreads(const LinearShape &shape);

} // namespace ingot::cuda
