// Recipe ops of quantised files that no grid keeps: numbers unpacked from bytes, looked up in a table, repeated, and
// (input - zeros) * scales + minima with one scale a block of every axis. Arguments are checked by the verifiers.
#pragma once
#include "compiler/weights/tensor.h"

namespace ingot {

TensorRef makeRepeat(TensorRef input, llvm::ArrayRef<int64_t> shape, int64_t axis, int64_t times);
TensorRef makeUnpack(TensorRef bytes, llvm::ArrayRef<int64_t> shape, uint32_t bits, bool highFirst);
/// A code outside of the table is an error when it is read.
TensorRef makeLookup(TensorRef table, TensorRef codes);
/// `zeros` and `minima` may be null.
TensorRef makeDequantLinear(TensorRef input, TensorRef scales, TensorRef zeros, TensorRef minima,
                            llvm::ArrayRef<int64_t> blocks);

} // namespace ingot
