// The likeliest logits of a row: all that most choices look at. Selected on the host here, on a GPU by the same rule.
#pragma once
#include "runtime/sample/argmax.h"

#include <algorithm>

namespace ingot {

// At most so many are ever asked for.
inline constexpr uint32_t most_candidates = 1024;

struct Candidate {
  float logit;
  int32_t id;
};

// The order of choices: the larger logit first, of equal ones the lower id.
inline bool likelier(const Candidate &a, const Candidate &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Fills `best` with the likeliest candidates, likeliest first. NaN and minus infinity are none: returns how many there
// are, best.size() at most. One pass, and a heap of those found so far with the unlikeliest on top.
inline uint32_t top(std::span<const float> logits, std::span<Candidate> best) {
  if (best.size() == 1) {
    int32_t id = argmax(logits);
    if (id >= 0) best[0] = {logits[size_t(id)], id};
    return id >= 0;
  }
  size_t count = 0;
  float least = -std::numeric_limits<float>::infinity(); // what a logit must exceed
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > least)) continue;
    if (count == best.size()) std::pop_heap(best.begin(), best.end(), likelier), --count;
    best[count++] = {logits[i], int32_t(i)};
    std::push_heap(best.begin(), best.begin() + long(count), likelier);
    if (count == best.size()) least = best[0].logit;
  }
  std::sort_heap(best.begin(), best.begin() + long(count), likelier);
  return uint32_t(count);
}

} // namespace ingot
