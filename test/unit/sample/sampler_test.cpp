#include "runtime/sample/sampler.h"

#include <cmath>
#include <gtest/gtest.h>
#include <immintrin.h>
#include <limits>
#include <map>
#include <random>
#include <vector>

namespace ingot {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();

int32_t pick(const SamplerOptions &options, const std::vector<float> &logits, const std::vector<int32_t> &recent = {},
             uint64_t position = 0, uint64_t sequence = 0) {
  std::vector<std::byte> scratch(sampler_scratch_size(logits.size()));
  int32_t id = -1;
  Status status = sample(options, logits, recent, sequence, position, scratch, &id);
  EXPECT_TRUE(status.ok()) << status.message();
  return id;
}

std::map<int32_t, int> histogram(const SamplerOptions &options, const std::vector<float> &logits, int draws) {
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[pick(options, logits, {}, uint64_t(i))];
  return counts;
}

TEST(Sampler, GreedyTakesTheLowestIdOfATie) {
  EXPECT_EQ(pick({}, {1, 3, 2, 3}), 1);
  EXPECT_EQ(pick({}, {-0.0f, 0.0f}), 0);
  EXPECT_EQ(pick({}, {5}), 0);
}

TEST(Sampler, TemperatureFollowsTheSoftmax) {
  std::vector<float> logits = {0, 1, 2, 3};
  auto counts = histogram({.temperature = 2.0f}, logits, 40000);
  double total = 0;
  for (float l : logits) total += std::exp(l / 2.0);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(counts[i] / 40000.0, std::exp(logits[size_t(i)] / 2.0) / total, 0.01);
}

TEST(Sampler, TopKKeepsTheLikeliestAndTheLowestIdsOfATie) {
  auto counts = histogram({.temperature = 5.0f, .top_k = 2}, {1, 4, 3, 0, 3}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.count(1) && counts.count(2));
  EXPECT_EQ(pick({.temperature = 9.0f, .top_k = 1}, {1, 4, 3}), 1);
  EXPECT_EQ(histogram({.temperature = 9.0f, .top_k = 99}, {1, 2, 3}, 500).size(), 3u);
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  // Probabilities 0.5, 0.3, 0.2.
  std::vector<float> logits = {std::log(0.3f), std::log(0.5f), std::log(0.2f)};
  EXPECT_EQ(histogram({.temperature = 1, .top_p = 0.45f}, logits, 500).size(), 1u);
  EXPECT_EQ(histogram({.temperature = 1, .top_p = 0.6f}, logits, 500).size(), 2u);
  EXPECT_EQ(histogram({.temperature = 1, .top_p = 0.95f}, logits, 500).size(), 3u);
}

TEST(Sampler, TopPIsRelativeToWhatTopKLeft) {
  std::vector<float> logits = {std::log(0.4f), std::log(0.35f), std::log(0.25f)};
  EXPECT_EQ(histogram({.temperature = 1, .top_k = 2, .top_p = 0.53f}, logits, 500).size(), 1u); // 0.4 / 0.75 = 0.533
}

TEST(Sampler, MinPIsRelativeToTheLikeliest) {
  std::vector<float> logits = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  EXPECT_EQ(histogram({.temperature = 1, .min_p = 0.4f}, logits, 500).size(), 2u);
  EXPECT_EQ(histogram({.temperature = 1, .min_p = 1.0f}, logits, 500).size(), 1u);
}

TEST(Sampler, FilteredDrawsFollowTheSoftmaxOfALargeVocabulary) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(5000);
  for (float &l : logits) l = normal(random);
  auto all = histogram({.temperature = 1}, logits, 1500),
       most = histogram({.temperature = 1, .top_p = 0.9999f}, logits, 1500);
  int32_t best = int32_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
  EXPECT_NEAR(all[best], most[best], 100);
  EXPECT_GT(most.size(), 100u); // over the sorter's first chunk
}

TEST(Sampler, RepetitionPenaltyLowersARecentTokenOnce) {
  EXPECT_EQ(pick({.repetition_penalty = 2}, {3, 4}, {1}), 0);
  EXPECT_EQ(pick({.repetition_penalty = 1.2f}, {3, 4}, {1, 1, 1, 1}), 1); // 3.33, not 1.93
  EXPECT_EQ(pick({.repetition_penalty = 2}, {-3, -2}, {1}), 0);
  EXPECT_EQ(pick({.repetition_penalty = 2}, {3, 4}, {-1, 77}), 1); // foreign ids
}

TEST(Sampler, DependsOnSeedSequenceAndPositionOnly) {
  std::vector<float> logits(100, 0.0f);
  SamplerOptions options{.temperature = 1, .seed = 5};
  std::vector<int32_t> first, again, other_sequence, other_seed;
  for (uint64_t p = 0; p < 50; ++p) {
    first.push_back(pick(options, logits, {}, p));
    other_sequence.push_back(pick(options, logits, {}, p, 1));
    other_seed.push_back(pick({.temperature = 1, .seed = 6}, logits, {}, p));
  }
  for (uint64_t p = 50; p-- > 0;) again.insert(again.begin(), pick(options, logits, {}, p));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other_sequence);
  EXPECT_NE(first, other_seed);
}

TEST(Sampler, NonFiniteLogitsHaveADefinedResult) {
  EXPECT_EQ(pick({}, {nan, 1, nan, 0}), 1);
  EXPECT_EQ(pick({}, {1, inf, inf}), 1);
  EXPECT_EQ(pick({.temperature = 1}, {1, inf, inf}), 1);
  auto counts = histogram({.temperature = 1}, {nan, 1, -inf, 1, nan}, 500);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.count(1) && counts.count(3));
  EXPECT_EQ(histogram({.temperature = 1, .top_k = 4, .top_p = 0.999f}, {nan, 1, -inf, 1, nan}, 500).size(), 2u);
  EXPECT_EQ(pick({.repetition_penalty = 2}, {nan, 1}, {0}), 1);
}

TEST(Sampler, NothingToChooseIsAnError) {
  std::vector<std::byte> scratch(sampler_scratch_size(2));
  int32_t id;
  for (auto &logits : {std::vector<float>{nan, nan}, {-inf, nan}, {-inf, -inf}})
    for (float temperature : {0.0f, 1.0f})
      EXPECT_EQ(sample({.temperature = temperature}, logits, {}, 0, 0, scratch, &id).code(), Code::bad_input);
  EXPECT_EQ(sample({}, {}, {}, 0, 0, scratch, &id).code(), Code::usage);
  EXPECT_EQ(sample({}, std::vector<float>{1, 2, 3}, {}, 0, 0, scratch, &id).code(), Code::usage);
}

TEST(Top, IsTheStartOfTheOrderOfLikelihood) {
  std::mt19937 random(5);
  for (size_t vocab : {1, 2, 7, 300}) {
    std::vector<float> logits(vocab);
    for (float &l : logits) l = float(int(random() % 20) - 10);
    logits[vocab / 2] = nan;
    logits[vocab / 3] = -inf;
    std::vector<Candidate> sorted;
    for (size_t i = 0; i < vocab; ++i)
      if (logits[i] > -inf) sorted.push_back({logits[i], int32_t(i)});
    std::sort(sorted.begin(), sorted.end(), likelier);
    for (size_t k : {1, 2, 5, 299, 400}) {
      std::vector<Candidate> best(k);
      ASSERT_EQ(top(logits, best), std::min(k, sorted.size()));
      for (size_t i = 0; i < std::min(k, sorted.size()); ++i) ASSERT_EQ(best[i].id, sorted[i].id);
    }
  }
}

// What sample_top() chooses from the `count` likeliest; -1: it does not know.
int32_t pick_top(const SamplerOptions &options, const std::vector<float> &logits, const std::vector<int32_t> &recent,
                 uint64_t position, size_t count) {
  std::vector<Candidate> best(std::min(count, logits.size()));
  uint32_t found = top(logits, best);
  bool decided = false;
  int32_t id = -1;
  Status status = sample_top(options, std::span(best).first(found), found < best.size() || best.size() == logits.size(),
                             recent, 0, position, &decided, &id);
  EXPECT_TRUE(status.ok()) << status.message();
  return decided ? id : -1;
}

TEST(Sampler, TheLikeliestLogitsDecideAsTheWholeRowDoes) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 4);
  int known = 0, asked = 0;
  for (int turn = 0; turn < 6000; ++turn) {
    std::vector<float> logits(5 + random() % 400);
    bool ties = turn % 3 == 0;
    for (float &l : logits) l = ties ? std::round(normal(random)) : normal(random);
    if (turn % 7 == 0) logits[random() % logits.size()] = nan;
    if (turn % 5 == 0) logits[random() % logits.size()] = -inf;
    if (turn % 50 == 0) logits[random() % logits.size()] = inf;
    SamplerOptions options{.temperature = turn % 4 == 0 ? 0.0f : 0.3f * float(random() % 9), .seed = 3};
    if (turn % 2) options.top_k = 1 + uint32_t(random() % 60);
    if (turn % 3) options.top_p = 0.1f * float(1 + random() % 10);
    if (turn % 5 < 2) options.min_p = 0.01f * float(random() % 30);
    std::vector<int32_t> recent;
    if (turn % 6 < 3) {
      options.repetition_penalty = 0.8f + 0.2f * float(random() % 5);
      for (int i = 0; i < 30; ++i) recent.push_back(int32_t(random() % (logits.size() + 3)) - 1);
    }
    uint32_t needed = candidates_needed(options, recent);
    if (needed == 0) continue;
    int32_t expected = pick(options, logits, recent, uint64_t(turn));
    for (size_t count : {size_t(needed), size_t(1 + random() % needed), size_t(most_candidates)}) {
      int32_t id = pick_top(options, logits, recent, uint64_t(turn), count);
      if (id >= 0) ASSERT_EQ(id, expected) << turn << ", " << count << " candidates";
      if (count == needed) ++asked, known += id >= 0;
      if (count == most_candidates) ASSERT_GE(id, 0) << turn; // all of them
    }
  }
  EXPECT_GT(asked, 3000);
  EXPECT_GT(known, asked * 95 / 100);
}

TEST(Sampler, TheLikeliestLogitsDoNotDecideWhereOthersMayCount) {
  std::vector<float> logits(500);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = -0.001f * float(i);
  EXPECT_EQ(pick_top({.temperature = 1, .min_p = 0.1f}, logits, {}, 0, 256), -1); // more are kept
  EXPECT_GE(pick_top({.temperature = 1, .min_p = 0.9f}, logits, {}, 0, 256), 0);  // about 105
  EXPECT_EQ(pick_top({.temperature = 1, .top_k = 3, .repetition_penalty = 2}, {9, 8, 7, 6, 5}, {0, 1}, 0, 3), -1);
  EXPECT_GE(pick_top({.temperature = 1, .top_k = 3, .repetition_penalty = 2}, {9, 8, 7, 6, 5}, {0, 1}, 0, 5), 0);
  for (SamplerOptions whole :
       {SamplerOptions{.temperature = 1}, {.temperature = 1, .top_p = 0.5f}, {.temperature = 1, .top_k = 2000}})
    EXPECT_EQ(candidates_needed(whole, {}), 0u);
  EXPECT_EQ(candidates_needed({.temperature = 1, .top_k = 9, .repetition_penalty = 0.9f}, std::vector{1}), 0u);
  EXPECT_EQ(candidates_needed({.temperature = 1, .top_k = 9}, {}), 9u);
}

TEST(Sampler, ValidationNamesTheOption) {
  auto message = [](const SamplerOptions &options) { return std::string(validate(options).message()); };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.temperature = -1}), "temperature must be from 0 to 1e6, not -1");
  EXPECT_TRUE(message({.temperature = nan}).starts_with("temperature"));
  EXPECT_TRUE(message({.top_p = 0}).starts_with("top_p"));
  EXPECT_TRUE(message({.top_p = 1.5f}).starts_with("top_p"));
  EXPECT_TRUE(message({.min_p = -0.1f}).starts_with("min_p"));
  EXPECT_TRUE(message({.repetition_penalty = 0}).starts_with("repetition_penalty"));
}

TEST(Sampler, ExpIsAccurate) {
  EXPECT_EQ(sampler_exp(0.0f), 1.0f);
  EXPECT_EQ(sampler_exp(-105.0f), 0.0f);
  EXPECT_EQ(sampler_exp(-inf), 0.0f);
  for (int i = 1; i < 25000; ++i) {
    float x = float(-i) * 0.0035f;
    double exact = std::exp(double(x));
    ASSERT_NEAR(double(sampler_exp(x)), exact, exact * 0x1p-23) << x;
  }
}

// Bits are part of the contract: a compiler or flag that changes them must not pass.
TEST(Sampler, ExpHasTheseBits) {
  EXPECT_EQ(sampler_exp(-0.5f), 0x1.368b3p-1f);
  EXPECT_EQ(sampler_exp(-1.0f), 0x1.78b564p-2f);
  EXPECT_EQ(sampler_exp(-20.25f), 0x1.b93de2p-30f);
}

// min_p is exactly the second token's weight: one unit less, as rounding to zero gives for many, and it is dropped.
TEST(Sampler, TheCallersRoundingModeDoesNotMatter) {
  for (float x = -2.0f; x < -0.1f; x += 0.0625f) {
    SamplerOptions options{.temperature = 1, .min_p = sampler_exp(x)};
    unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | _MM_ROUND_TOWARD_ZERO);
    auto counts = histogram(options, {0, x}, 200);
    EXPECT_EQ(_mm_getcsr() & _MM_ROUND_MASK, unsigned(_MM_ROUND_TOWARD_ZERO));
    _mm_setcsr(saved);
    EXPECT_EQ(counts.size(), 2u) << x;
  }
}

} // namespace
} // namespace ingot
