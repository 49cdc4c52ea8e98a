// The first largest logit: what greedy sampling chooses, on the host here and on a GPU by the same rule.
#pragma once
#include <cstdint>
#include <limits>
#include <span>

namespace ingot {

// NaN is never chosen. -1: no logit is above minus infinity.
inline int32_t argmax(std::span<const float> logits) {
  float most = -std::numeric_limits<float>::infinity();
  int32_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > most) {
      most = logits[i];
      best = int32_t(i);
    }
  return best;
}

} // namespace ingot
