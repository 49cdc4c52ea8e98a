// The door to native linears: launches whose root is a linear with 16-, 8- or 4-bit weights, on tensor cores.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/LinearShape.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// Emits the kernels of `launch` at the end of `module`, named `stem`_*. Nothing: not a launch for tensor cores (f32
/// weights, a prologue that is not one norm, rows too long for a CTA). Errors: what no linear can hold.
/// `exactActivations`: enough terms that products are those of f32 activations up to the rounding of sums.
mlir::FailureOr<std::optional<LaunchKernels>> generateTensorLinear(decoder::LaunchOp launch, const std::string &stem,
                                                                   mlir::ModuleOp module, bool exactActivations);

/// Floating activations that go with a weight.
Activations activationsOf(const WeightFormat &format);
/// How many terms they are cut into.
uint32_t termsOf(Activations activations, bool exact);

} // namespace ingot::cuda
