// Sessions of one model on one GPU have one copy of its weights.
#include "test/unit/device_cuda/emulator.h"
#include "test/unit/device_cuda/toy.h"

#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace ingot::test {
namespace {

const SessionOptions on_gpu = {.device = DeviceKind::cuda};

std::unique_ptr<Session> open(const Artifact &artifact, Status *status) {
  auto session = std::make_unique<Session>();
  *status = session->open(artifact, on_gpu);
  return session;
}

Rows rows_of(Session &session, const std::vector<int32_t> &tokens) {
  Rows rows;
  uint32_t sequence;
  Status status = session.create(&sequence);
  if (status.ok()) status = feed(session, sequence, tokens, 4, &rows);
  EXPECT_TRUE(status.ok()) << status.message();
  return rows;
}

TEST(CudaWeights, AreUploadedOnceAndFreedWithTheLastSession) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(2, 20);
  Rows expected;
  ASSERT_TRUE(run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 20, &expected).ok());
  emulate("sm=90,seed=3");
  Status status;
  auto first = open(toy.artifact, &status);
  ASSERT_TRUE(status.ok()) << status.message();
  uint64_t all = first->device_facts().memory_bytes, weights = first->device_facts().weight_bytes;
  uint64_t copies = calls("cuMemcpyHtoDAsync_v2");
  EXPECT_GT(weights, 0u);
  auto second = open(toy.artifact, &status);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(second->device_facts().memory_bytes, all);
  EXPECT_EQ(live().bytes, 2 * all - weights);
  EXPECT_EQ(calls("cuMemcpyHtoDAsync_v2"), copies);
  EXPECT_EQ(rows_of(*first, tokens), expected);
  first.reset();
  EXPECT_EQ(live().bytes, all);
  EXPECT_EQ(rows_of(*second, tokens), expected);
  second.reset();
  EXPECT_EQ(live().objects, 0u);
  EXPECT_EQ(live().leaked, 0u);
}

TEST(CudaWeights, OfAnotherModelAreAnotherCopy) {
  GpuToy toy, same_bytes;
  emulate();
  Status status[2];
  auto first = open(toy.artifact, &status[0]), second = open(same_bytes.artifact, &status[1]);
  ASSERT_TRUE(status[0].ok() && status[1].ok());
  EXPECT_EQ(live().bytes, first->device_facts().memory_bytes + second->device_facts().memory_bytes);
}

// The smallest memory, in KB, with which `sessions` of a model open.
uint64_t least_memory(const Artifact &artifact, int sessions) {
  uint64_t low = 1, high = 1 << 20;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    emulate("memory=" + std::to_string(middle) + "K");
    Status status;
    std::unique_ptr<Session> open_ones[2];
    for (int i = 0; i < sessions && status.ok(); ++i) open_ones[i] = open(artifact, &status);
    (status.ok() ? high : low) = status.ok() ? middle : middle + 1;
  }
  return high;
}

TEST(CudaWeights, ThatAreThereAreNoPartOfWhatASessionNeeds) {
  GpuToy toy;
  emulate();
  Status status;
  DeviceFacts facts = open(toy.artifact, &status)->device_facts();
  ASSERT_TRUE(status.ok()) << status.message();
  uint64_t more = least_memory(toy.artifact, 2) - least_memory(toy.artifact, 1);
  EXPECT_NEAR(double(more), double(facts.memory_bytes - facts.weight_bytes) / 1024, 2);
  EXPECT_GT(facts.weight_bytes, 4096u); // so that the difference shows
}

// Whichever thread's upload fails, the others have the weights.
TEST(CudaWeights, AFailedUploadIsAnothersToMake) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(3, 6);
  Rows expected;
  ASSERT_TRUE(run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 6, &expected).ok());
  for (const char *failure : {"cuMemcpyHtoDAsync_v2:1:999", "cuMemAlloc_v2:1", "cuEventSynchronize:1:999"}) {
    emulate(std::string("sm=90,seed=4,fail=") + failure);
    constexpr int count = 4;
    Status status[count];
    std::thread threads[count];
    for (int t = 0; t < count; ++t)
      threads[t] = std::thread([&, t] {
        Rows rows;
        status[t] = run(toy.artifact, on_gpu, tokens, 3, &rows);
        if (status[t].ok()) EXPECT_TRUE(rows == expected);
      });
    for (std::thread &thread : threads) thread.join();
    int failed = 0;
    for (const Status &each : status) failed += !each.ok();
    EXPECT_EQ(failed, 1) << failure;
    EXPECT_EQ(live().objects, 0u);
  }
}

// A session that could not be opened and was not closed yet keeps nobody waiting.
TEST(CudaWeights, OfASessionThatFailedAreGivenUpAtOnce) {
  GpuToy toy;
  emulate("fail=cuMemcpyHtoDAsync_v2:1:999"); // 999: the GPU is not lost
  Status status;
  auto failed = open(toy.artifact, &status);
  EXPECT_FALSE(status.ok());
  auto session = open(toy.artifact, &status);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(CudaWeights, ProgressOfASecondSessionIsAtTheEndAtOnce) {
  GpuToy toy;
  emulate();
  Status status;
  auto first = open(toy.artifact, &status);
  ASSERT_TRUE(status.ok());
  struct Seen {
    uint64_t calls = 0, done = 0, total = 0;
    static void moved(void *self, uint64_t done, uint64_t total) {
      auto seen = static_cast<Seen *>(self);
      *seen = {seen->calls + 1, done, total};
    }
  } seen;
  SessionOptions options = on_gpu;
  options.progress = {Seen::moved, &seen};
  Session second;
  ASSERT_TRUE(second.open(toy.artifact, options).ok());
  EXPECT_EQ(seen.calls, 1u);
  EXPECT_GT(seen.total, 0u);
  EXPECT_EQ(seen.done, seen.total);
}

} // namespace
} // namespace ingot::test
