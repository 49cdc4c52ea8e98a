#include "runtime/session/chooser.h"

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

Status Chooser::open(const plan::Facts &facts, const SamplerOptions &options, const Allocator &allocator) {
  INGOT_TRY(validate(options));
  options_ = options;
  vocab_ = facts.vocab_size();
  return scratch_.take(allocator, sampler_scratch_size(vocab_), 64, "sampler scratch");
}

Status Chooser::choose(const float *logits, std::span<const int32_t> recent, uint64_t sequence, uint64_t position,
                       int32_t *token) {
  std::span<std::byte> scratch(reinterpret_cast<std::byte *>(scratch_.data()), scratch_.size());
  return sample(options_, {logits, vocab_}, recent, sequence, position, scratch, token);
}

} // namespace ingot
