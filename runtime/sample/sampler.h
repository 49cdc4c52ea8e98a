// From one row of logits to the next token.
//
// The choice is a pure function of (options, logits, recent tokens, sequence, position): no state, no libm, the same on
// every machine. Order, as the common libraries have it: repetition penalty, temperature, top-k, top-p, min-p, draw.
// Ties go to the lowest id. Thread-safe; allocates nothing.
//
// Most settings need the likeliest logits only: sample_top() chooses from those what sample() chooses from the row, so
// that a GPU need not send the row. candidates_needed() says how many to ask for.
#pragma once
#include "runtime/base/status.h"
#include "runtime/sample/top.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ingot {

struct SamplerOptions {
  float temperature = 0.0f; // 0: greedy, and what follows but the penalty has no effect
  uint32_t top_k = 0;       // keep the k likeliest; 0: all
  float top_p = 1.0f;       // keep the fewest likeliest that reach this probability; 1: all
  float min_p = 0.0f;       // keep those at least this likely relative to the likeliest; 0: all
  float repetition_penalty =
      1.0f; // logits of recent tokens: l / penalty if l > 0, else l * penalty (Keskar et al. 2019)
  uint64_t seed = 0;
};

// usage: names the option that is out of range, and its range.
Status validate(const SamplerOptions &options);

// Bytes of scratch that `sample` needs for this vocabulary; any alignment.
size_t sampler_scratch_size(size_t vocab);

// Chooses *id in [0, vocab). `recent`: tokens to penalise, in any order, repeats and foreign ids allowed. `sequence`,
// `position`: which sequence, and which place in it, the token is for. NaN logits are never chosen; if there is +inf,
// the lowest such id is. bad_input: no logit is above -inf. usage: scratch too small, or invalid options.
Status sample(const SamplerOptions &options, std::span<const float> logits, std::span<const int32_t> recent,
              uint64_t sequence, uint64_t position, std::span<std::byte> scratch, int32_t *id);

// How many of the likeliest logits (top()) decide the choice, as a rule; 0: it takes the whole row (probabilities of
// all tokens are summed, or tokens may become likelier).
uint32_t candidates_needed(const SamplerOptions &options, std::span<const int32_t> recent);

// sample(), given the likeliest logits only, as top() orders them; `all`: there are no others above minus infinity.
// Overwrites `candidates`. *decided false: logits that are not among them may count, so ask sample() with the row.
Status sample_top(const SamplerOptions &options, std::span<Candidate> candidates, bool all,
                  std::span<const int32_t> recent, uint64_t sequence, uint64_t position, bool *decided, int32_t *id);

// What sample() says when there is nothing to choose.
Status no_logit();

// e^x as the numerics contract has it: the same bits as in every kernel, within 1 ulp; 0 below -104. Here for its test.
float sampler_exp(float x);

} // namespace ingot
