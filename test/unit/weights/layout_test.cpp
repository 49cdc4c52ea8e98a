// The packed layouts: what is packed is what is unpacked, at the places that docs/weights.md names.
#include "compiler/weights/float16.h"
#include "compiler/weights/layout.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace ingot;
using Type = WeightFormat::Type;
using Zero = WeightFormat::Zero;
using Scale = WeightFormat::Scale;

namespace {

// Random rows on a grid; parameters are f16 values when the format stores f16.
struct RandomGrid {
  std::vector<uint8_t> codes, zeros;
  std::vector<float> scales, minima;

  RandomGrid(const WeightFormat &f, uint64_t rows, uint64_t cols, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    auto parameter = [&] {
      float value = normal(random);
      return f.scale == Scale::f16 ? floatFromHalf(halfFromFloat(value)) : value;
    };
    uint32_t most = (1u << f.bits()) - 1;
    for (uint64_t i = 0; i < rows * cols; ++i) codes.push_back(uint8_t(random() & most));
    for (uint64_t i = 0; i < rows * groupCount(f, cols); ++i) {
      scales.push_back(parameter());
      zeros.push_back(uint8_t(random() & most));
      minima.push_back(parameter());
    }
  }

  GridView rowsFrom(uint64_t row, uint64_t cols, uint64_t groups) const {
    return {codes.data() + row * cols, scales.data() + row * groups, zeros.data() + row * groups,
            minima.data() + row * groups};
  }
};

std::vector<WeightFormat> integerFormats() {
  std::vector<WeightFormat> formats;
  for (Type type : {Type::int4, Type::int8})
    for (Zero zero : {Zero::symmetric, Zero::zero_point, Zero::minimum})
      for (Scale scale : {Scale::f16, Scale::f32})
        for (uint32_t group : {16u, 32u, 64u, 128u}) formats.push_back({type, zero, scale, group});
  return formats;
}

// numerics.md, "integer weights, f32 activations", written out once more.
float expectedValue(const WeightFormat &f, uint8_t code, float scale, uint8_t zero, float minimum) {
  if (f.zero == Zero::minimum) return std::fma(float(code), scale, minimum);
  int offset = f.zero == Zero::zero_point ? zero : f.type == Type::int4 ? 8 : 128;
  return float(int(code) - offset) * scale;
}

} // namespace

TEST(Layout, IntegerGridsComeBackExactly) {
  uint32_t seed = 0;
  for (const WeightFormat &f : integerFormats())
    for (auto [rows, cols] : {std::pair<uint64_t, uint64_t>{1, 32}, {172, 172}, {16, 128}, {33, 7}}) {
      SCOPED_TRACE(f.name() + " " + std::to_string(rows) + "x" + std::to_string(cols));
      RandomGrid grid(f, rows, cols, ++seed);
      uint64_t groups = groupCount(f, cols), pitch = blockBytes(f, cols);
      std::vector<uint8_t> packed(*packedBytes(f, rows, cols), 0xee);
      ASSERT_EQ(packed.size(), blockCount(rows) * pitch);
      for (uint64_t row = 0; row < rows; row += kBlockRows)
        ASSERT_TRUE(packIntegerBlock(f, uint32_t(std::min<uint64_t>(kBlockRows, rows - row)), cols,
                                     grid.rowsFrom(row, cols, groups), packed.data() + row / kBlockRows * pitch));
      std::vector<float> values(cols);
      for (uint64_t row = 0; row < rows; ++row) {
        unpackRow(f, packed.data() + row / 16 * pitch, uint32_t(row % 16), cols, values.data());
        for (uint64_t k = 0; k < cols; ++k) {
          uint64_t g = row * groups + k / f.group;
          ASSERT_EQ(values[k],
                    expectedValue(f, grid.codes[row * cols + k], grid.scales[g], grid.zeros[g], grid.minima[g]))
              << "row " << row << " k " << k;
        }
      }
    }
}

TEST(Layout, PaddingHoldsTheZeroCodeAndZeroParameters) {
  for (const WeightFormat &f : integerFormats()) {
    SCOPED_TRACE(f.name());
    uint64_t cols = f.group + 3, groups = 2;
    RandomGrid grid(f, 1, cols, 7);
    std::vector<uint8_t> packed(blockBytes(f, cols), 0xee);
    ASSERT_TRUE(packIntegerBlock(f, 1, cols, grid.rowsFrom(0, cols, groups), packed.data()));
    uint32_t middle = f.type == Type::int4 ? 8 : 128;
    for (uint64_t k = cols; k < 2 * f.group; ++k)
      EXPECT_EQ(unpackCode(f, packed.data(), 0, k), f.zero == Zero::symmetric    ? middle
                                                    : f.zero == Zero::zero_point ? grid.zeros[1]
                                                                                 : 0u);
    for (uint64_t k = 0; k < cols; ++k)
      EXPECT_EQ(unpackCode(f, packed.data(), 5, k), f.zero == Zero::symmetric ? middle : 0u);
    EXPECT_EQ(unpackScale(f, packed.data(), 15, 1), 0.0f);
    EXPECT_EQ(unpackZero(f, packed.data(), 15, 1), f.zero == Zero::symmetric ? float(middle) : 0.0f);
  }
}

TEST(Layout, FloatsComeBackExactly) {
  std::mt19937 random(3);
  for (Type type : {Type::f32, Type::f16, Type::bf16}) {
    WeightFormat f = {.type = type};
    uint32_t rows = 5, bytes = f.bits() / 8;
    uint64_t cols = 11;
    std::vector<float> values(rows * cols);
    std::vector<uint8_t> stored(values.size() * bytes), packed(blockBytes(f, cols), 0xee);
    for (size_t i = 0; i < values.size(); ++i) {
      float x = std::ldexp(float(random() % 2048) - 1024, -7);
      uint16_t half = type == Type::f16 ? halfFromFloat(x) : bfloatFromFloat(x);
      values[i] = type == Type::f32 ? x : type == Type::f16 ? floatFromHalf(half) : floatFromBfloat(half);
      if (type == Type::f32)
        std::memcpy(&stored[i * 4], &x, 4);
      else
        std::memcpy(&stored[i * 2], &half, 2);
    }
    packFloatBlock(f, rows, cols, stored.data(), packed.data());
    std::vector<float> row(cols);
    for (uint32_t lane = 0; lane < kBlockRows; ++lane) {
      unpackRow(f, packed.data(), lane, cols, row.data());
      for (uint64_t k = 0; k < cols; ++k) EXPECT_EQ(row[k], lane < rows ? values[lane * cols + k] : 0.0f);
    }
  }
}

// The tables of docs/weights.md: bytes of a group, and two elements at hand-computed places.
TEST(Layout, BytesLieWhereTheTablesSay) {
  using F = WeightFormat;
  EXPECT_EQ(groupBytes(F{Type::int4, Zero::symmetric, Scale::f16, 32}), 288u);
  EXPECT_EQ(groupBytes(F{Type::int4, Zero::zero_point, Scale::f16, 32}), 304u);
  EXPECT_EQ(groupBytes(F{Type::int4, Zero::minimum, Scale::f16, 32}), 320u);
  EXPECT_EQ(groupBytes(F{Type::int4, Zero::minimum, Scale::f32, 128}), 1152u);
  EXPECT_EQ(groupBytes(F{Type::int8, Zero::symmetric, Scale::f16, 32}), 544u);
  EXPECT_EQ(groupBytes(F{Type::int8, Zero::zero_point, Scale::f32, 64}), 1104u);
  EXPECT_EQ(groupBytes(F{.type = Type::f32}), 64u);
  EXPECT_EQ(groupBytes(F{.type = Type::f16}), 32u);

  F int4 = {Type::int4, Zero::symmetric, Scale::f16, 32}, int8 = {Type::int8, Zero::symmetric, Scale::f16, 32};
  std::vector<uint8_t> codes(16 * 32), packed(544);
  std::vector<float> scales(16, 0.5f);
  codes[3 * 32 + 21] = 13; // row 3, k = 21: chunk 2, second half, byte 1
  codes[3 * 32 + 17] = 6;  // its low nibble
  GridView view = {codes.data(), scales.data(), nullptr, nullptr};
  ASSERT_TRUE(packIntegerBlock(int4, 16, 32, view, packed.data()));
  EXPECT_EQ(packed[2 * 64 + 3 * 4 + 1], 13 << 4 | 6);
  EXPECT_EQ(packed[256] | packed[257] << 8, halfFromFloat(0.5f));
  ASSERT_TRUE(packIntegerBlock(int8, 16, 32, view, packed.data()));
  EXPECT_EQ(packed[5 * 64 + 3 * 4 + 1], 13 ^ 0x80);
  EXPECT_EQ(packed[512] | packed[513] << 8, halfFromFloat(0.5f));
}

TEST(Layout, AScaleThatIsNoHalfIsReported) {
  WeightFormat f = {Type::int4, Zero::symmetric, Scale::f16, 32};
  std::vector<uint8_t> codes(32), packed(288);
  float scale = 0.1f; // not an f16
  EXPECT_FALSE(packIntegerBlock(f, 1, 32, {codes.data(), &scale, nullptr, nullptr}, packed.data()));
}

TEST(Layout, BlocksOfOtherSizesBecomePiecesOf32) {
  EXPECT_EQ(layoutGroup(16, 576), 16u);
  EXPECT_EQ(layoutGroup(128, 576), 128u);
  EXPECT_EQ(layoutGroup(256, 576), 32u);
  EXPECT_EQ(layoutGroup(576, 576), 32u);
  EXPECT_EQ(layoutGroup(172, 172), 32u);
  EXPECT_EQ(layoutGroup(48, 576), 16u);
  EXPECT_EQ(layoutGroup(24, 576), std::nullopt);
  EXPECT_EQ(layoutGroup(0, 576), std::nullopt);
}

TEST(Layout, SizesThatOverflowAreRefused) {
  WeightFormat f = {Type::int4, Zero::symmetric, Scale::f16, 32};
  EXPECT_EQ(packedBytes(f, uint64_t(1) << 40, uint64_t(1) << 40), std::nullopt);
  EXPECT_EQ(packedBytes(f, 17, 33), uint64_t(2 * 2 * 288));
}

TEST(Layout, NamesTellTheFormat) {
  EXPECT_EQ((WeightFormat{Type::int4, Zero::minimum, Scale::f16, 32}).name(), "int4.affine.g32");
  EXPECT_EQ((WeightFormat{Type::int8, Zero::symmetric, Scale::f32, 64}).name(), "int8.sym.g64.f32");
  EXPECT_EQ(WeightFormat{}.name(), "f32");
}
