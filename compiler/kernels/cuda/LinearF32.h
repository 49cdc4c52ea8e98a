// Linears with f32 weights: exact products on CUDA cores, as the tensor cores have no f32.
//
// Invariants
//  1. K is cut into kSplits splits of kRuns runs of RunCut::columns consecutive columns. A run's sum is one fma chain
//     from +0, k ascending; a split's sum is its runs' added to +0 ascending; the product is the splits' added to +0
//     ascending (emitLinearFinish). No kernel, tile or ring size shows.
//  2. What runs hold past K is zeros on both sides. That changes no sum: none is -0 once it was added to +0.
//  3. Activations are f32 rows: the launch's input, or what a norm's prepare left. Columns past K may hold anything.
#pragma once
#include "compiler/kernels/cuda/Linear.h"
#include "compiler/kernels/cuda/LinearKernels.h"

namespace ingot::cuda {

inline constexpr uint32_t kRuns = 8;              // of a split: the groups of 4 lanes that hold a column's 16 rows
inline constexpr uint32_t kFloatColumnBytes = 64; // 16 rows

/// How K is cut: by K alone.
struct RunCut {
  uint64_t columns; // of a run, a multiple of `stage`
  uint32_t stage;   // columns a tile's stage takes, a multiple of 4

  static RunCut of(uint64_t cols);
  uint64_t splitColumns() const { return columns * kRuns; }
  bool padded(uint64_t cols) const { return splitColumns() * kSplits != cols; }
};

struct FloatLinear {
  LinearKernel kernel;
  RunCut cut;
  std::function<Value(Emitter &e)> input; // ptr, row 0 of the activations
  uint64_t inputStride;                   // bytes

  /// i32: how many bytes of activations [k, k + 4) lie before K: what a copy brings, zeros the rest. Null: all.
  Value pieceBytes(Emitter &e, Value k) const;
};

/// Up to 8 rows: the read of the weights limits. 4 splits of K times `parts` blocks of 16 rows at once, a warp each.
struct FloatStreamTiling {
  uint32_t tokens, blocks; // of a CTA
  uint32_t together;       // blocks a warp takes together: they share the activations
  uint32_t parts, ring;

  static std::optional<FloatStreamTiling> of(const LinearShape &shape, const RunCut &cut, uint32_t tokens);
  uint32_t passes() const { return (blocks + parts * together - 1) / (parts * together); }
  uint32_t warps() const { return kSplits * parts; }
};
mlir::LogicalResult emitFloatStream(const FloatLinear &linear, const FloatStreamTiling &tiling, KernelVariant &variant);

/// More rows: arithmetic limits. A warp takes a block and all tokens; `parallel` (4 or 1) splits of K side by side.
struct FloatTileTiling {
  uint32_t tokens, blocks, parallel, ring;

  static std::optional<FloatTileTiling> of(const LinearShape &shape, const RunCut &cut, uint32_t tokens);
  uint32_t warps() const { return parallel * blocks; }
};
mlir::LogicalResult emitFloatTile(const FloatLinear &linear, const FloatTileTiling &tiling, KernelVariant &variant);

/// generateNativeLinear for f32 weights.
mlir::FailureOr<std::optional<LaunchKernels>> generateFloatLinear(NativeLinear &native, const std::string &stem,
                                                                  mlir::ModuleOp module);

} // namespace ingot::cuda
