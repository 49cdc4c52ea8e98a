// Where the 16 threads of a worker must wait for each other: memory that one lane wrote and another reads, or the other
// way round. Private to distribute-lanes.
//
// An access belongs to a class of memory (scratch, one slot of the arguments block, everything else), and classes do
// not overlap but for buffers that a launch reads and writes lane by lane (kernels/cpu, invariant 5). Inside a class
// two accesses are ordered without waiting when they meet no common byte, or each byte by the same lane (LaneAccess.h).
// Outside scratch two stores never wait for each other: a result is written once, or again by the same lane (invariant
// 4). All else waits: in front of the later access, or of the outermost loop that has it and not the earlier one. No
// wait is left without which the others would do.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace ingot {

struct LaneOrder {
  /// Loads and stores of generic pointers, and loops, in front of which a worker's lanes wait for each other.
  llvm::DenseSet<mlir::Operation *> waits;
  /// Loads of fewer than 16 elements from memory that the function writes, too. Lanes past the length must not read,
  /// not even what they have no use for: another lane may be about to write it.
  llvm::DenseSet<mlir::Operation *> masked;
};

/// `function` is in vectors still; its first argument is the arguments block (runtime/format/abi.h), other pointer
/// arguments are scratch.
LaneOrder findLaneOrder(mlir::func::FuncOp function);

/// base + offset bytes, constants taken off.
struct Place {
  mlir::Value base;
  int64_t offset = 0;
};
Place placeOf(mlir::Value address);

/// The lane that stores a scalar: that which holds it (the value is extracted from lanes), else lane 0.
unsigned storingLane(mlir::Operation *store);

} // namespace ingot
