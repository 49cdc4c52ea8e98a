// Sessions of the hand-made model on the emulated GPU: the CPU's bits, one upload and one graph a step, exact memory.
#include "test/unit/device_cuda/emulator.h"
#include "test/unit/device_cuda/toy.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace ingot::test {
namespace {

const SessionOptions on_gpu = {.device = DeviceKind::cuda};

Rows must_run(const Artifact &artifact, const SessionOptions &options, const std::vector<int32_t> &tokens,
              size_t chunk) {
  Rows rows;
  Status status = run(artifact, options, tokens, chunk, &rows);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(rows.size(), tokens.size());
  return rows;
}

TEST(CudaSession, HasTheBitsOfTheCpuWhateverTheChunksCardsAndSchedules) {
  for (uint32_t window : {0u, 9u}) {
    GpuToy toy({.window = window});
    std::vector<int32_t> tokens = tokens_of(3, 50);
    Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 50);
    for (const char *settings : {"sm=80", "sm=86,seed=1", "sm=90,seed=2", "sm=90,seed=3", "sm=120,seed=4"})
      for (size_t chunk : {1, 7, 50}) {
        emulate(settings);
        EXPECT_EQ(must_run(toy.artifact, on_gpu, tokens, chunk), expected) << settings << " " << chunk;
        EXPECT_EQ(live().objects, 0u);
        EXPECT_EQ(live().leaked, 0u);
      }
  }
}

// The line of the artifact's PTX at which the head's kernel waits for the grid ahead of it.
unsigned line_of_wait() {
  std::ifstream file(std::string(TOY_PTX) + "/toy_90.ptx");
  unsigned number = 0;
  bool inside = false;
  for (std::string line; std::getline(file, line); inside |= line.find(".entry logits(") != line.npos) {
    ++number;
    if (inside && line.find("griddepcontrol.wait") != line.npos) return number;
  }
  return 0;
}

// What to try where a card and the CPU disagree: which of the two is it?
TEST(CudaSession, OverlapAndGraphsCanBeTakenAway) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(3, 20);
  Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 20);
  emulate("sm=90");
  setenv("INGOT_CUDA_GRAPHS", "0", 1);
  EXPECT_EQ(must_run(toy.artifact, on_gpu, tokens, 1), expected);
  EXPECT_EQ(calls("cuGraphLaunch") + calls("cuStreamBeginCapture_v2"), 0u);
  ASSERT_NE(line_of_wait(), 0u);
  for (const char *overlap : {"1", "0"}) {
    setenv("INGOT_CUDA_OVERLAP", overlap, 1);
    int wrong = 0;
    for (int seed = 1; seed <= 8; ++seed) { // a kernel that forgets to wait
      emulate("sm=90,seed=" + std::to_string(seed) + ",mutate=" + std::to_string(line_of_wait()));
      Rows rows;
      wrong += !run(toy.artifact, on_gpu, tokens, 1, &rows).ok() || rows != expected;
    }
    EXPECT_EQ(wrong > 0, *overlap == '1') << wrong;
  }
  for (const char *name : {"INGOT_CUDA_GRAPHS", "INGOT_CUDA_OVERLAP", "INGOT_CUDA_APART"}) {
    setenv(name, "no", 1);
    emulate();
    Session session;
    Status status = session.open(toy.artifact, on_gpu);
    EXPECT_EQ(status.code(), Code::bad_input);
    EXPECT_NE(std::string(status.message()).find(name), std::string::npos) << status.message();
    unsetenv(name);
  }
}

// Every buffer and weight an allocation of its own: the same bits, as much memory as was foreseen, all of it given
// back.
TEST(CudaSession, WhatIsBoundCanLieApart) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(3, 20);
  emulate("sm=90");
  uint64_t together = 0;
  for (const char *apart : {"0", "1"}) {
    setenv("INGOT_CUDA_APART", apart, 1);
    Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 20);
    EXPECT_EQ(must_run(toy.artifact, on_gpu, tokens, 7), expected);
    uint64_t before = calls("cuMemAlloc_v2");
    Session session;
    ASSERT_TRUE(session.open(toy.artifact, on_gpu).ok());
    EXPECT_EQ(live().bytes, session.device_facts().memory_bytes);
    uint64_t allocations = calls("cuMemAlloc_v2") - before;
    if (*apart == '1') EXPECT_GT(allocations, together);
    together = allocations;
  }
  unsetenv("INGOT_CUDA_APART");
  EXPECT_EQ(live().bytes, 0u);
}

TEST(CudaSession, MixesPadsForksAndLogitWindowsKeepTheBits) {
  GpuToy toy;
  std::vector<int32_t> a = tokens_of(4, 40), b = tokens_of(5, 23), more = tokens_of(6, 9);
  Rows alone_a = must_run(toy.artifact, {.device = DeviceKind::cpu}, a, 40);
  Rows alone_b = must_run(toy.artifact, {.device = DeviceKind::cpu}, b, 23);
  std::vector<int32_t> forked = {a.begin(), a.begin() + 22};
  forked.insert(forked.end(), more.begin(), more.end());
  Rows alone_forked = must_run(toy.artifact, {.device = DeviceKind::cpu}, forked, 31);
  emulate("sm=90,seed=5");
  SessionOptions options = on_gpu;
  options.max_sequences = 3;
  options.max_logits = 4;
  options.pad_rows = 16;
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, options).ok());
  uint32_t s[3];
  ASSERT_TRUE(session.create(&s[0]).ok() && session.create(&s[1]).ok());
  ASSERT_TRUE(session.append(s[0], a.data(), 22, LogitRows::all).ok());
  ASSERT_TRUE(session.append(s[1], b.data(), 23, LogitRows::all).ok());
  ASSERT_TRUE(session.step().ok());
  for (uint32_t i : {0u, 21u, 5u, 44u, 22u}) {
    const float *row;
    ASSERT_TRUE(session.logits(i, &row).ok());
    EXPECT_EQ(std::vector<float>(row, row + toy_vocab), i < 22 ? alone_a[i] : alone_b[i - 22]) << i;
  }
  ASSERT_TRUE(session.fork(s[0], &s[2]).ok());
  Rows rest, branch;
  ASSERT_TRUE(feed(session, s[2], more, 4, &branch).ok());
  ASSERT_TRUE(feed(session, s[0], {a.begin() + 22, a.end()}, 5, &rest).ok());
  EXPECT_EQ(rest, Rows(alone_a.begin() + 22, alone_a.end()));
  EXPECT_EQ(branch, Rows(alone_forked.begin() + 22, alone_forked.end()));
}

TEST(CudaSession, SplitsOfALongContextAddUpToTheWhole) {
  GpuToy toy({.max_context = 2048});
  std::vector<int32_t> tokens = tokens_of(7, 1300);
  Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 512);
  emulate("sm=90,seed=6");
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, on_gpu).ok());
  uint32_t sequence;
  ASSERT_TRUE(session.create(&sequence).ok());
  Rows rows;
  ASSERT_TRUE(feed(session, sequence, {tokens.begin(), tokens.begin() + 1270}, 500, &rows).ok()); // no splits
  ASSERT_TRUE(feed(session, sequence, {tokens.begin() + 1270, tokens.end()}, 10, &rows).ok());    // three
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t v = 0; v < toy_vocab; ++v) ASSERT_NEAR(rows[r][v], expected[r][v], 1e-4) << r << " " << v;
}

TEST(CudaSession, AnArtifactWithoutCpuCodeRunsByItself) {
  GpuToy both, gpu_only({.cpu = false});
  emulate();
  Rows rows = must_run(gpu_only.artifact, {}, tokens_of(1, 12), 5);
  EXPECT_EQ(rows, must_run(both.artifact, {}, tokens_of(1, 12), 5)); // which has the CPU first
  EXPECT_GT(calls("cuLaunchKernelEx"), 0u);
  Session session;
  Status status = session.open(gpu_only.artifact, {.device = DeviceKind::cpu});
  EXPECT_EQ(status.code(), Code::unsupported);
  EXPECT_NE(std::string(status.message()).find("--device cuda"), std::string::npos) << status.message();
}

TEST(CudaSession, RunsOnTheCardThatIsAskedFor) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(2, 9);
  emulate("devices=3");
  Session session;
  uint32_t sequence;
  Rows rows;
  ASSERT_TRUE(session.open(toy.artifact, {.device = {DeviceKind::cuda, 2}}).ok());
  EXPECT_STREQ(session.device_facts().name, "Emulated sm_90 (2)");
  ASSERT_TRUE(session.create(&sequence).ok() && feed(session, sequence, tokens, 4, &rows).ok());
  EXPECT_EQ(rows, must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 9));
}

TEST(Devices, HaveNamesThatAreReadAndListed) {
  struct {
    const char *text;
    DeviceKind kind;
    uint32_t card;
  } good[] = {{nullptr, DeviceKind::automatic, 0},
              {"cpu", DeviceKind::cpu, 0},
              {"cuda", DeviceKind::cuda, 0},
              {"cuda:0", DeviceKind::cuda, 0},
              {"cuda:17", DeviceKind::cuda, 17}};
  for (const auto &each : good) {
    DeviceChoice choice;
    ASSERT_TRUE(parse_device(each.text, &choice).ok()) << each.text;
    EXPECT_TRUE(choice.kind == each.kind && choice.card == each.card) << each.text;
  }
  for (const char *bad : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda1", "cuda: 1", "cuda:99999", "cpu:0"}) {
    DeviceChoice choice;
    EXPECT_EQ(parse_device(bad, &choice).code(), Code::usage) << bad;
  }
  emulate("devices=2,sm=86");
  std::string list = list_devices();
  EXPECT_TRUE(list.starts_with("cpu     ")) << list;
  EXPECT_NE(list.find("\ncuda:0  Emulated sm_86, sm_86, 17.2 GB\ncuda:1  Emulated sm_86 (1)"), std::string::npos)
      << list;
  emulate("devices=0");
  EXPECT_NE(list_devices().find("\ncuda    no CUDA device"), std::string::npos) << list_devices();
}

TEST(CudaSession, MemoryIsWhatWasPredicted) {
  GpuToy toy({.max_context = 1024});
  for (uint32_t sequences : {1u, 5u})
    for (uint32_t rows : {1u, 100u}) {
      emulate();
      SessionOptions options = on_gpu;
      options.max_sequences = sequences;
      options.max_rows = rows;
      Session session;
      ASSERT_TRUE(session.open(toy.artifact, options).ok());
      EXPECT_EQ(live().bytes, session.device_facts().memory_bytes);
      EXPECT_GT(live().bytes, session.stats().kv_capacity_bytes);
      Rows logits;
      uint32_t sequence;
      ASSERT_TRUE(session.create(&sequence).ok());
      ASSERT_TRUE(feed(session, sequence, tokens_of(1, 30), rows, &logits).ok());
      EXPECT_EQ(live().bytes, session.device_facts().memory_bytes);
    }
}

TEST(CudaSession, ADecodeStepIsOneUploadOneGraphAndOneSmallCopyBack) {
  GpuToy toy({.max_context = 512});
  emulate("sm=90");
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, on_gpu).ok());
  uint32_t sequence;
  int32_t token = 5;
  ASSERT_TRUE(session.create(&sequence).ok());
  auto step = [&] {
    return session.append(sequence, &token, 1, LogitRows::last).ok() && session.step().ok() &&
           session.greedy(0, &token).ok();
  };
  for (int warm = 0; warm < 3; ++warm) ASSERT_TRUE(step());
  const char *const names[] = {"cuCtxSetCurrent", "cuMemcpyHtoDAsync_v2", "cuGraphLaunch", "cuMemcpyDtoHAsync_v2",
                               "cuEventRecord"};
  uint64_t before[5], others = calls(nullptr) - calls("cuEventQuery"); // which is asked until the step is over
  for (int i = 0; i < 5; ++i) before[i] = calls(names[i]);
  for (int turn = 0; turn < 10; ++turn) ASSERT_TRUE(step());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(calls(names[i]) - before[i], 10u) << names[i];
  EXPECT_EQ(calls(nullptr) - calls("cuEventQuery"), others + 5 * 10); // and no other call
}

TEST(CudaSession, RowsOfABatchComeBackInTwoCopies) {
  GpuToy toy;
  emulate("sm=80");
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, {.device = DeviceKind::cuda, .max_logits = 8}).ok());
  uint32_t sequence;
  std::vector<int32_t> tokens = tokens_of(5, 8);
  Rows rows, expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 8);
  ASSERT_TRUE(session.create(&sequence).ok());
  uint64_t bytes = bytes_to_host(), copies = calls("cuMemcpyDtoHAsync_v2");
  ASSERT_TRUE(feed(session, sequence, tokens, 8, &rows).ok());
  EXPECT_EQ(rows, expected);
  EXPECT_EQ(calls("cuMemcpyDtoHAsync_v2") - copies, 3u); // the argmax, one row, all rows
  EXPECT_EQ(bytes_to_host() - bytes, 8 * 8 + (1 + 8) * toy_vocab * 4);
}

TEST(CudaSession, GreedyIsTheFirstLargestLogit) {
  GpuToy toy;
  emulate("seed=8");
  Session session;
  SessionOptions options = on_gpu;
  options.max_logits = 6;
  ASSERT_TRUE(session.open(toy.artifact, options).ok());
  uint32_t sequence;
  ASSERT_TRUE(session.create(&sequence).ok());
  std::vector<int32_t> tokens = tokens_of(9, 20);
  ASSERT_TRUE(session.append(sequence, tokens.data(), tokens.size(), LogitRows::all).ok());
  ASSERT_TRUE(session.step().ok());
  for (uint32_t i = 0; i < 20; ++i) {
    const float *row;
    int32_t token;
    ASSERT_TRUE(session.greedy(i, &token).ok());
    ASSERT_TRUE(session.logits(i, &row).ok());
    EXPECT_EQ(token, std::max_element(row, row + toy_vocab) - row);
  }
}

TEST(CudaSession, AProfileHasEveryGrid) {
  GpuToy toy;
  emulate("sm=90");
  SessionOptions options = on_gpu;
  options.timed = true;
  options.max_logits = 3;
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, options).ok());
  struct Seen {
    size_t finishes = 0, grids = 0;
    static void ran(void *self, const Device &device) {
      auto seen = static_cast<Seen *>(self);
      for (size_t i = 0; i < device.grid_count(); ++i) {
        GridRun grid = device.grid(i);
        EXPECT_LE(grid.begin, grid.end);
        if (i > 0) EXPECT_EQ(device.grid(i - 1).end, grid.begin);
        seen->finishes += grid.part == GridPart::finish;
      }
      seen->grids = device.grid_count();
    }
  } seen;
  session.observe({Seen::ran, &seen});
  uint32_t sequence;
  Rows rows;
  ASSERT_TRUE(session.create(&sequence).ok());
  ASSERT_TRUE(feed(session, sequence, tokens_of(1, 6), 3, &rows).ok());
  EXPECT_EQ(seen.grids, 11u); // embed, 2 x (prepare, linear, append, attend), finish, logits
  EXPECT_EQ(seen.finishes, 2u);
}

TEST(CudaSession, SessionsOfTwoThreadsShareTheGpu) {
  GpuToy toy;
  std::vector<int32_t> tokens[2] = {tokens_of(11, 30), tokens_of(12, 30)};
  Rows expected[2], rows[2];
  for (int t = 0; t < 2; ++t) expected[t] = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens[t], 30);
  emulate("sm=90,seed=9");
  std::thread threads[2];
  for (int t = 0; t < 2; ++t)
    threads[t] = std::thread([&, t] { rows[t] = must_run(toy.artifact, on_gpu, tokens[t], 2); });
  for (std::thread &thread : threads) thread.join();
  for (int t = 0; t < 2; ++t) EXPECT_TRUE(rows[t] == expected[t]);
  EXPECT_EQ(live().objects, 0u);
}

TEST(CudaSession, ASessionMayMoveBetweenThreads) {
  GpuToy toy;
  std::vector<int32_t> tokens = tokens_of(13, 10);
  Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 10), rows;
  emulate("sm=90");
  auto session = std::make_unique<Session>();
  uint32_t sequence;
  std::thread([&] { ASSERT_TRUE(session->open(toy.artifact, on_gpu).ok() && session->create(&sequence).ok()); }).join();
  std::thread([&] { EXPECT_TRUE(feed(*session, sequence, tokens, 2, &rows).ok()); }).join();
  std::thread([&] { session.reset(); }).join();
  EXPECT_TRUE(rows == expected);
  EXPECT_EQ(live().objects, 0u);
}

TEST(CudaSession, ACancelledStepLeavesTheSequenceAsItWas) {
  GpuToy toy;
  emulate();
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, on_gpu).ok());
  uint32_t sequence, length;
  ASSERT_TRUE(session.create(&sequence).ok());
  std::vector<int32_t> tokens = tokens_of(3, 10);
  Rows expected = must_run(toy.artifact, {.device = DeviceKind::cpu}, tokens, 10), rows;
  session.cancel();
  EXPECT_EQ(feed(session, sequence, tokens, 5, &rows).code(), Code::cancelled);
  ASSERT_TRUE(session.length(sequence, &length).ok());
  EXPECT_EQ(length, 0u);
  ASSERT_TRUE(feed(session, sequence, tokens, 5, &rows).ok());
  EXPECT_EQ(rows, expected);
}

TEST(CudaSession, ProgressReachesTheEnd) {
  GpuToy toy;
  emulate();
  struct Seen {
    uint64_t done = 0, total = 0;
    static void moved(void *self, uint64_t done, uint64_t total) {
      auto seen = static_cast<Seen *>(self);
      EXPECT_GT(done, seen->done);
      *seen = {done, total};
    }
  } seen;
  SessionOptions options = on_gpu;
  options.progress = {Seen::moved, &seen};
  Session session;
  ASSERT_TRUE(session.open(toy.artifact, options).ok());
  EXPECT_GT(seen.total, 0u);
  EXPECT_EQ(seen.done, seen.total);
}

} // namespace
} // namespace ingot::test
