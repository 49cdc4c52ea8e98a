// Attention kernels on one thread: decode at a depth against the bytes of K and V it reads, prefill in operations per
// second. SmolLM2's and Llama's head shapes, f16 cache. Times are the thread's CPU time.
#include "compiler/kernels/cpu/Attend.h"
#include "test/unit/target/LoadedCode.h"

#include <benchmark/benchmark.h>
#include <ctime>
#include <numeric>

using namespace ingot;
using namespace ingot::cpu;

namespace {

double threadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// `fresh` tokens on `past` cached ones; `layers` copies of the cache, so that decode does not find it in L2.
void attend(benchmark::State &state, CpuLevel level, uint64_t heads, uint64_t kvHeads, uint64_t past, uint64_t fresh) {
  if (!runs(level)) return state.SkipWithError("level missing");
  AttendShape shape;
  shape.kv.layers = fresh > 1 ? 1 : 16, shape.kv.kvHeads = kvHeads, shape.kv.keyDim = shape.kv.valueDim = 64;
  shape.kv.elementBytes = 2, shape.heads = heads, shape.scale = 0.125f;
  shape.queryStride = shape.resultStride = heads * 64 * 4;
  auto context = makeContext();
  LoadedCode code(*context, level);
  Emitter e(*code.module, level, "attend");
  emitAttend(e, shape, {e.slotPointer(0), e.slotPointer(1), e.slot(2)});
  e.finish();
  if (!code.compile()) fprintf(stderr, "%s", code.error.c_str()), abort();

  std::vector<uint32_t> table((past + fresh + kPageTokens - 1) / kPageTokens);
  std::iota(table.begin(), table.end(), 0);
  std::vector<uint16_t> pool(table.size() * shape.kv.pageBytes() / 2 + 64);
  for (size_t i = 0; i < pool.size(); ++i) pool[i] = 0x3000 + i % 977; // about 0.2
  std::vector<float> query(fresh * heads * 64 + 16, 0.01f), result(query.size());
  std::vector<uint8_t> scratch(attendScratchBytes(shape) + 64);
  std::vector<int32_t> position(fresh);
  std::iota(position.begin(), position.end(), int32_t(past));
  std::vector<ingot_q_tile> tiles;
  for (uint32_t row = 0; row < fresh; row += kQueryTileRows)
    tiles.push_back({0, row, std::min<uint32_t>(kQueryTileRows, fresh - row), 0});
  auto aligned = [](auto &v) { return (uint64_t(v.data()) + 63) & ~uint64_t(63); };
  ingot_kv_view view = {reinterpret_cast<uint8_t *>(aligned(pool)), table.data(), table.size()};
  ingot_batch batch = {};
  batch.n_tokens = batch.n_rows = fresh, batch.n_segs = 1, batch.n_q_tiles = tiles.size(), batch.n_splits = 1;
  batch.position = position.data(), batch.q_tile = tiles.data(), batch.kv = &view;
  auto kernel = code.kernel("attend");
  double keys = 0; // that all rows see
  for (int32_t p : position) keys += p + 1;
  double total = 0;
  for (auto _ : state) {
    double begin = threadSeconds();
    for (uint64_t layer = 0; layer < shape.kv.layers; ++layer) {
      uint64_t args[] = {uint64_t(&batch), fresh, aligned(query), aligned(result), layer};
      kernel(reinterpret_cast<ingot_args *>(args), 0, tiles.size() * kvHeads,
             reinterpret_cast<void *>(aligned(scratch)));
    }
    state.SetIterationTime(threadSeconds() - begin);
    total += threadSeconds() - begin;
  }
  double calls = double(state.iterations()) * shape.kv.layers;
  state.counters["GB/s"] = calls * double(past + fresh) * kvHeads * 128 * 2 / total / 1e9;
  state.counters["Gop/s"] = calls * keys * heads * 128 * 2 / total / 1e9;
}

} // namespace

int main(int argc, char **argv) {
  for (CpuLevel level : {CpuLevel::v4, CpuLevel::v3})
    for (auto [heads, kvHeads] : {std::pair(9, 3), {32, 8}, {4, 4}})
      for (auto [past, fresh] : {std::pair(500, 1), {4000, 1}, {0, 512}, {4000, 64}}) {
        std::string label = std::string(name(level)) + "/heads" + std::to_string(heads) + "/" +
                            std::to_string(kvHeads) + "/past" + std::to_string(past) + "/fresh" + std::to_string(fresh);
        benchmark::RegisterBenchmark(label.c_str(), attend, level, heads, kvHeads, past, fresh)->UseManualTime();
      }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
