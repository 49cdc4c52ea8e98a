// From recipe ops to tensors that can be read.
#pragma once
#include "compiler/weights/source_files.h"
#include "compiler/weights/tensor.h"
#include "dialects/weights/Weights.h"

namespace ingot {

/// The tensor of a recipe value. weights.pack builds its input: packing is the recipe's business.
llvm::Expected<TensorRef> buildTensor(mlir::Value value, SourceFiles &files);

} // namespace ingot
