// What `lower` asks of a code generator. passes/ knows no target: compiler/kernels implements this interface.
#pragma once
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"
#include <string>

namespace ingot {

/// How many items a grid has (runtime/format/plan.fbs, Grid).
enum class GridKind { rows, queryTiles };

/// A kernel for a class of row counts.
struct KernelVariant {
  uint32_t maxRows = UINT32_MAX; // largest row count it serves; variants ascend, the last serves all
  std::string kernel;            // its function's name in every level's module
  GridKind grid = GridKind::rows;
  uint32_t units = 1;
  uint32_t per = 1;          // rows an item takes
  uint8_t streams = 0;       // 0: for every CPU
  uint64_t scratchBytes = 0; // per worker; CUDA: per CTA
  uint32_t blockThreads = 0; // CUDA: threads of a CTA, 1 to 1024; CPU: 0
  uint32_t blockItems = 0;   // CUDA: grid items a CTA takes, at least 1; CPU: 0
  uint32_t sharedBytes = 0;  // CUDA: dynamic shared memory of a CTA; CPU: 0
};

/// The code of one launch region.
struct LaunchKernels {
  llvm::SmallVector<KernelVariant> prepare; // empty: none
  llvm::SmallVector<KernelVariant> main;
  llvm::SmallVector<KernelVariant> finish; // a grid after main (CUDA: flash-decoding's combine); empty: none
  uint64_t preparedBytesPerRow = 0;        // multiple of 64
  uint64_t partialBytes = 0; // per row and split: what main leaves for finish, in the prepared slot; multiple of 64
  uint32_t preparePrivateRows = 0; // up to so many rows every worker prepares for itself
  uint64_t opsPerRow = 0;          // multiply-adds of the root a row
};

class KernelGenerator {
public:
  virtual ~KernelGenerator() = default;
  /// Structural hash of the region: weights' names and `layer` abstracted, everything else kept (launch rule 7).
  virtual uint64_t hash(decoder::LaunchOp launch) = 0;
  /// Emits the kernels of a region that has not been seen before. Function names contain the hash.
  virtual mlir::FailureOr<LaunchKernels> generate(decoder::LaunchOp launch) = 0;
  /// Size of the packed form that kernels expect of a recipe.
  virtual uint64_t packedBytes(weights::RecipeOp recipe) = 0;
  /// Its name in the plan (docs/weights.md): "int4.affine.g32", "f16", "rows.f32".
  virtual std::string layoutName(weights::RecipeOp recipe) = 0;
  /// Positions a KV page holds, its size, and the most rows of a query tile.
  virtual uint64_t pageTokens() = 0;
  virtual uint64_t pageBytes(decoder::CacheGroupOp group) = 0;
  virtual uint32_t queryTileRows() = 0;
};

} // namespace ingot
