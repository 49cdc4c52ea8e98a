// Flash-decoding on tensor cores: paged attention, keys cut into splits, then combined.
// (Dao, "FlashAttention-2", 2023; Dao et al., "Flash-Decoding", 2023. The cache is the CPU's: kernels/cpu/KvLayout.h.)
//
// Invariants
//  1. A tile is the absolute positions [64 t, 64 t + 64); its (m, l, o) are made from nothing. A split is 8 tiles, the
//     absolute positions [512 s, 512 s + 512), combined ascending from (-inf, 0, 0); splits are combined ascending
//     likewise. Who combines them (this kernel when n_splits is 1, the finish grid else) changes no bit.
//  2. A query that sees nothing of a tile or split keeps its state: its bits do not depend on who shares its CTA.
//  3. Values that no query of a group of 16 sees are not read, but taken as 0: 0 * NaN would be NaN. What only some of
//     them see may be infinite, too (f16's largest is 65504): when a result is no number and the group is of several
//     rows, it is done again row by row.
//  4. q (scaled by a power of two so that nothing overflows) and p are sums of terms of the cache's type: one, or for
//     exact activations two of f16 (22 bits) or three of bf16 (24). With an f32 cache q, p, K and V are sums of two
//     terms of bf16. Sums are f32.
#pragma once
#include "compiler/kernels/cpu/Attend.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

/// Whether the tensor cores serve this shape: head dims that are multiples of 16, at most 256 (an f32 cache: 128; exact
/// activations: 96, and no f32 cache). The rest stays on lanes: the CPU's bits.
bool isTensorAttend(const cpu::AttendShape &shape, bool exactActivations);

/// Bytes of a row's partial result of one split: o [heads][valueDim], m [heads], l [heads], f32.
uint64_t attendPartialBytes(const cpu::AttendShape &shape);

struct AttendOperands {
  cpu::Value query;    // ptr, row 0: [heads][keyDim] f32
  cpu::Value partials; // ptr, [rows][n_splits] of attendPartialBytes
  cpu::Value layer;    // i64, index inside the cache group
};

/// How many terms q and p get.
unsigned attendTerms(const cpu::AttendShape &shape, bool exactActivations);

/// Emits the main kernel into a module of its own: a CTA takes one item of the grid kv heads x splits x query tiles,
/// item = (tile * n_splits + split) * kv heads + head. `terms`: of q and p, 1 to 3. Fills in the variant.
mlir::LogicalResult emitTensorAttend(mlir::ModuleOp module, KernelVariant &variant, const cpu::AttendShape &shape,
                                     unsigned terms, llvm::function_ref<AttendOperands(cpu::Emitter &e)> operands);

/// Emits the finish grid's items [e.begin, e.end), on lanes: item = row * heads + head. `sinks`: ptr to one f32 a query
/// head, or null.
void emitAttendFinish(cpu::Emitter &e, const cpu::AttendShape &shape, cpu::Value partials, cpu::Value result,
                      cpu::Value sinks);

} // namespace ingot::cuda
