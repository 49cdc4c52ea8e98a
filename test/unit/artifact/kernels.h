// The kernels of the hand-made model, in C++. They follow format/abi.h to the letter.
#pragma once
#include "runtime/format/abi.h"

namespace ingot::test {

inline constexpr uint32_t toy_vocab = 40, toy_hidden = 16, toy_layers = 2, toy_kernels = 6;

enum class ToyKernel : uint32_t { embed, prepare, linear, append, attend, logits };
inline constexpr const char *toy_kernel_names[toy_kernels] = {"embed",  "prepare", "linear",
                                                              "append", "attend",  "logits"};
extern const ingot_kernel toy_kernel_functions[toy_kernels];

} // namespace ingot::test
