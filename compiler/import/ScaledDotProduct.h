// Attention as graph primitives, shared by every operator that is some spelling of softmax(q k^T + bias) v. infer reads
// the primitives; no operator needs a rule of its own there.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace ingot {

struct ScaledDotProduct {
  mlir::Value q, k, v; ///< [B, H, S, d], [B, K, T, d], [B, K, T, dv]; H a multiple of K
  float scale = 0;     ///< 0: 1 / sqrt(d)
  float softcap = 0;   ///< 0: none
  mlir::Value bias{};  ///< added to the scores [B, H, S, T] after the cap; null: none
  mlir::Value sinks{}; ///< [H], a logit a head that joins the softmax and no value; null: none
};

/// The scores at three places, for operators that can hand them out.
struct AttentionScores {
  mlir::Value raw, capped, biased, probabilities;
};

/// softmax(cap(scale q k^T) + bias) v, [B, H, S, dv]. Scores are f32 (f64 for f64 operands), whatever the operands.
mlir::Value attend(NodeImporter &n, const ScaledDotProduct &attention, AttentionScores *scores = nullptr);

/// [B, S, heads * d] -> [B, heads, S, d] and back.
mlir::Value splitHeads(NodeImporter &n, mlir::Value x, int64_t heads);
mlir::Value mergeHeads(NodeImporter &n, mlir::Value x);

/// past [B, K, P, d] followed by the new rows [B, K, S, d]; the new rows alone without a past.
mlir::Value appendToPast(NodeImporter &n, mlir::Value past, mlir::Value fresh);

/// i64[1]: one dim.
mlir::Value extentOf(NodeImporter &n, mlir::Value x, int64_t axis);
/// 0, 1, .. up to an i64[1] count.
mlir::Value iota(NodeImporter &n, mlir::Value count);

/// 0 where `visible`, `hidden` elsewhere.
mlir::Value biasOf(NodeImporter &n, mlir::Value visible, mlir::Type element,
                   double hidden = -std::numeric_limits<double>::infinity());
/// [S, T] (or [.., S, T] for an offset of higher rank): key j <= query i + offset, and with a window > 0 also
/// j > i + offset - window. The counts and a plain offset are i64[1].
mlir::Value causalMask(NodeImporter &n, mlir::Value queries, mlir::Value keys, mlir::Value offset, int64_t window = 0);
/// The sum of two biases, either of which may be null.
mlir::Value sumOf(NodeImporter &n, mlir::Value a, mlir::Value b);

} // namespace ingot
