// Emission of mixtures of experts: rows [T, slots * n] in the order of slots, decoder.expert_linear where rows meet an
// expert's matrix, decoder.rows for the rest. Experts are spelled one by one in many graphs: what they have in common
// is emitted once, what differs must be constants, which are stacked by expert.
#pragma once
#include "passes/infer/Experts.h"
#include "passes/infer/RowBuilder.h"

namespace ingot::infer {

/// matmul of a stack of matrices gathered by a router's indices.
struct GatheredProduct {
  mlir::Value stack, indices, input;
  int64_t experts, outer, inner;
  bool rowMajor; // the stack is [experts, outer, inner], else [experts, inner, outer]
};

/// Sets the rows of the op's result; reports what cannot be had.
void lowerMixture(RowBuilder &rows, Experts &experts, mlir::Operation *op, const Mixture &mixture);
void lowerSorted(RowBuilder &rows, Experts &experts, mlir::Operation *op, Router &router, mlir::Value sorted);
void lowerGathered(RowBuilder &rows, mlir::Operation *op, const GatheredProduct &product);

} // namespace ingot::infer
