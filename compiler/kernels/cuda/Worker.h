// The frame of CUDA kernels on 16 lanes: a *worker*, half a warp, takes one grid item after the other.
//
// Invariants
//  1. What is written inside is lanes code (passes/lower, distribute-lanes): all scalars are equal in a worker.
//  2. The kernel counts its items itself, from args->rows or the batch's tiles: any number of CTAs computes each item
//     once, CTAs without an item leave at once (runtime/format/abi.h).
//  3. Nothing that an earlier kernel writes is read before griddep_wait.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

inline constexpr uint32_t kWorkerThreads = 16;

/// Emits `variant.kernel` into a module of its own at the end of `module`, as the code of a thread. Inside `body`
/// [e.begin, e.end) is a single item and e.scratch the worker's own; it returns the bytes of scratch a worker needs.
/// Fills in the variant's blockThreads, blockItems and scratchBytes.
mlir::LogicalResult emitWorkers(mlir::ModuleOp module, KernelVariant &variant,
                                llvm::function_ref<mlir::FailureOr<uint64_t>(cpu::Emitter &e)> body);

/// i64: the grid's items (runtime/format/plan.fbs, Grid).
cpu::Value itemCount(cpu::Emitter &e, const KernelVariant &variant);

/// The kernel that `e` made is complete: closes it, marks it as an entry of CTAs of `threads`, and distributes its
/// lanes. `ctas`: how many an SM should hold at least (0: ptxas weighs registers against occupancy, and may spill a
/// few).
mlir::LogicalResult finishEntry(cpu::Emitter &e, uint32_t threads, uint32_t ctas = 1);

} // namespace ingot::cuda
