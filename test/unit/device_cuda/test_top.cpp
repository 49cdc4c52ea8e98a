// The likeliest logits, selected on the emulated GPU: the host's selection, and the host's choices with few bytes
// copied.
#include "runtime/device/cuda/top.h"
#include "runtime/format/abi.h"
#include "runtime/session/chooser.h"
#include "test/unit/device_cuda/gpu.h"
#include "test/unit/device_cuda/toy.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ingot::cuda {
namespace {

constexpr float inf = INFINITY, nan = NAN;

struct Selection {
  Gpu &gpu;
  Top top;
  explicit Selection(Gpu &gpu) : gpu(gpu) { EXPECT_TRUE(top.load(gpu.driver).ok()); }
  ~Selection() { top.unload(gpu.driver); }

  // Keys [rows][k] of the GPU.
  std::vector<uint64_t> keys(const std::vector<float> &logits, uint32_t vocab, uint32_t k) {
    uint32_t rows = uint32_t(logits.size() / vocab), region[5];
    ingot_batch batch = {};
    batch.n_logits = rows;
    std::vector<uint64_t> best(size_t(rows) * k);
    DeviceMemory memory;
    EXPECT_TRUE(memory.open(system_allocator(), 5).ok());
    const Driver &cu = gpu.driver;
    uint64_t sizes[] = {logits.size() * 4, best.size() * 8, sizeof batch, Top::round_keys(vocab, 0) * rows * 8,
                        Top::round_keys(vocab, 1) * rows * 8};
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(memory.add("a region", sizes[i], &region[i]).ok());
    EXPECT_TRUE(memory.take(gpu.driver).ok());
    Top::Places places = {memory.address(region[0]),
                          memory.address(region[1]),
                          memory.address(region[2]),
                          {memory.address(region[3]), memory.address(region[4])}};
    EXPECT_EQ(cu->cuMemcpyHtoDAsync_v2(places.logits, logits.data(), sizes[0], gpu.stream), 0);
    EXPECT_EQ(cu->cuMemcpyHtoDAsync_v2(places.batch, &batch, sizeof batch, gpu.stream), 0);
    Status status = top.launch(gpu.driver, gpu.stream, places, vocab, rows + 3, k); // as a class of more rows does
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(cu->cuMemcpyDtoHAsync_v2(best.data(), places.best, sizes[1], gpu.stream), 0);
    status = gpu.driver.check(cu->cuStreamSynchronize(gpu.stream), "cuStreamSynchronize");
    EXPECT_TRUE(status.ok()) << status.message();
    memory.release(gpu.driver);
    return best;
  }

  // Whether every row's first `k` are the host's, bit for bit but for the sign of zeros.
  void expect_as_on_the_host(const std::vector<float> &logits, uint32_t vocab, uint32_t k) {
    std::vector<uint64_t> found = keys(logits, vocab, Top::class_of(k));
    for (size_t row = 0; row < logits.size() / vocab; ++row) {
      std::vector<Candidate> expected(k);
      uint32_t count = ingot::top({logits.data() + row * vocab, vocab}, expected);
      const uint64_t *key = &found[row * Top::class_of(k)];
      for (uint32_t i = 0; i < count; ++i) {
        ASSERT_NE(key[i], 0u) << row << " " << i;
        ASSERT_EQ(Top::candidate_of(key[i]).id, expected[i].id) << "row " << row << ", number " << i << " of " << k;
        ASSERT_EQ(Top::candidate_of(key[i]).logit, expected[i].logit);
      }
      if (count < k) ASSERT_EQ(key[count], 0u) << row;
    }
  }
};

TEST(Top, TiesAndWhatIsNoNumber) {
  std::vector<std::vector<float>> rows = {{1, 2, 3, 3, 2},
                                          {-5, -4, -4, -9, -7},
                                          {-0.0f, 0.0f, -0.0f, 0, -1},
                                          {nan, 1, nan, 1, 0},
                                          {nan, nan, nan, nan, nan},
                                          {-inf, -inf, -inf, -inf, -inf},
                                          {-inf, nan, -inf, -3e38f, nan},
                                          {inf, inf, 1, nan, -inf},
                                          {1e-45f, -1e-45f, 0, 0, 0}};
  std::vector<float> flat;
  for (const auto &row : rows) flat.insert(flat.end(), row.begin(), row.end());
  Gpu gpu("seed=3,races=1");
  Selection selection(gpu);
  for (uint32_t k : {1, 2, 4, 5, 100}) selection.expect_as_on_the_host(flat, 5, k); // 100: more than the vocabulary
}

TEST(Top, AnyVocabularyAndNumber) {
  std::mt19937 random(11);
  Gpu gpu("seed=4");
  Selection selection(gpu);
  for (uint32_t vocab : {1u, 2u, 63u, 4096u, 4097u, 9001u})
    for (uint32_t k : {1u, 3u, 50u, 1024u}) {
      std::vector<float> logits(size_t(vocab) * 2);
      for (float &x : logits) x = float(int(random() % 600) - 300) / 8; // many ties
      selection.expect_as_on_the_host(logits, vocab, k);
    }
}

TEST(Top, LongRowsNeedSeveralRounds) {
  std::mt19937 random(12);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(size_t(40011) * 2);
  for (float &x : logits) x = normal(random);
  Gpu gpu("seed=5");
  Selection selection(gpu);
  EXPECT_GT(Top::round_keys(40011, 1), 0u); // three of k = 1024
  for (uint32_t k : {40u, 1024u}) selection.expect_as_on_the_host(logits, 40011, k);
}

} // namespace
} // namespace ingot::cuda

namespace ingot::test {
namespace {

// Tokens that a loop of single steps chooses, and the bytes that it copies back.
struct Sampled {
  std::vector<int32_t> tokens;
  uint64_t bytes = 0, copies = 0;
};

Sampled sample_loop(const Artifact &artifact, DeviceKind device, const SamplerOptions &sampling, int count) {
  Session session;
  Chooser chooser;
  uint32_t sequence;
  Sampled sampled;
  std::vector<int32_t> fed;
  int32_t token = 5;
  EXPECT_TRUE(session.open(artifact, {.device = device}).ok());
  EXPECT_TRUE(session.create(&sequence).ok() && chooser.open(artifact.facts()).ok());
  uint64_t bytes = bytes_to_host(), copies = calls("cuMemcpyDtoHAsync_v2");
  for (int i = 0; i < count; ++i) {
    fed.push_back(token);
    Status status = session.append(sequence, &token, 1, LogitRows::last);
    if (status.ok()) status = session.step();
    if (status.ok()) status = chooser.choose(session, 0, sampling, fed, 0, uint64_t(i), &token);
    EXPECT_TRUE(status.ok()) << status.message();
    sampled.tokens.push_back(token);
  }
  sampled.bytes = bytes_to_host() - bytes;
  sampled.copies = calls("cuMemcpyDtoHAsync_v2") - copies;
  return sampled;
}

TEST(CudaSampling, AStepWithTopKBringsPairsBackAndChoosesAsTheHostDoes) {
  GpuToy toy;
  emulate("sm=90,seed=2");
  constexpr int steps = 20;
  SamplerOptions sampling = {.temperature = 3, .top_k = 4, .top_p = 0.9f, .seed = 7};
  Sampled host = sample_loop(toy.artifact, DeviceKind::cpu, sampling, steps);
  Sampled gpu = sample_loop(toy.artifact, DeviceKind::cuda, sampling, steps);
  EXPECT_EQ(gpu.tokens, host.tokens);
  EXPECT_EQ(gpu.copies, uint64_t(steps) + 1); // the first step does not know yet that pairs are wanted
  EXPECT_EQ(gpu.bytes, 8 + uint64_t(steps) * 4 * 8);
}

TEST(CudaSampling, OtherSettingsChooseAsTheHostDoes) {
  GpuToy toy;
  emulate("sm=80,seed=3");
  SamplerOptions all[] = {{},
                          {.temperature = 1},
                          {.temperature = 2, .top_p = 0.8f},
                          {.temperature = 2, .min_p = 0.1f},
                          {.temperature = 2, .top_k = 3, .repetition_penalty = 1.3f},
                          {.temperature = 2, .top_k = 3, .repetition_penalty = 0.7f},
                          {.repetition_penalty = 1.5f},
                          {.temperature = 1, .top_k = 5000}};
  for (const SamplerOptions &sampling : all)
    EXPECT_EQ(sample_loop(toy.artifact, DeviceKind::cuda, sampling, 12).tokens,
              sample_loop(toy.artifact, DeviceKind::cpu, sampling, 12).tokens);
}

TEST(CudaSampling, RowsOfABatchMayWantDifferentNumbers) {
  GpuToy toy;
  emulate("seed=9");
  Session session;
  uint32_t sequence, count;
  std::vector<int32_t> tokens = tokens_of(9, 20);
  ASSERT_TRUE(session.open(toy.artifact, {.device = DeviceKind::cuda, .max_logits = 6}).ok());
  ASSERT_TRUE(session.create(&sequence).ok());
  ASSERT_TRUE(session.append(sequence, tokens.data(), tokens.size(), LogitRows::all).ok());
  ASSERT_TRUE(session.step().ok());
  for (uint32_t i = 0; i < 20; ++i) {
    std::vector<Candidate> found(1 + i % 5), expected(found.size());
    const float *row;
    ASSERT_TRUE(session.top(i, found, &count).ok());
    ASSERT_TRUE(session.logits(i, &row).ok());
    ASSERT_EQ(count, top({row, toy_vocab}, expected));
    for (uint32_t c = 0; c < count; ++c) EXPECT_EQ(found[c].id, expected[c].id) << i << " " << c;
  }
  std::vector<Candidate> none, more(toy_vocab + 1);
  EXPECT_EQ(session.top(0, none, &count).code(), Code::usage);
  EXPECT_EQ(session.top(0, more, &count).code(), Code::usage);
}

} // namespace
} // namespace ingot::test
