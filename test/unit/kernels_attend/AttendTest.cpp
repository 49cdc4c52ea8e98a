// Attention kernels against the numerics reference, bit for bit: several sequences a step, pages in disorder, stale
// slots full of NaN, GQA, window, softcap, alibi, sinks, f32 and f16 caches, head sizes that people have, both levels.
#include "compiler/kernels/cpu/Attend.h"
#include "compiler/reference/numerics.h"
#include "compiler/weights/float16.h"
#include "test/unit/target/LoadedCode.h"

#include <cmath>
#include <limits>
#include <map>
#include <random>

using namespace ingot;
using namespace ingot::cpu;

namespace {

struct Case {
  const char *name;
  uint64_t heads, kvHeads, keyDim, valueDim;
  uint64_t elementBytes;
  float softcap = 0;
  uint64_t window = 0;
  bool alibi = false, sinks = false;
  float scale = 0.125f;
};

const Case allCases[] = {
    {"smollm2", 9, 3, 64, 64, 2},
    {"mha_f32", 4, 4, 8, 8, 4},
    {"gqa_window", 8, 2, 16, 24, 2, 0, 45},
    {"mqa_softcap", 13, 1, 32, 128, 4, 5.0f},
    {"long_window", 6, 2, 24, 16, 4, 3.0f, 200},
    {"odd_dims", 2, 2, 20, 12, 2},
    {"bloom", 6, 6, 80, 80, 4, 0, 0, true, false, 0.1118f},
    {"falcon_mqa", 71, 1, 64, 64, 2, 0, 0, true},
    {"gpt_oss", 16, 2, 64, 64, 2, 0, 128, false, true},
    {"tiny_window", 4, 2, 8, 24, 4, 2.0f, 3, false, true},
    {"window_of_one", 2, 1, 12, 8, 4, 0, 1},
    {"all_at_once", 6, 2, 24, 40, 2, 7.0f, 70, true, true, -0.3f},
    {"phi", 5, 5, 96, 96, 2, 0, 2047},
    {"deepseek", 3, 3, 192, 128, 4},
    {"gemma", 4, 1, 256, 256, 2, 50.0f, 140},
    {"wide", 3, 1, 112, 112, 4},
};

constexpr uint64_t kLayers = 2, kLayer = 1, kMaxPages = 20;

// Geometric, as people have them; no two are equal.
std::vector<float> slopesOf(const Case &c) {
  std::vector<float> slopes;
  for (uint64_t h = 0; h < c.heads; ++h) slopes.push_back(std::exp2(-8.0f * float(h + 1) / float(c.heads)));
  return slopes;
}

// From negligible to dominant; one is off.
std::vector<float> sinksOf(const Case &c) {
  std::vector<float> sinks;
  for (uint64_t h = 0; h < c.heads; ++h) sinks.push_back(float(h) * 1.7f - 3.0f);
  sinks[1] = -std::numeric_limits<float>::infinity();
  return sinks;
}

AttendShape shapeOf(const Case &c) {
  AttendShape shape;
  shape.kv.group = 1;
  shape.kv.layers = kLayers, shape.kv.kvHeads = c.kvHeads;
  shape.kv.keyDim = c.keyDim, shape.kv.valueDim = c.valueDim, shape.kv.elementBytes = c.elementBytes;
  shape.heads = c.heads, shape.scale = c.scale, shape.softcap = c.softcap, shape.window = c.window;
  if (c.alibi) shape.slopes = slopesOf(c);
  shape.queryStride = (c.heads * c.keyDim * 4 + 63) / 64 * 64;
  shape.resultStride = (c.heads * c.valueDim * 4 + 63) / 64 * 64;
  return shape;
}

// A sequence: `past` cached tokens and `fresh` new ones, whose keys and values are already in the pages.
struct Sequence {
  uint64_t past, fresh;
  std::vector<float> keys, values; // [past + fresh][kvHeads * dim], rounded to the cache's type
};

class Step {
public:
  Step(const Case &c, std::vector<Sequence> list) : c(c), shape(shapeOf(c)), sequences(std::move(list)), random(99) {
    uint64_t pages = sequences.size() * kMaxPages;
    pool.assign(pages * shape.kv.pageBytes() + 64, 0xff); // NaN in f32 and f16
    for (uint32_t page = 0; page < pages; ++page) table.push_back(page);
    std::shuffle(table.begin(), table.end(), random);
    for (uint32_t s = 0; s < sequences.size(); ++s) fill(s);
    fillRows();
  }

  // The row results, all row strides' padding included.
  std::vector<uint8_t> run(ingot_kernel kernel) {
    std::vector<uint8_t> result(position.size() * shape.resultStride + 64, 0);
    ingot_kv_view views[2] = {{}, {aligned(pool), table.data(), kMaxPages}};
    ingot_batch batch = {};
    batch.n_tokens = batch.n_rows = position.size();
    batch.n_segs = sequences.size(), batch.n_q_tiles = tiles.size(), batch.n_splits = 1;
    batch.position = position.data(), batch.q_tile = tiles.data(), batch.kv = views;
    std::vector<float> sinks = sinksOf(c);
    uint64_t args[] = {uint64_t(&batch),          position.size(), uint64_t(aligned(queries)),
                       uint64_t(aligned(result)), kLayer,          uint64_t(sinks.data())};
    std::vector<uint8_t> scratch(attendScratchBytes(shape) + 64, 0xff);
    uint64_t items = tiles.size() * c.kvHeads;
    for (uint64_t i = 0; i < items; i += 2) // as workers take them
      EXPECT_EQ(kernel(reinterpret_cast<ingot_args *>(args), i, std::min(items, i + 2), aligned(scratch)), 0);
    return {aligned(result), aligned(result) + position.size() * shape.resultStride};
  }

  void check(ingot_kernel kernel) {
    auto result = run(kernel);
    numerics::AttentionShape reference{.heads = c.heads,
                                       .kvHeads = c.kvHeads,
                                       .keyDim = c.keyDim,
                                       .valueDim = c.valueDim,
                                       .scale = shape.scale,
                                       .softcap = c.softcap,
                                       .window = c.window};
    std::vector<float> slopes = slopesOf(c), sinks = sinksOf(c);
    if (c.alibi) reference.slopes = slopes.data();
    if (c.sinks) reference.sinks = sinks.data();
    std::vector<float> expected(c.heads * c.valueDim);
    size_t row = 0, wrong = 0;
    for (const Sequence &s : sequences)
      for (uint64_t i = 0; i < s.fresh; ++i, ++row) {
        auto *q = reinterpret_cast<const float *>(aligned(queries) + row * shape.queryStride);
        numerics::attention(reference, q, s.keys.data(), s.values.data(), s.past + i, expected.data());
        wrong += memcmp(expected.data(), &result[row * shape.resultStride], expected.size() * 4) != 0;
      }
    EXPECT_EQ(wrong, 0u) << c.name << ": " << wrong << " of " << row << " rows differ";
  }

private:
  static uint8_t *aligned(std::vector<uint8_t> &v) {
    return reinterpret_cast<uint8_t *>((uintptr_t(v.data()) + 63) & ~uintptr_t(63));
  }

  float put(uint8_t *to, float v) {
    if (c.elementBytes == 4) return memcpy(to, &v, 4), v;
    uint16_t half = halfFromFloat(v);
    return memcpy(to, &half, 2), floatFromHalf(half);
  }

  void fill(uint32_t s) {
    std::normal_distribution<float> normal;
    Sequence &sequence = sequences[s];
    const KvLayout &kv = shape.kv;
    for (uint64_t p = 0; p < sequence.past + sequence.fresh; ++p)
      for (uint64_t h = 0; h < c.kvHeads; ++h) {
        uint8_t *head = aligned(pool) + table[s * kMaxPages + p / kPageTokens] * kv.pageBytes() +
                        kLayer * kv.layerBytes() + h * kv.headBytes();
        uint64_t t = p % kPageTokens;
        for (uint64_t d = 0; d < c.keyDim; ++d)
          sequence.keys.push_back(
              put(head + t / 16 * kv.keyBlockBytes() + d * kv.keyDimBytes() + t % 16 * kv.elementBytes,
                  2 * normal(random)));
        for (uint64_t d = 0; d < c.valueDim; ++d)
          sequence.values.push_back(
              put(head + kv.valuesOffset() + t * kv.valueRowBytes() + d * kv.elementBytes, normal(random)));
      }
  }

  void fillRows() {
    std::normal_distribution<float> normal;
    for (uint32_t s = 0; s < sequences.size(); ++s)
      for (uint64_t i = 0; i < sequences[s].fresh; ++i) {
        if (i % kQueryTileRows == 0) tiles.push_back({s, uint32_t(position.size()), 0, 0});
        ++tiles.back().n_rows;
        position.push_back(int32_t(sequences[s].past + i));
      }
    queries.resize(position.size() * shape.queryStride + 64);
    auto *q = reinterpret_cast<float *>(aligned(queries));
    for (uint64_t i = 0; i < position.size() * shape.queryStride / 4; ++i) q[i] = normal(random);
  }

  const Case &c;
  AttendShape shape;
  std::vector<Sequence> sequences;
  std::mt19937 random;
  std::vector<uint8_t> pool, queries;
  std::vector<uint32_t> table;
  std::vector<int32_t> position;
  std::vector<ingot_q_tile> tiles;
};

// The kernels of every case at one level, compiled once for all tests.
struct Kernels {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  LoadedCode code;

  explicit Kernels(CpuLevel level) : code(*context, level) {
    for (const Case &c : allCases) {
      Emitter e(*code.module, level, c.name);
      emitAttend(e, shapeOf(c), {e.slotPointer(0), e.slotPointer(1), e.slot(2), c.sinks ? e.slotPointer(3) : Value()});
      e.finish();
    }
    EXPECT_TRUE(code.compile()) << code.error;
  }

  static Kernels &of(CpuLevel level) {
    static std::map<CpuLevel, std::unique_ptr<Kernels>> all;
    std::unique_ptr<Kernels> &kernels = all[level];
    if (!kernels) kernels = std::make_unique<Kernels>(level);
    return *kernels;
  }
};

class AttendKernels : public testing::TestWithParam<CpuLevel> {
protected:
  void SetUp() override {
    if (!runs(GetParam())) GTEST_SKIP() << "this CPU lacks level " << name(GetParam());
  }
  void check(std::vector<Sequence> sequences) {
    for (const Case &c : allCases) Step(c, sequences).check(Kernels::of(GetParam()).code.kernel(c.name));
  }
};

TEST_P(AttendKernels, DecodeAtEveryDepth) {
  for (uint64_t past : {0, 1, 15, 16, 31, 126, 127, 128, 129, 255, 256, 300, 511}) check({{past, 1, {}, {}}});
}

TEST_P(AttendKernels, PromptsFromNothing) {
  for (uint64_t fresh : {2, 5, 17, 130, 270}) check({{0, fresh, {}, {}}});
}

TEST_P(AttendKernels, ChunksAfterAPast) {
  for (uint64_t past : {1, 100, 125, 200, 253}) check({{past, 9, {}, {}}, {past + 3, 150, {}, {}}});
}

TEST_P(AttendKernels, MixedSequences) {
  check({{300, 1, {}, {}}, {0, 20, {}, {}}, {127, 3, {}, {}}, {0, 1, {}, {}}, {64, 40, {}, {}}});
}

INSTANTIATE_TEST_SUITE_P(Levels, AttendKernels, testing::Values(CpuLevel::v3, CpuLevel::v4),
                         [](const auto &info) { return std::string(name(info.param)); });

} // namespace
