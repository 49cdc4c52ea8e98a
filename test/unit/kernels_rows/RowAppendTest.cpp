// Append without a linear in its launch: keys and values come from memory, as when they were made by two launches.
#include "compiler/kernels/cpu/KvLayout.h"
#include "test/unit/kernels_rows/RowProgramFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

using RowAppendTest = RowProgramTest;

TEST_P(RowAppendTest, KeysAndValuesGoToTheirPages) {
  for (auto [kvHeads, keyDim, valueDim] : {std::tuple<size_t, size_t, size_t>{2, 16, 16}, {3, 8, 8}, {1, 20, 24}}) {
    std::string key = tensor(kvHeads * keyDim), value = tensor(kvHeads * valueDim);
    std::string symbols = "decoder.cache_group @g {layers = 2, kv_heads = " + std::to_string(kvHeads) +
                          ", key_dim = " + std::to_string(keyDim) + ", value_dim = " + std::to_string(valueDim) +
                          ", type = f32}\n";
    if (!compile(parse(symbols, "%k : " + key + ", %v : " + value,
                       "decoder.launch @append (%a = %k : " + key + ", %b = %v : " + value +
                           ") {\ndecoder.append %a, %b {cache = @g, layer = 1} : " + key + ", " + value +
                           "\ndecoder.yield\n}")))
      return;
    Rows k = Rows::random(3, kvHeads * keyDim, 1), v = Rows::random(3, kvHeads * valueDim, 2);
    // Row 1 is a pad; rows 0 and 2 are positions 33 and 34 of a sequence in pages 2, 0.
    std::vector<int32_t> segment = {0, -1, 0}, position = {33, 0, 34};
    std::vector<uint32_t> table = {2, 0};
    KvLayout layout{0, 2, kvHeads, keyDim, valueDim, 4};
    std::vector<uint8_t> pool(3 * layout.pageBytes(), 0xCD);
    ingot_kv_view view = {pool.data(), table.data(), 2};
    batch.segment = segment.data(), batch.position = position.data(), batch.kv = &view;
    bind(3, k[0], v[0], 1);
    call("k", 3);
    size_t written = 0;
    for (size_t row : {0, 2})
      for (size_t head = 0; head < kvHeads; ++head) {
        const uint8_t *at = &pool[layout.layerBytes() + head * layout.headBytes()]; // page 0, layer 1
        size_t t = position[row] % kPageTokens;
        auto stored = [&](size_t element) { return *reinterpret_cast<const float *>(at + element * 4); };
        for (size_t d = 0; d < keyDim; ++d, written += 4)
          EXPECT_EQ(k[row][head * keyDim + d], stored((t / 16 * keyDim + d) * 16 + t % 16)) << row << " " << d;
        for (size_t d = 0; d < valueDim; ++d, written += 4)
          EXPECT_EQ(v[row][head * valueDim + d], stored(kPageTokens * keyDim + t * valueDim + d)) << row << " " << d;
      }
    EXPECT_LE(pool.size() - std::count(pool.begin(), pool.end(), 0xCD), written);
    next();
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, RowAppendTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
