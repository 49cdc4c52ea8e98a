#include "runtime/sample/sampler.h"

#include "runtime/base/mxcsr.h"
#include "runtime/sample/argmax.h"
#include "runtime/sample/philox.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace ingot {

namespace {

struct Candidate {
  float logit;
  int32_t id;
};

bool likelier(const Candidate &a, const Candidate &b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

Status out_of_range(const char *option, double value, const char *range) {
  return Status::error(Code::usage, "%s must be %s, not %g", option, range, value);
}

constexpr float lowest = -std::numeric_limits<float>::infinity();

// NaN becomes -inf, which nothing chooses.
void fill(std::span<const float> logits, std::span<Candidate> candidates) {
  for (size_t i = 0; i < logits.size(); ++i) candidates[i] = {logits[i] == logits[i] ? logits[i] : lowest, int32_t(i)};
}

void penalize(std::span<const float> logits, std::span<const int32_t> recent, float penalty,
              std::span<Candidate> candidates) {
  for (int32_t token : recent) {
    if (token < 0 || size_t(token) >= candidates.size()) continue;
    float &logit = candidates[size_t(token)].logit;
    if (logit != logits[size_t(token)]) continue; // already penalised, or NaN
    logit = logit > 0 ? logit / penalty : logit * penalty;
    if (logit != logit) logit = lowest; // inf / inf
  }
}

// Without a copy of them all: what most steps of most programs need.
Candidate first_largest(std::span<const float> logits) {
  int32_t id = argmax(logits);
  return id < 0 ? Candidate{lowest, 0} : Candidate{logits[size_t(id)], id};
}

const Candidate &best_of(std::span<const Candidate> candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), likelier);
}

class Draw {
public:
  Draw(const SamplerOptions &options, std::span<Candidate> candidates, float max)
      : options_(options), candidates_(candidates), max_(max) {}

  int32_t choose(double uniform) {
    bool filtered = options_.top_k != 0 || options_.top_p < 1 || options_.min_p > 0;
    size_t kept = filtered ? keep() : candidates_.size();
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

  // Sorts the first `count` candidates, likeliest first, given that the first `sorted` are.
  void sort_first(size_t sorted, size_t count) {
    auto begin = candidates_.begin() + long(sorted), end = candidates_.begin() + long(count);
    if (count < candidates_.size()) std::nth_element(begin, end, candidates_.end(), likelier);
    std::sort(begin, end, likelier);
  }

  // Brings the candidates that pass every filter to the front, likeliest first; returns how many.
  size_t keep() {
    const size_t limit =
        options_.top_k == 0 ? candidates_.size() : std::min<size_t>(options_.top_k, candidates_.size());
    size_t sorted = 0;
    double total = 0, reached = 0;
    if (options_.top_k != 0) sort_first(0, sorted = limit);
    if (options_.top_p < 1)
      for (size_t i = 0; i < limit; ++i) total += weight(candidates_[i]);
    for (size_t i = 0; i < limit; ++i) {
      if (i == sorted) { // few candidates pass as a rule: sort no more of them than needed
        sorted = std::min(limit, 4 * sorted + 64);
        sort_first(i, sorted);
      }
      const double w = weight(candidates_[i]);
      if (w == 0 || w < double(options_.min_p)) return i;
      reached += w;
      if (options_.top_p < 1 && reached >= double(options_.top_p) * total) return i + 1;
    }
    return limit;
  }

  const SamplerOptions &options_;
  std::span<Candidate> candidates_;
  float max_;
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
  const bool penalized = options.repetition_penalty != 1 && !recent.empty();
  const bool greedy = options.temperature == 0;
  if (penalized || !greedy) fill(logits, candidates);
  if (penalized) penalize(logits, recent, options.repetition_penalty, candidates);
  const Candidate best = penalized ? best_of(candidates) : first_largest(logits);
  if (best.logit == lowest) return no_logit();
  *id = best.id;
  if (greedy || best.logit == std::numeric_limits<float>::infinity()) return {};
  *id = Draw(options, candidates, best.logit).choose(philox_uniform(options.seed, sequence, position));
  return {};
}

} // namespace ingot
