// How a tensor-core linear cuts its columns, and what its prepared rows look like: all that its bits depend on.
//
// Invariants
//  1. A *tile* is 32 columns. A *span* is the least whole number of tiles and groups: a group, or two of 16, or 64
//     columns of a float weight. Padding spans hold zeros on both sides.
//  2. K is cut into kSplits runs of splitSpans() spans. A split's sum starts from +0 and takes its groups ascending:
//  the
//     tensor core sums a group from 0, then acc = fma(D, scale, acc) (floats: acc + D); affine grids add
//     fma(sum of x, minimum, acc). The splits' sums are added to +0 ascending. No kernel differs in any of it.
//  3. Floating activations are 1 to 3 *terms* of 16 bits, x = x0 + x1 + ..., each the rounding of what is left: f16 of
//  a
//     row scaled by a power of two so that its largest lies in [2^14, 2^15), or bf16 (weights in bf16). The row's
//     `factor` undoes the scale, behind the sum of the splits.
//  4. The columns of a tile are permuted so that a thread's fragments lie side by side (`column`).
#pragma once
#include "compiler/weights/layout.h"

namespace ingot::cuda {

inline constexpr uint32_t kTileColumns = 32, kSplits = 4;
inline constexpr uint32_t kSetGroups = 8;     // groups that the kernel of one token takes at once: columns of an mma
inline constexpr uint32_t kStageBytes = 4608; // what a warp fetches at once where spans allow

enum class Activations { f16, bf16, int8, f32 }; // f32: rows as they are, for weights in f32 (LinearF32.h)

struct LinearShape {
  WeightFormat format;
  uint64_t rows = 0, cols = 0; // of the packed weight: N and K
  Activations activations = Activations::f16;
  uint32_t terms = 1;      // of floating activations
  uint32_t unitBlocks = 1; // blocks of 16 rows that the epilogue takes at once

  bool isInt8() const { return activations == Activations::int8; }
  bool affine() const { return format.isInteger() && format.zero == WeightFormat::Zero::minimum; }
  uint64_t blocks() const { return blockCount(rows); }
  uint64_t blockBytes() const { return ingot::blockBytes(format, cols); }

  // Spans.
  uint32_t groupColumns() const { return format.isInteger() ? format.group : 64; }
  uint32_t spanColumns() const { return groupColumns() < kTileColumns ? kTileColumns : groupColumns(); }
  uint32_t spanGroups() const { return spanColumns() / groupColumns(); }
  uint32_t spanTiles() const { return spanColumns() / kTileColumns; }
  uint32_t spanBytes() const {
    return format.isInteger() ? spanGroups() * groupBytes(format) : spanColumns() * groupDataBytes(format);
  }
  uint64_t spans() const { return (cols + spanColumns() - 1) / spanColumns(); }

  // Splits, each a whole number of stages: what a warp fetches at once for one token, at most kSetGroups groups.
  uint64_t stages() const { return divide(divide(spans(), kSplits), mostSpans()); }
  uint64_t stageSpans() const { return divide(divide(spans(), kSplits), stages()); }
  uint64_t splitSpans() const { return stages() * stageSpans(); }
  uint64_t splitBytes() const { return splitSpans() * spanBytes(); }

  // The prepared row: tiles [tile][term][32 columns], then by group either the f32 sum of x (affine grids) or, for
  // int8, the pair (f32 scale d, i32 start), then the f32 factor.
  uint64_t tiles() const { return kSplits * splitSpans() * spanTiles(); }
  uint64_t groups() const { return kSplits * splitSpans() * spanGroups(); }
  uint32_t termBytes() const { return kTileColumns * (isInt8() ? 1 : activations == Activations::f32 ? 4 : 2); }
  uint32_t tileBytes() const { return terms * termBytes(); }
  uint64_t groupOffset() const { return tiles() * tileBytes(); }
  uint32_t groupRecordBytes() const { return isInt8() ? 8 : affine() ? 4 : 0; }
  uint64_t factorOffset() const { return groupOffset() + groups() * groupRecordBytes(); }
  bool hasFactor() const { return activations == Activations::f16; }
  uint64_t preparedBytes() const { return (factorOffset() + 4 + 63) / 64 * 64; }

  /// The column of a tile that thread t (of 4) holds at position i (of 8). i = 4 step + 2 half + j for floating
  /// activations (mma m16n8k16, two steps a tile), i = 4 half + j for int8 (m16n8k32, one step).
  uint32_t column(uint32_t t, uint32_t i) const {
    uint32_t step = i / 4, half = i / 2 % 2, j = i % 2;
    bool int4 = format.type == WeightFormat::Type::int4;
    if (activations == Activations::f32) return 8 * t + i;
    if (isInt8()) return int4 || format.group == 16 ? 8 * t + i : 16 * step + 4 * t + i % 4;
    if (!format.isInteger()) return 16 * step + 8 * half + 2 * t + j;
    if (!int4) return 16 * step + 4 * t + 2 * half + j;
    if (format.group == 16) return 16 * step + 8 * (t / 2) + 4 * half + t % 2 + 2 * j;
    return 8 * t + 4 * half + step + 2 * j;
  }

private:
  static uint64_t divide(uint64_t n, uint64_t d) { return (n + d - 1) / d; }
  uint32_t mostSpans() const {
    uint32_t most = 1;
    if (!format.isInteger()) return most;
    while ((most + 1) * spanGroups() <= kSetGroups && (most + 1) * spanBytes() <= kStageBytes) ++most;
    return most;
  }
};

} // namespace ingot::cuda
