// Main kernels of tensor-core linears. Both end alike: sums of a tile of tokens lie in shared memory as
// [block][token][16 rows] f32, and half-warps take (token, unit) pairs through the CPU's epilogue on lanes.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cuda/ExpertItems.h"
#include "compiler/kernels/cuda/LinearProducts.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cuda {

inline constexpr uint32_t kMostSharedBytes = 99 << 10; // of a CTA on every architecture from sm_80 on (sm_86, sm_89)

/// What every main kernel knows. With `experts` the root is theirs, `root` null, and `shape` that of one expert.
struct LinearKernel {
  mlir::ModuleOp module;
  const cpu::LaunchFrame &frame;
  mutable decoder::LinearOp root;
  const LinearShape &shape;
  const ExpertItems *experts = nullptr;

  Value weightAddress(Emitter &e) const; // ptr, of the first expert
  /// i64: the input (or prepared) row of token `token` (i32) of a tile from `firstToken` (i64) on; behind the step's
  /// last row that one, to read less: there is room for more.
  Value inputRow(TensorEmitter &m, Value firstToken, Value token) const;
  /// Whether the rows that `variant` serves are never more than a tile; whether there is but one item, too.
  bool hasOneTile(const KernelVariant &variant) const { return !experts && variant.maxRows <= variant.per; }
  bool hasOneItem(const KernelVariant &variant) const { return hasOneTile(variant) && variant.units == 1; }
  /// The grid's items, each by `emit`, and the end of the kernel's entry. Which items there are with experts is known
  /// behind griddep_wait only.
  mlir::LogicalResult emitItems(TensorEmitter &m, const KernelVariant &variant, uint32_t ctas,
                                llvm::function_ref<void(Value item)> emit) const;
};

/// Few tokens: splits of K on different warps, whose weights stream through rings of their own. `tokens`: 1 or 8 n.
struct StreamTiling {
  uint32_t tokens, blocks; // of a CTA
  uint32_t together;       // blocks a warp takes together: they share the reads of activations
  uint32_t parts, ring;    // warps a split; stages of a warp's ring, which has no more slots than there are stages
  uint32_t stageSpans;     // that a warp fetches at once: a divisor of splitSpans

  /// Nothing: units too large for shared memory.
  static std::optional<StreamTiling> of(const LinearShape &shape, uint32_t tokens);
  uint32_t passes() const { return (blocks + parts * together - 1) / (parts * together); }
  uint32_t warps() const { return kSplits * parts; }
  uint32_t stageBytes(const LinearShape &shape) const { return stageSpans * shape.spanBytes(); } // of a block
  uint32_t slots(const LinearShape &shape) const { return std::min<uint64_t>(ring, sequence(shape)); }
  uint32_t ringBytes(const LinearShape &shape) const { return warps() * slots(shape) * together * stageBytes(shape); }
  uint32_t sumBytes() const { return kSplits * blocks * tokens * 64; }
  uint64_t sequence(const LinearShape &shape) const { return shape.splitSpans() / stageSpans * passes(); } // a warp's
  bool resident(const LinearShape &shape) const; // one token, and the ring holds all that a warp reads

private:
  static std::optional<StreamTiling> ofOne(const LinearShape &shape);
  static std::optional<StreamTiling> ofMany(const LinearShape &shape, uint32_t tokens);
};
mlir::LogicalResult emitLinearStream(const LinearKernel &kernel, const StreamTiling &tiling, KernelVariant &variant);

/// Many tokens: a block a warp, splits one after the other, activations through a ring that the CTA shares.
struct PanelTiling {
  uint32_t tokens, blocks, stageSpans, ring; // blocks a CTA = warps

  static std::optional<PanelTiling> of(const LinearShape &shape);
};
mlir::LogicalResult emitLinearPanel(const LinearKernel &kernel, const PanelTiling &tiling, KernelVariant &variant);

/// A warp's weights: 16-byte pieces of `bytes` consecutive ones, copied by its lanes into shared memory.
struct WeightCopy {
  TensorEmitter &m;
  uint32_t bytes; // of a stage, a multiple of 16
  /// `from`: ptr<1>; `left`: i32 bytes of the block from there on (less than `bytes`, or negative: zeros, and `from` is
  /// not followed), or null.
  void issue(Value to, Value from, Value left);
};

/// Hands sums in shared memory to the epilogue: partial sums [split][block][token][16] at `sums` (i32), `splits` of
/// them; `firstUnit` (i64) of the CTA's `blocks`, `firstToken` (i64; null: there is but one tile), `tokens` a tile,
/// `threads` of the CTA.
struct LinearFinish {
  Value sums, firstUnit, firstToken;
  uint32_t splits, blocks, tokens, threads;
};
void emitLinearFinish(TensorEmitter &m, const LinearKernel &kernel, const LinearFinish &finish);

} // namespace ingot::cuda
