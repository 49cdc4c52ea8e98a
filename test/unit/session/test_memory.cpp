// Memory: every allocation of open can fail; a step allocates nothing.
#include "runtime/session/session.h"
#include "test/unit/artifact/forge.h"

#include <atomic>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>

// Counts every operator new of the process while armed.
static std::atomic<uint64_t> news{0};

void *operator new(size_t bytes) {
  news.fetch_add(1, std::memory_order_relaxed);
  if (void *memory = malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }

namespace ingot::test {
namespace {

// Lets `left` allocations through, then fails; counts what is still held.
struct FailingMemory {
  uint64_t left, taken = 0;
  int64_t held = 0;
  Allocator allocator = {allocate, release, this};

  static void *allocate(void *self, size_t bytes, size_t alignment) {
    auto memory = static_cast<FailingMemory *>(self);
    ++memory->taken;
    if (memory->left-- == 0) return memory->left = 0, nullptr;
    ++memory->held;
    void *block = aligned_alloc(alignment, align_up(bytes, alignment));
    if (block) memset(block, 0, bytes);
    return block;
  }
  static void release(void *self, void *block, size_t) {
    --static_cast<FailingMemory *>(self)->held;
    free(block);
  }
};

TEST(Memory, EveryFailingAllocationOfOpenIsAnErrorAndLeaksNothing) {
  std::vector<uint8_t> file = toy_file();
  uint64_t allocations = 0;
  for (uint64_t fail_at = 0;; ++fail_at) {
    FailingMemory memory{fail_at};
    Status status;
    {
      Artifact artifact;
      status = open_toy(file, &artifact, {.allocator = memory.allocator});
      Session session;
      if (status.ok()) status = session.open(artifact, {.threads = 2, .allocator = memory.allocator});
    }
    EXPECT_EQ(memory.held, 0) << fail_at;
    if (status.ok()) break;
    allocations = fail_at + 1;
    EXPECT_EQ(status.code(), Code::no_memory) << fail_at;
    EXPECT_STRNE(status.message(), "");
    ASSERT_LT(fail_at, 200u);
  }
  EXPECT_GT(allocations, 15u);
}

TEST(Memory, StepsAllocateNothing) {
  std::vector<uint8_t> file = toy_file();
  Artifact artifact;
  ASSERT_TRUE(open_toy(file, &artifact).ok());
  FailingMemory memory{1000};
  Session session;
  ASSERT_TRUE(session.open(artifact, {.threads = 2, .max_sequences = 2, .allocator = memory.allocator}).ok());
  uint32_t a, b;
  ASSERT_TRUE(session.create(&a).ok());
  ASSERT_TRUE(session.create(&b).ok());
  uint64_t taken = memory.taken, before = news.load();
  bool all_ok = true;
  for (int turn = 0; turn < 30; ++turn) {
    const int32_t tokens[2] = {turn, turn + 1};
    const float *row;
    all_ok &= session.append(a, tokens, 2, LogitRows::all).ok();
    all_ok &= session.append(b, tokens, 1, LogitRows::last).ok();
    all_ok &= session.step().ok() && session.logits(2, &row).ok() && session.logits(0, &row).ok();
  }
  uint64_t after = news.load();
  EXPECT_TRUE(all_ok);
  EXPECT_EQ(after, before);
  EXPECT_EQ(memory.taken, taken);
}

} // namespace
} // namespace ingot::test
