// Columns [begin, begin + size) of a linear's result: what merging passes take apart and join again.
#pragma once
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/RecipeBuilder.h"

namespace ingot {

struct LinearPart {
  mlir::Value value;                // the linear's result, or a split's
  mutable decoder::LinearOp linear; // op accessors are not const
  int64_t begin, size;
};

/// The linear, or split of a linear, that makes `value`.
std::optional<LinearPart> partOf(mlir::Value value);

/// Parts can share a linear when they read the same rows and their recipes have one grid (or float type), biases alike.
bool mergeable(llvm::ArrayRef<LinearPart> parts);

/// Values of the parts' weight (or bias) recipes: rows [begin, begin + size) of each, padded to a multiple of `unit`.
llvm::SmallVector<mlir::Value> loadParts(RecipeBuilder &recipe, llvm::ArrayRef<LinearPart> parts, int64_t unit,
                                         bool bias);

/// The parts' splits and linears go if nobody uses them any more.
void eraseDeadParts(llvm::ArrayRef<LinearPart> parts);

} // namespace ingot
