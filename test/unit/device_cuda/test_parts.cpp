// The parts of the CUDA device by themselves: argmax, classes of steps, the graphs' budget.
#include "runtime/device/cuda/argmax.h"
#include "runtime/device/cuda/graphs.h"
#include "runtime/device/cuda/launches.h"
#include "runtime/device/cuda/memory.h"
#include "runtime/format/abi.h"
#include "runtime/sample/argmax.h"
#include "test/unit/device_cuda/gpu.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace ingot::cuda {
namespace {

// The GPU's choice for every row.
std::vector<int32_t> choose(Gpu &gpu, const std::vector<float> &logits, uint32_t vocab) {
  uint32_t rows = uint32_t(logits.size() / vocab), logits_at, best_at, batch_at;
  ingot_batch batch = {};
  batch.n_logits = rows;
  std::vector<uint64_t> best(rows);
  DeviceMemory &memory = gpu.memory;
  EXPECT_TRUE(memory.add("logits", logits.size() * 4, &logits_at).ok());
  EXPECT_TRUE(memory.add("best", rows * 8, &best_at).ok());
  EXPECT_TRUE(memory.add("batch", sizeof batch, &batch_at).ok());
  EXPECT_TRUE(memory.take(gpu.driver).ok());
  Argmax argmax;
  EXPECT_TRUE(argmax.load(gpu.driver).ok());
  const Driver &cu = gpu.driver;
  EXPECT_EQ(cu->cuMemcpyHtoDAsync_v2(memory.address(logits_at), logits.data(), logits.size() * 4, gpu.stream), 0);
  EXPECT_EQ(cu->cuMemcpyHtoDAsync_v2(memory.address(best_at), best.data(), rows * 8, gpu.stream), 0);
  EXPECT_EQ(cu->cuMemcpyHtoDAsync_v2(memory.address(batch_at), &batch, sizeof batch, gpu.stream), 0);
  Status status = argmax.launch(gpu.driver, gpu.stream, memory.address(logits_at), memory.address(best_at),
                                memory.address(batch_at), vocab, rows + 3); // as a class of more rows does
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(cu->cuMemcpyDtoHAsync_v2(best.data(), memory.address(best_at), rows * 8, gpu.stream), 0);
  status = gpu.driver.check(cu->cuStreamSynchronize(gpu.stream), "cuStreamSynchronize");
  EXPECT_TRUE(status.ok()) << status.message();
  argmax.unload(gpu.driver);
  std::vector<int32_t> tokens(rows);
  for (uint32_t r = 0; r < rows; ++r) tokens[r] = Argmax::token_of(best[r]);
  return tokens;
}

TEST(Argmax, ChoosesWhatTheHostChooses) {
  constexpr float inf = INFINITY, nan = NAN;
  std::vector<std::vector<float>> small = {{1, 2, 3, 3, 2},
                                           {-5, -4, -4, -9, -7},
                                           {-0.0f, 0.0f, -0.0f, 0, -1},
                                           {0.0f, -0.0f, 0, 0, 0},
                                           {nan, 1, nan, 1, 0},
                                           {nan, nan, nan, nan, nan},
                                           {-inf, -inf, -inf, -inf, -inf},
                                           {-inf, nan, -inf, -3e38f, nan},
                                           {inf, inf, 1, nan, -inf},
                                           {1e-45f, -1e-45f, 0, 0, 0}};
  std::vector<float> flat;
  std::vector<int32_t> expected;
  for (const auto &row : small) {
    flat.insert(flat.end(), row.begin(), row.end());
    expected.push_back(argmax(row));
  }
  Gpu gpu("seed=3");
  EXPECT_EQ(choose(gpu, flat, 5), expected);
}

TEST(Argmax, LongRowsAreCutAmongManyBlocks) {
  constexpr uint32_t vocab = 30011, rows = 3;
  std::mt19937 random(7);
  std::vector<float> logits(size_t(vocab) * rows);
  for (float &x : logits) x = float(int(random() % 2000) - 1000) / 8; // many ties
  std::vector<int32_t> expected;
  for (uint32_t r = 0; r < rows; ++r) expected.push_back(argmax({logits.data() + size_t(r) * vocab, vocab}));
  Gpu gpu("seed=4");
  EXPECT_EQ(choose(gpu, logits, vocab), expected);
}

TEST(Classes, HoldTheirRowsAndAreFew) {
  uint32_t last = 0, classes = 0;
  for (uint64_t rows = 1; rows <= 4000; ++rows) {
    uint32_t now = row_class(rows, 3900);
    EXPECT_TRUE(now >= rows || now == 3900) << rows;
    EXPECT_GE(now, last);
    classes += now != last;
    last = now;
  }
  EXPECT_EQ(last, 3900u);
  EXPECT_LE(classes, 40u);
  for (uint64_t rows : {1, 2, 4, 8, 64, 512}) EXPECT_EQ(row_class(rows, 4096), rows);
  EXPECT_EQ(split_class(1), 1u);
  EXPECT_EQ(split_class(5), 8u);
}

// Asks for a class as a step does; captures an argmax launch when told to.
bool ask(Gpu &gpu, Graphs &graphs, uint32_t rows, CUdeviceptr memory) {
  GraphKey key = {rows, 0, 1};
  bool capture;
  CUgraphExec graph = graphs.find(key, &capture);
  if (graph || !capture) return graph;
  Status status = graphs.capture(
      gpu.driver, gpu.stream, key, 10,
      [&] { return INGOT_CUDA(gpu.driver, cuMemsetD8Async, memory, 1, 64, gpu.stream); }, &graph);
  EXPECT_TRUE(status.ok()) << status.message();
  return false;
}

TEST(Graphs, AreMadeAtTheSecondSightAndGivenUpUnderTheBudget) {
  Gpu gpu;
  uint32_t region;
  ASSERT_TRUE(gpu.memory.add("a", 64, &region).ok());
  ASSERT_TRUE(gpu.memory.take(gpu.driver).ok());
  CUdeviceptr at = gpu.memory.address(region);
  Graphs graphs;
  ASSERT_TRUE(graphs.open(system_allocator(), 30 * Graphs::node_bytes, 10).ok());
  EXPECT_FALSE(ask(gpu, graphs, 1, at));
  EXPECT_EQ(graphs.count(), 0u); // seen once
  EXPECT_FALSE(ask(gpu, graphs, 1, at));
  EXPECT_EQ(graphs.count(), 1u);
  EXPECT_TRUE(ask(gpu, graphs, 1, at));
  for (uint32_t rows : {2u, 3u}) ask(gpu, graphs, rows, at), ask(gpu, graphs, rows, at);
  EXPECT_EQ(graphs.count(), 3u);
  EXPECT_TRUE(ask(gpu, graphs, 1, at)); // 2 is now the one asked for least lately
  ask(gpu, graphs, 4, at), ask(gpu, graphs, 4, at);
  EXPECT_EQ(graphs.count(), 3u);
  EXPECT_LE(graphs.bytes(), 30 * Graphs::node_bytes);
  EXPECT_TRUE(ask(gpu, graphs, 1, at) && ask(gpu, graphs, 3, at) && ask(gpu, graphs, 4, at));
  EXPECT_FALSE(ask(gpu, graphs, 2, at));
  for (uint32_t rows = 10; rows < 1000; ++rows) ask(gpu, graphs, rows, at); // classes that come once push nothing out
  EXPECT_TRUE(ask(gpu, graphs, 1, at) && ask(gpu, graphs, 3, at) && ask(gpu, graphs, 4, at));
  graphs.close(gpu.driver);
}

} // namespace
} // namespace ingot::cuda
