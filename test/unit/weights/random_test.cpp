// ingot-bench --random-weights knows every layout that the packers write.
#include "compiler/weights/layout.h"
#include "tools/ingot-bench/random_weights.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

using namespace ingot;

namespace {

std::vector<WeightFormat> allFormats() {
  using F = WeightFormat;
  std::vector<F> formats = {{F::Type::f32}, {F::Type::f16}, {F::Type::bf16}};
  for (auto type : {F::Type::int4, F::Type::int8})
    for (auto zero : {F::Zero::symmetric, F::Zero::zero_point, F::Zero::minimum})
      for (auto scale : {F::Scale::f16, F::Scale::f32})
        for (uint32_t group : {16u, 32u, 64u, 128u}) formats.push_back({type, zero, scale, group});
  return formats;
}

TEST(RandomWeights, EveryLayoutKeepsTheSizeOfWhatItMultiplies) {
  constexpr uint64_t rows = 64, cols = 1024;
  for (const WeightFormat &format : allFormats()) {
    std::vector<uint8_t> bytes(*packedBytes(format, rows, cols));
    uint64_t random = 1;
    ASSERT_TRUE(fill_random(format.name().c_str(), cols, bytes, &random)) << format.name();
    double squares = 0;
    std::vector<float> row(cols);
    for (uint32_t r = 0; r < rows; ++r) {
      unpackRow(format, bytes.data() + r / 16 * blockBytes(format, cols), r % 16, cols, row.data());
      for (float value : row) squares += double(value) * value;
    }
    // A row's squares sum to about 1; a zero point far from the middle makes it more.
    double size = std::sqrt(squares / rows);
    EXPECT_GT(size, 0.7) << format.name();
    EXPECT_LT(size, format.zero == WeightFormat::Zero::zero_point ? 2.0 : 1.4) << format.name();
  }
}

TEST(RandomWeights, PlainTensorsHaveMagnitudesFromAHalfToOne) {
  std::vector<float> values(1000);
  uint64_t random = 1;
  std::span<uint8_t> bytes(reinterpret_cast<uint8_t *>(values.data()), 4000);
  ASSERT_TRUE(fill_random("rows.f32", 1000, bytes, &random));
  int negative = 0;
  for (float value : values) {
    EXPECT_TRUE(std::fabs(value) >= 0.5f && std::fabs(value) < 1.0f) << value;
    negative += value < 0;
  }
  EXPECT_NEAR(negative, 500, 100);
  ASSERT_TRUE(fill_random("rows.i32", 1000, bytes, &random));
  EXPECT_EQ(values, std::vector<float>(1000, 0.0f));
}

TEST(RandomWeights, UnknownLayoutsAndOtherSizesAreRefused) {
  std::vector<uint8_t> bytes(288 * 3);
  uint64_t random = 1;
  EXPECT_TRUE(fill_random("int4.sym.g32", 32, bytes, &random));
  for (const char *layout : {"", "int3.sym.g32", "int4.odd.g32", "int4.sym", "int4.sym.g0", "int4.sym.g32.f64", "rows.",
                             "rows.f8", "f32x", "int4.sym.g4000000000"})
    EXPECT_FALSE(fill_random(layout, 32, bytes, &random)) << layout;
  bytes.pop_back();
  EXPECT_FALSE(fill_random("int4.sym.g32", 32, bytes, &random));
  EXPECT_FALSE(fill_random("f16", 32, bytes, &random));
}

} // namespace
