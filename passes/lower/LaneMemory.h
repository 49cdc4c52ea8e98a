// Where the 16 threads of a worker must wait for each other: memory that one lane wrote and another reads, or the other
// way round. Private to distribute-lanes.
//
// An access belongs to a class of memory (scratch, one slot of the arguments block, everything else), and classes do
// not overlap but for buffers that a launch reads and writes lane by lane (kernels/cpu, invariant 5). Inside a class
// two accesses are ordered without waiting when the same lane makes both: 16 elements of n bytes at a multiple of 16 n
// always meet the same lanes (*striped*), scalars are stored by lane 0 alone. Outside scratch two stores never wait for
// each other: a result is written once, or again by the same lane (invariant 4). All else waits.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace ingot {

/// Loads and stores of generic pointers in front of which a worker's lanes wait for each other. `function` is in
/// vectors still; its first argument is the arguments block (runtime/format/abi.h), other pointer arguments are
/// scratch.
llvm::DenseSet<mlir::Operation *> findLaneWaits(mlir::func::FuncOp function);

/// base + offset bytes, constants taken off.
struct Place {
  mlir::Value base;
  int64_t offset = 0;
};
Place placeOf(mlir::Value address);

/// The lane that stores a scalar: that which holds it (the value is extracted from lanes), else lane 0.
unsigned storingLane(mlir::Operation *store);

} // namespace ingot
