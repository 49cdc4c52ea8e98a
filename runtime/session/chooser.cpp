#include "runtime/session/chooser.h"

#include <algorithm>

namespace ingot {

SamplerOptions default_sampling(const plan::Facts &facts) {
  const plan::SamplingFacts *sampling = facts.sampling();
  if (!sampling || !sampling->present()) return {};
  return {.temperature = sampling->temperature(),
          .top_k = sampling->top_k(),
          .top_p = sampling->top_p(),
          .min_p = sampling->min_p(),
          .repetition_penalty = sampling->repetition_penalty()};
}

Status Chooser::open(const plan::Facts &facts, const Allocator &allocator) {
  return scratch_.take(allocator, sampler_scratch_size(facts.vocab_size()), 64, "sampler scratch");
}

Status Chooser::choose(Session &session, uint32_t index, const SamplerOptions &options, std::span<const int32_t> recent,
                       uint64_t sequence, uint64_t position, int32_t *token) {
  INGOT_TRY(validate(options));
  uint32_t vocab = session.artifact().facts().vocab_size();
  uint32_t wanted = std::min(candidates_needed(options, recent), vocab), count;
  if (wanted != 0) {
    bool decided;
    std::span<Candidate> best(reinterpret_cast<Candidate *>(scratch_.data()), wanted);
    INGOT_TRY(session.top(index, best, &count));
    bool all = count < wanted || wanted == vocab;
    INGOT_TRY(sample_top(options, best.first(count), all, recent, sequence, position, &decided, token));
    if (decided) return {};
  }
  const float *row;
  INGOT_TRY(session.logits(index, &row));
  std::span<std::byte> scratch(reinterpret_cast<std::byte *>(scratch_.data()), scratch_.size());
  return sample(options, {row, vocab}, recent, sequence, position, scratch, token);
}

} // namespace ingot
