// The prepare grid of a tensor-core linear: a CTA a row. The row is normalised if the launch says so, cut into terms
// (or int8 groups) and left in the order in which fragments are read (LinearShape.h).
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/LinearShape.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// The one norm in front of the root, or null; false: something else stands there.
bool findPrologue(decoder::LinearOp root, decoder::NormOp &norm);

/// Whether a CTA can hold a row.
bool canPrepare(const LinearShape &shape);

/// Emits `variant.kernel` at the end of `module` and fills in the variant's shape. `prologue` may be null.
mlir::LogicalResult emitLinearPrepare(mlir::ModuleOp module, const cpu::LaunchFrame &frame, decoder::LinearOp root,
                                      decoder::NormOp prologue, const LinearShape &shape, KernelVariant &variant);

} // namespace ingot::cuda
