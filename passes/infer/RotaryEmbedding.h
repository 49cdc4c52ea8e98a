// Rotary embedding spelled in primitives, recognised by meaning: an output column that is a linear combination of two
// columns of one root value with a cosine and a sine of the position as coefficients, pairwise a rotation.
#pragma once
#include "passes/infer/RotaryAngles.h"

namespace ingot::infer {

/// Heads of `size` columns side by side in the root's rows. Place k of a head takes the root's column source[k], the
/// first 2n places turn as pairs ((k, k + n), or (2k, 2k + 1) if interleaved), and place k becomes column target[k].
struct RotaryEmbedding {
  mlir::Value root;
  int64_t heads = 1, size = 0;
  bool interleaved = false;
  llvm::SmallVector<int64_t> source = {}, target = {};
  RotaryAngles angles = {};
};

/// What `value` is as a rotary embedding of some value it is made of; nullopt if it is none.
std::optional<RotaryEmbedding> recogniseRotary(Typing &typing, RotaryTables &tables, mlir::Value value);

/// Enters the rotary embeddings of the typed function into `typing.recognised`. The tables must outlive the typing.
void recogniseRotaryEmbeddings(Typing &typing, RotaryTables &tables);

} // namespace ingot::infer
