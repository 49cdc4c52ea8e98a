// What follows a linear root, on one unit of its result: consecutive columns of one row in registers (launch rule 3).
#pragma once
#include "compiler/kernels/cpu/Blocks.h"
#include "compiler/kernels/cpu/LaunchFrame.h"

namespace ingot::cpu {

/// Blocks of 16 columns that the epilogue of `root` needs together: lcm of 16 and the head sizes of ropes and norms,
/// twice as many with a gate. Errors: an op or a split that no epilogue can hold.
mlir::FailureOr<unsigned> epilogueUnitBlocks(const LaunchFrame &frame, decoder::LinearOp root);

/// Emits bias and epilogue of unit `unit` of row `token`, down to the stores. Checked by epilogueUnitBlocks.
void emitEpilogue(Emitter &e, const LaunchFrame &frame, decoder::LinearOp root, Value token, Value unit,
                  llvm::ArrayRef<Value> blocks);

} // namespace ingot::cpu
