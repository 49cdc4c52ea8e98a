// The door to native expert linears: launches whose root is an expert_linear, with weights in any format.
#pragma once
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// Emits the kernels of `launch` as generateNativeLinear does. Nothing: not an expert linear, or more experts than a
/// CTA sorts, or rows too long for one.
mlir::FailureOr<std::optional<LaunchKernels>> generateExpertLinear(decoder::LaunchOp launch, const std::string &stem,
                                                                   mlir::ModuleOp module, bool exactActivations);

} // namespace ingot::cuda
