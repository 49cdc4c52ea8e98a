#include "runtime/sample/sampler.h"

#include "runtime/base/mxcsr.h"
#include "runtime/sample/philox.h"

#include <algorithm>
#include <bitset>
#include <limits>
#include <memory>

namespace ingot {

namespace {

Status out_of_range(const char *option, double value, const char *range) {
  return Status::error(Code::usage, "%s must be %s, not %g", option, range, value);
}

constexpr float lowest = -std::numeric_limits<float>::infinity();

// NaN becomes -inf, which nothing chooses.
void fill(std::span<const float> logits, std::span<Candidate> candidates) {
  for (size_t i = 0; i < logits.size(); ++i) candidates[i] = {logits[i] == logits[i] ? logits[i] : lowest, int32_t(i)};
}

float penalized(float logit, float penalty) {
  float result = logit > 0 ? logit / penalty : logit * penalty;
  return result == result ? result : lowest; // inf / inf
}

void penalize(std::span<const float> logits, std::span<const int32_t> recent, float penalty,
              std::span<Candidate> candidates) {
  for (int32_t token : recent) {
    if (token < 0 || size_t(token) >= candidates.size()) continue;
    float &logit = candidates[size_t(token)].logit;
    if (logit == logits[size_t(token)]) logit = penalized(logit, penalty); // else already penalised, or NaN
  }
}

// The same for candidates in any order, which it puts in the order of likelihood.
void penalize(std::span<const int32_t> recent, float penalty, std::span<Candidate> candidates) {
  std::bitset<most_candidates> done;
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
  for (int32_t token : recent) {
    auto found = std::lower_bound(candidates.begin(), candidates.end(), token,
                                  [](const Candidate &candidate, int32_t id) { return candidate.id < id; });
    size_t index = size_t(found - candidates.begin());
    if (found == candidates.end() || found->id != token || done[index]) continue;
    found->logit = penalized(found->logit, penalty);
    done[index] = true;
  }
  std::sort(candidates.begin(), candidates.end(), likelier);
}

// Without a copy of them all: what most steps of most programs need.
Candidate first_largest(std::span<const float> logits) {
  int32_t id = argmax(logits);
  return id < 0 ? Candidate{lowest, 0} : Candidate{logits[size_t(id)], id};
}

const Candidate &best_of(std::span<const Candidate> candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), likelier);
}

bool is_filtered(const SamplerOptions &options) { return options.top_k != 0 || options.top_p < 1 || options.min_p > 0; }

bool is_penalized(const SamplerOptions &options, std::span<const int32_t> recent) {
  return options.repetition_penalty != 1 && !recent.empty();
}

class Draw {
public:
  // The first `sorted` candidates are the likeliest, likeliest first.
  Draw(const SamplerOptions &options, std::span<Candidate> candidates, size_t sorted)
      : options_(options), candidates_(candidates), sorted_(sorted) {}

  // Brings the candidates that pass every filter to the front, likeliest first; returns how many. `max`: the largest
  // logit.
  size_t keep(float max) {
    max_ = max;
    if (!is_filtered(options_)) return candidates_.size();
    const size_t limit =
        options_.top_k == 0 ? candidates_.size() : std::min<size_t>(options_.top_k, candidates_.size());
    double total = 0, reached = 0;
    if (options_.top_k != 0) sort_first(limit);
    if (options_.top_p < 1)
      for (size_t i = 0; i < limit; ++i) total += weight(candidates_[i]);
    for (size_t i = 0; i < limit; ++i) {
      if (i == sorted_) sort_first(std::min(limit, 4 * sorted_ + 64)); // few pass as a rule: sort no more than needed
      const double w = weight(candidates_[i]);
      if (w == 0 || w < double(options_.min_p)) return i;
      reached += w;
      if (options_.top_p < 1 && reached >= double(options_.top_p) * total) return i + 1;
    }
    return limit;
  }

  // One of the first `kept`, after keep().
  int32_t choose(size_t kept, double uniform) const {
    double total = 0, sum = 0;
    for (size_t i = 0; i < kept; ++i) total += weight(candidates_[i]);
    for (size_t i = 0; i < kept; ++i) {
      sum += weight(candidates_[i]);
      if (sum > uniform * total) return candidates_[i].id;
    }
    return best_of(candidates_.first(kept)).id; // uniform * total rounded up to the whole
  }

private:
  // Relative to the likeliest, whose weight is 1. Below -105 it is 0.
  double weight(const Candidate &candidate) const {
    double x = (double(candidate.logit) - double(max_)) / double(options_.temperature);
    return double(sampler_exp(float(std::max(x, -105.0))));
  }

  // Sorts the first `count` candidates, likeliest first.
  void sort_first(size_t count) {
    if (count <= sorted_) return;
    auto begin = candidates_.begin() + long(sorted_), end = candidates_.begin() + long(count);
    if (count < candidates_.size()) std::nth_element(begin, end, candidates_.end(), likelier);
    std::sort(begin, end, likelier);
    sorted_ = count;
  }

  const SamplerOptions &options_;
  std::span<Candidate> candidates_;
  size_t sorted_;
  float max_ = 0;
};

} // namespace

Status validate(const SamplerOptions &o) {
  if (!(o.temperature >= 0 && o.temperature <= 1e6f))
    return out_of_range("temperature", o.temperature, "from 0 to 1e6");
  if (!(o.top_p > 0 && o.top_p <= 1)) return out_of_range("top_p", o.top_p, "above 0 and at most 1");
  if (!(o.min_p >= 0 && o.min_p <= 1)) return out_of_range("min_p", o.min_p, "from 0 to 1");
  if (!(o.repetition_penalty > 0 && o.repetition_penalty <= 1e6f))
    return out_of_range("repetition_penalty", o.repetition_penalty, "above 0 and at most 1e6");
  return {};
}

Status no_logit() {
  return Status::error(Code::bad_input, "no logit is above minus infinity: the model's output is broken");
}

size_t sampler_scratch_size(size_t vocab) { return vocab * sizeof(Candidate) + alignof(Candidate); }

Status sample(const SamplerOptions &options, std::span<const float> logits, std::span<const int32_t> recent,
              uint64_t sequence, uint64_t position, std::span<std::byte> scratch, int32_t *id) {
  INGOT_TRY(validate(options));
  MxcsrGuard guard;
  if (logits.empty() || logits.size() > size_t(INT32_MAX))
    return Status::error(Code::usage, "no logits to sample from");
  if (scratch.size() < sampler_scratch_size(logits.size()))
    return Status::error(Code::usage, "the sampler's scratch is too small");
  void *aligned = scratch.data();
  size_t room = scratch.size();
  if (!std::align(alignof(Candidate), logits.size() * sizeof(Candidate), aligned, room))
    return Status::error(Code::usage, "the sampler's scratch is too small");
  std::span<Candidate> candidates(static_cast<Candidate *>(aligned), logits.size());
  const bool penalized = is_penalized(options, recent);
  const bool greedy = options.temperature == 0;
  if (penalized || !greedy) fill(logits, candidates);
  if (penalized) penalize(logits, recent, options.repetition_penalty, candidates);
  const Candidate best = penalized ? best_of(candidates) : first_largest(logits);
  if (best.logit == lowest) return no_logit();
  *id = best.id;
  if (greedy || best.logit == std::numeric_limits<float>::infinity()) return {};
  Draw draw(options, candidates, 0);
  *id = draw.choose(draw.keep(best.logit), philox_uniform(options.seed, sequence, position));
  return {};
}

uint32_t candidates_needed(const SamplerOptions &options, std::span<const int32_t> recent) {
  const bool penalized = is_penalized(options, recent);
  if (penalized && options.repetition_penalty < 1) return 0; // any recent token may become the likeliest
  if (options.temperature == 0) return penalized ? 64 : 1;
  if (options.top_k > most_candidates) return 0;
  if (options.top_k != 0) return penalized ? std::min(most_candidates, 2 * options.top_k + 64) : options.top_k;
  return options.top_p == 1 && options.min_p > 0 ? 256 : 0;
}

// A logit that is no candidate is unlikelier than the last candidate was, and a penalty of 1 or more makes none
// likelier: the candidates that still are at least as likely as that one are the first of all tokens, in order. What is
// kept must end among them.
Status sample_top(const SamplerOptions &options, std::span<Candidate> candidates, bool all,
                  std::span<const int32_t> recent, uint64_t sequence, uint64_t position, bool *decided, int32_t *id) {
  INGOT_TRY(validate(options));
  MxcsrGuard guard;
  *decided = false;
  if (candidates.size() > most_candidates)
    return Status::error(Code::usage, "%zu candidates are more than %u", candidates.size(), most_candidates);
  if (candidates.empty()) return all ? no_logit() : Status();
  if (candidates_needed(options, recent) == 0) return {};
  const Candidate last = candidates.back();
  if (is_penalized(options, recent)) penalize(recent, options.repetition_penalty, candidates);
  auto end = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate &c) { return likelier(last, c); });
  const size_t first = all ? candidates.size() : size_t(end - candidates.begin());
  if (first == 0) return {};
  const Candidate best = candidates[0];
  if (best.logit == lowest) return no_logit();
  *id = best.id;
  *decided = options.temperature == 0 || best.logit == std::numeric_limits<float>::infinity();
  if (*decided) return {};
  Draw draw(options, candidates.first(first), first);
  const size_t kept = draw.keep(best.logit);
  *decided = all || (options.top_k != 0 && options.top_k <= first) || (options.top_p == 1 && kept < first);
  if (*decided) *id = draw.choose(kept, philox_uniform(options.seed, sequence, position));
  return {};
}

} // namespace ingot
