// The door to native linears: weights of 16, 8 and 4 bits on tensor cores, f32 ones on CUDA cores (LinearF32.h).
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/LinearShape.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// A launch that native kernels may take: its root a packed linear with nothing but one norm in front.
struct NativeLinear {
  cpu::LaunchFrame frame;
  decoder::LinearOp root;
  decoder::NormOp prologue; // or null
  bool int8;                // activations
  uint32_t unitBlocks;      // of the epilogue

  const cpu::WeightView &weight() const { return frame.weight(decoder::LinearOp(root).getWeightAttr()); }
};

/// Emits the kernels of `launch` at the end of `module`, named `stem`_*. Nothing: not a launch for them (no linear,
/// another prologue than one norm, rows too long for a CTA). Errors: what no linear can hold. `exactActivations`:
/// enough terms that products are those of f32 activations up to the rounding of sums.
mlir::FailureOr<std::optional<LaunchKernels>> generateNativeLinear(decoder::LaunchOp launch, const std::string &stem,
                                                                   mlir::ModuleOp module, bool exactActivations);

/// Floating activations that go with a weight.
Activations activationsOf(const WeightFormat &format);
/// How many terms they are cut into.
uint32_t termsOf(Activations activations, bool exact);

} // namespace ingot::cuda
