// The sampler on a session: from a row of its last step to the next token, with no more of the row brought to the host
// than the settings look at.
#pragma once
#include "runtime/sample/sampler.h"
#include "runtime/session/session.h"

namespace ingot {

// The generation_config in the artifact's facts; greedy without one.
SamplerOptions default_sampling(const plan::Facts &facts);

class Chooser {
public:
  // Takes scratch for the model's vocabulary.
  Status open(const plan::Facts &facts, const Allocator &allocator = system_allocator());

  // The token for place `position` of a sequence, from logits row `index` of the session's last step, which is the
  // place before it: what sample() chooses from that row. `recent`, `sequence`, `position`: as sample() has them.
  // Error: an option out of range, no such row, no logit to choose. Allocates nothing.
  Status choose(Session &session, uint32_t index, const SamplerOptions &options, std::span<const int32_t> recent,
                uint64_t sequence, uint64_t position, int32_t *token);

private:
  Block scratch_;
};

} // namespace ingot
