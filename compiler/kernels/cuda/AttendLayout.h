// What attention's kernels keep where: pieces of K and V on their way, the queries, what warps exchange, partial
// results.
//
// A tile of keys is read in *stages*: first K, 16 keys times a piece of the key columns each, then V, a piece of the
// value columns times 16 keys each. A page holds both in one run of bytes, so a stage is a run of K, or rows of V.
#pragma once
#include "compiler/kernels/cuda/Attend.h"
#include "compiler/kernels/cuda/TensorEmitter.h"

namespace ingot::cuda {

inline constexpr int64_t kTileKeys = 64, kBlockKeys = 16, kTileBlocks = kTileKeys / kBlockKeys;
inline constexpr int64_t kQueries = 16, kAttendWarps = 4, kRoundKeys = kAttendWarps * kTileKeys;
inline constexpr int64_t kSplitRounds = INGOT_SPLIT_TOKENS / kRoundKeys;
inline constexpr int64_t kAttendSharedBytes = 99 << 10; // of a CTA on every architecture from sm_80 on

/// A head's columns, in steps of 16 (the mma's k), in even pieces of at most `most` steps.
struct HeadPieces {
  int64_t steps, most;
  int64_t count() const { return (steps + most - 1) / most; }
  int64_t first(int64_t piece) const { return piece * steps / count(); }
  int64_t size(int64_t piece) const { return first(piece + 1) - first(piece); }
  int64_t largest() const { return (steps + count() - 1) / count(); }
};

struct AttendLayout {
  const cpu::AttendShape &shape;
  unsigned terms; // of q and p
  // A piece is what registers hold at once: fragments that ptxas reads ahead, and o, beside what a thread owns of all
  // columns.
  HeadPieces keys{int64_t(shape.kv.keyDim / 16), isWide() || terms > 1 ? 4 : 8};
  HeadPieces values{int64_t(shape.kv.valueDim / 16), 4};

  bool isWide() const { return shape.kv.elementBytes == 4; } // f32: becomes terms of bf16 on its way into fragments
  bool isBrain() const { return isWide() || shape.kv.bf16; }
  unsigned cacheTerms() const { return isWide() ? terms : 1; }
  ptx::MmaKind mma() const { return isBrain() ? ptx::MmaKind::bf16 : ptx::MmaKind::f16; }
  ptx::PairType pair() const { return isBrain() ? ptx::PairType::bf16 : ptx::PairType::f16; }

  Value half(TensorEmitter &m, Value word, unsigned i) const { return isBrain() ? m.brain(word, i) : m.half(word, i); }

  //===- stages of a tile -----------------------------------------------------------------------------------------===//

  int64_t keyStage(int64_t block, int64_t piece) const { return block * keys.count() + piece; }
  int64_t valueStage(int64_t block, int64_t piece) const { return kTileBlocks * (keys.count() + piece) + block; }
  int64_t stages() const { return kTileBlocks * (keys.count() + values.count()); }
  int64_t keyStepBytes() const { return 256 * shape.kv.elementBytes; }  // 16 d of 16 keys
  int64_t valueStepBytes() const { return 16 * shape.kv.elementBytes; } // 16 columns of a key
  int64_t valuePitch() const {
    return values.largest() * valueStepBytes() + 16;
  } // the odd 16 bytes spread rows over banks
  int64_t stageBytes() const { return std::max(keys.largest() * keyStepBytes(), kBlockKeys * valuePitch()); }
  /// Stages of a warp in shared memory; divides stages(). More than 4 cost registers, too.
  int64_t ring() const {
    if (stages() == 8 && bytesWith(8, exchangeColumns()) <= kAttendSharedBytes) return 8;
    return bytesWith(4, exchangeColumns()) <= kAttendSharedBytes ? 4 : 2;
  }

  //===- shared memory --------------------------------------------------------------------------------------------===//

  // Queries: [step][term][lane] 4 registers. Then a slot a warp: columns of o [query], m [query], l [query]. Then
  // flags.
  int64_t queryBytes() const { return keys.steps * terms * 512; }
  int64_t exchangeColumns() const {
    int64_t most = bytesWith(4, 64) <= kAttendSharedBytes ? 64 : 32;
    return std::min<int64_t>(values.largest() * 16, most);
  }
  static int64_t pitchOf(int64_t columns) { return (columns + 8) * 4; } // so that a warp's stores meet different banks
  int64_t slotPitch() const { return pitchOf(exchangeColumns()); }
  int64_t slotLargest() const { return kQueries * slotPitch(); }
  int64_t slotSum() const { return slotLargest() + kQueries * 4; }
  int64_t slotBytes() const { return slotSum() + kQueries * 4; }
  int64_t slot(int64_t warp) const { return queryBytes() + warp * slotBytes(); }
  int64_t flags() const { return slot(kAttendWarps); } // a word a warp
  int64_t rings() const { return flags() + 16; }
  int64_t bytesWith(int64_t ring, int64_t columns) const {
    int64_t slot = kQueries * (pitchOf(columns) + 8);
    return queryBytes() + kAttendWarps * (slot + ring * stageBytes()) + 16;
  }
  int64_t bytes() const { return bytesWith(ring(), exchangeColumns()); }
};

/// A row's partial result of one split, f32: o [heads][valueDim], m [heads], l [heads].
struct PartialLayout {
  const cpu::AttendShape &shape;

  int64_t largest() const { return shape.heads * shape.kv.valueDim * 4; }
  int64_t sum() const { return largest() + shape.heads * 4; }
  int64_t bytes() const { return llvm::alignTo(sum() + shape.heads * 4, 64); }
};

} // namespace ingot::cuda
