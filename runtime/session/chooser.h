// The sampler with what it needs around it: the model's own settings as defaults, and scratch taken once.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/sample/sampler.h"

namespace ingot {

// The generation_config in the artifact's facts; greedy without one.
SamplerOptions default_sampling(const plan::Facts &facts);

class Chooser {
public:
  // Error: an option out of range.
  Status open(const plan::Facts &facts, const SamplerOptions &options, const Allocator &allocator = system_allocator());

  // The token for place `position` of a sequence, from the logits row [vocab] of the place before it. `recent` are the
  // tokens that the repetition penalty applies to. Allocates nothing.
  Status choose(const float *logits, std::span<const int32_t> recent, uint64_t sequence, uint64_t position,
                int32_t *token);

  // Whether choose() takes the first largest logit, which Session::greedy() finds where the logits are.
  bool is_greedy(std::span<const int32_t> recent) const {
    return options_.temperature == 0 && (options_.repetition_penalty == 1 || recent.empty());
  }

private:
  SamplerOptions options_;
  uint32_t vocab_ = 0;
  Block scratch_;
};

} // namespace ingot
