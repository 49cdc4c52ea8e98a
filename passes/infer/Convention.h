// The calling convention: what a graph's inputs and outputs are.
//
// Rules (design section 3)
// C1 batch is 1: batching lives in the step's segments.
// C2 the call brings S >= 1 new tokens of one sequence with P >= 0 cached ones.
// C3 the attention mask is all ones, of length T = P + S.
// C4 position_ids[i] = P + i.
// C5 every past input has the one axis P, whatever its dim_param says; pasts are the float inputs of rank 3 to 5
//    ([B*heads, P, d], [B, heads, P, d], [2, B, heads, P, d] in any order). P is the axis that a concatenation with the
//    new rows lengthens. Sizes that the file leaves open are learnt from what is joined to them; then all is typed
//    anew.
// C6 switches: num_logits_to_keep is 0 (all), token_type_ids are 0. use_cache_branch is true if that branch is proved;
//    many hold for one new token only: then it is false, and C7 applies (relaxation prompt-branch).
// C7 without past inputs P is 0: what holds for every S holds for every P + S, by the chunk law; caches are added.
// Pairing
// K1 a past input, or each part of a combined one, feeds one attention as keys or as values; an output is the same past
//    with this step's rows, column by column.
// K2 names are a hint that must not contradict: layer numbers, and "key" against "value", agree.
// K3 layers with equal heads, sizes, type and window form one cache group, in the order of their ops.
#pragma once
#include "passes/infer/RowBuilder.h"

namespace ingot::infer {

struct Interface {
  mlir::Value tokens; ///< the ids' argument
  mlir::Value logits; ///< operand of the return
};

/// Sizes of argument axes that typing has learnt (C5).
using LearntSizes = llvm::DenseMap<ArgumentAxis, int64_t>;

/// Gives every argument its abstract value by C1-C7. Failure when reported.
/// `promptOnly`: use_cache_branch is false, so there are no pasts although inputs for them exist.
mlir::FailureOr<Interface> applyConvention(Typing &typing, const LearntSizes &learnt, bool promptOnly);
/// The graph chooses between a branch with and one without a past at run time.
bool hasCacheSwitch(mlir::func::FuncOp main);

/// Finds the logits among the outputs after typing. Null when reported.
mlir::Value findLogits(Typing &typing);

/// What must be computed: the logits, and decoder.attention ops as they stand (they fill caches).
llvm::SmallVector<mlir::Value> rootsOf(Typing &typing, mlir::Value logits);

/// Pairs pasts with presents (K1-K3), makes the cache groups at `builder` and places every attention that the roots
/// hang on.
CachePlaces placeCaches(Typing &typing, mlir::Value logits, mlir::OpBuilder &builder);

} // namespace ingot::infer
