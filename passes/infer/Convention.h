// The calling convention: what a graph's inputs and outputs are.
//
// Rules (design section 3)
// C1 batch is 1: batching lives in the step's segments.
// C2 the call brings S >= 1 new tokens of one sequence with P >= 0 cached ones.
// C3 the attention mask is all ones, of length T = P + S.
// C4 position_ids[i] = P + i.
// C5 every past input has the one axis P, whatever its dim_param says; pasts are the float inputs of rank 4.
// C6 switches (use_cache_branch, num_logits_to_keep) were bound by the importer.
// Pairing
// K1 a past input feeds one attention, whose present result is an output; each attention has a past of its own.
// K2 names are a hint that must not contradict: layer numbers, and "key" against "value", agree.
// K3 layers with equal heads, sizes, type and window form one cache group, in the order of their ops.
#pragma once
#include "passes/infer/RowBuilder.h"

namespace ingot::infer {

struct Interface {
  mlir::Value tokens; ///< the ids' argument
  mlir::Value logits; ///< operand of the return
};

/// Gives every argument its abstract value by C1-C6. Failure when reported.
mlir::FailureOr<Interface> applyConvention(Typing &typing);

/// Finds the logits among the outputs after typing. Null when reported.
mlir::Value findLogits(Typing &typing);

/// Pairs pasts with presents (K1-K3), makes the cache groups at `builder` and places every attention.
CachePlaces placeCaches(Typing &typing, mlir::OpBuilder &builder);

} // namespace ingot::infer
