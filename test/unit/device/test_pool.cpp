// The pool: every item runs once, phases are ordered, waiting is bounded, failures are reported.
#include "runtime/base/cpu.h"
#include "runtime/base/mxcsr.h"
#include "runtime/device/cpu/pool.h"

#include <cerrno>
#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace ingot {
namespace {

// An argument block whose slots the test kernels read as pointers.
struct Args {
  std::vector<uint64_t> words;
  explicit Args(std::vector<uint64_t> slots) : words(2) { words.insert(words.end(), slots.begin(), slots.end()); }
  const ingot_args *get() const { return reinterpret_cast<const ingot_args *>(words.data()); }
};

uint64_t address(const void *p) { return reinterpret_cast<uintptr_t>(p); }

// slot 0: counters, slot 1: the counters of the phase before (or null), slot 2: their number. Each item checks that the
// phase before is complete.
int32_t count_items(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  auto counters = reinterpret_cast<std::atomic<uint32_t> *>(args->slot[0]);
  auto before = reinterpret_cast<std::atomic<uint32_t> *>(args->slot[1]);
  for (uint64_t i = 0; before && i < args->slot[2]; ++i)
    if (before[i].load(std::memory_order_relaxed) != 1) return 1;
  for (uint64_t i = begin; i < end; ++i) counters[i].fetch_add(1, std::memory_order_relaxed);
  return _mm_getcsr() == step_mxcsr ? 0 : 2;
}

TEST(Pool, StressEveryItemOnceAndPhasesInOrder) {
  for (uint32_t threads : {1u, 2u, 3u, 8u}) {
    Pool pool;
    ASSERT_TRUE(pool.open({.threads = threads, .processors = 2}).ok());
    std::mt19937 random(threads);
    for (int run = 0; run < 300; ++run) {
      size_t n = random() % 12;
      std::vector<std::unique_ptr<std::atomic<uint32_t>[]>> counters;
      std::vector<std::unique_ptr<Args>> args;
      std::vector<Phase> phases;
      uint64_t before_items = 0;
      for (size_t p = 0; p < n; ++p) {
        uint64_t items = random() % 3 == 0 ? random() % 200 : random() % 4;
        counters.push_back(std::make_unique<std::atomic<uint32_t>[]>(items + 1));
        args.push_back(std::make_unique<Args>(
            std::vector<uint64_t>{address(counters[p].get()), p ? address(counters[p - 1].get()) : 0, before_items}));
        phases.push_back({.kernel = count_items, .args = args[p]->get(), .items = items, .step = uint32_t(p)});
        before_items = items;
      }
      Status status = pool.run(phases, nullptr, nullptr);
      ASSERT_TRUE(status.ok()) << status.message();
      for (size_t p = 0; p < n; ++p)
        for (uint64_t i = 0; i < phases[p].items; ++i) ASSERT_EQ(counters[p][i].load(), 1u);
      if (run % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1)); // helpers fall asleep
    }
  }
}

// slot 0: prepared, slot 1: the item's results
int32_t prepare_values(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  auto prepared = reinterpret_cast<uint64_t *>(args->slot[0]);
  for (uint64_t i = begin; i < end; ++i) prepared[i] += i + 1;
  return 0;
}
int32_t use_values(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  auto prepared = reinterpret_cast<uint64_t *>(args->slot[0]);
  auto results = reinterpret_cast<uint64_t *>(args->slot[1]);
  for (uint64_t i = begin; i < end; ++i) results[i] = prepared[0] + prepared[7];
  for (uint64_t i = 0; i < 8; ++i) prepared[i] = prepared[i] > i + 1 ? 1000 : prepared[i]; // prepared twice: seen above
  return 0;
}
int32_t clear_values(const ingot_args *args, uint64_t, uint64_t, void *) {
  auto prepared = reinterpret_cast<uint64_t *>(args->slot[0]);
  for (int i = 0; i < 8; ++i) prepared[i] = 0;
  return 0;
}
int32_t clear_then_prepare(const ingot_args *args, uint64_t begin, uint64_t end, void *scratch) {
  clear_values(args, 0, 0, scratch);
  return prepare_values(args, begin, end, scratch);
}

TEST(Pool, PrivatePrepareRunsOnceAWorkerAndNeverTouchesTheSharedRows) {
  Pool pool;
  ASSERT_TRUE(pool.open({.threads = 3, .processors = 2, .prepared_bytes = 64, .most_slots = 2}).ok());
  std::vector<uint64_t> shared(8, 5), results(100);
  Args args({address(shared.data()), address(results.data())});
  for (int run = 0; run < 200; ++run) {
    std::fill(results.begin(), results.end(), 0);
    Phase phase = {.kernel = use_values,
                   .args = args.get(),
                   .items = 100,
                   .n_slots = 2,
                   .prepare = clear_then_prepare,
                   .prepare_items = 8,
                   .prepared_slot = 0};
    ASSERT_TRUE(pool.run({&phase, 1}, nullptr, nullptr).ok());
    for (uint64_t result : results) ASSERT_EQ(result, 9u);
  }
  EXPECT_EQ(shared, std::vector<uint64_t>(8, 5));
}

int32_t fail(const ingot_args *, uint64_t, uint64_t, void *) { return 1; }

TEST(Pool, AFailingKernelNamesItsStep) {
  Pool pool;
  ASSERT_TRUE(pool.open({.threads = 2}).ok());
  Phase phase = {.kernel = fail, .args = nullptr, .items = 3, .step = 17};
  Status status = pool.run({&phase, 1}, nullptr, nullptr);
  EXPECT_EQ(status.code(), Code::internal);
  EXPECT_NE(std::string(status.message()).find("17"), std::string::npos);
}

std::atomic<bool> cancel_flag{false};
int32_t cancel_now(const ingot_args *, uint64_t, uint64_t, void *) {
  cancel_flag.store(true);
  return 0;
}

TEST(Pool, CancelEndsTheRunBetweenPhases) {
  Pool pool;
  ASSERT_TRUE(pool.open({.threads = 2}).ok());
  Phase phases[] = {{.kernel = cancel_now, .args = nullptr, .items = 3}, {.kernel = fail, .args = nullptr, .items = 3}};
  EXPECT_EQ(pool.run(phases, &cancel_flag, nullptr).code(), Code::cancelled);
  EXPECT_EQ(pool.run(phases, &cancel_flag, nullptr).code(), Code::cancelled);
  cancel_flag.store(false);
  EXPECT_TRUE(pool.run({phases, 1}, nullptr, nullptr).ok());
}

TEST(Pool, TimesCoverEveryPhaseInOrder) {
  Pool pool;
  ASSERT_TRUE(pool.open({.threads = 2}).ok());
  Phase phases[4];
  for (Phase &phase : phases) phase = {.kernel = cancel_now, .args = nullptr, .items = 5};
  PhaseTime times[4];
  ASSERT_TRUE(pool.run(phases, nullptr, times).ok());
  for (int i = 0; i < 4; ++i) {
    EXPECT_LE(times[i].begin, times[i].end);
    if (i) EXPECT_LE(times[i - 1].end, times[i].begin);
  }
}

int fail_second(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  static int calls = 0;
  return ++calls == 2 ? EAGAIN : pthread_create(thread, attributes, start, argument);
}

TEST(Pool, AThreadThatCannotStartIsAnErrorAndTheOthersEnd) {
  Pool pool;
  EXPECT_EQ(pool.open({.threads = 4, .start = fail_second}).code(), Code::io);
  EXPECT_EQ(Pool().open({.threads = 0}).code(), Code::usage);
}

int32_t burn(const ingot_args *, uint64_t begin, uint64_t end, void *) {
  volatile uint32_t x = 1;
  for (uint64_t i = begin; i < end; ++i)
    for (int turn = 0; turn < 4000; ++turn) x = x * 1664525 + 1013904223;
  return 0;
}

// A decode step in small: 200 phases of about 30 us. Returns seconds, the best of five.
double decode_time(uint32_t threads) {
  Pool pool;
  EXPECT_TRUE(pool.open({.threads = threads, .processors = usable_cpus()}).ok());
  std::vector<Phase> phases(200, Phase{.kernel = burn, .args = nullptr, .items = 12});
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {
    auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(pool.run(phases, nullptr, nullptr).ok());
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

TEST(Pool, MoreThreadsThanProcessorsCostLittle) {
  uint32_t processors = usable_cpus();
  double ratio = 1e9; // neighbours disturb: the best of some attempts
  for (int attempt = 0; attempt < 6 && ratio > 1.5; ++attempt)
    ratio = std::min(ratio, decode_time(2 * processors) / decode_time(processors));
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_LE(ratio, 1.5);
}

} // namespace
} // namespace ingot
