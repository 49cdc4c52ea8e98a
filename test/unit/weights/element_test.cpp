// Conversions, held against the compiler's own _Float16 and against definitions.
#include "compiler/weights/element.h"
#include "compiler/weights/float16.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace ingot;

TEST(Float16, EveryHalfBecomesItsFloatAndComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float expected = float(std::bit_cast<_Float16>(uint16_t(bits))), value = floatFromHalf(uint16_t(bits));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(floatFromHalf(halfFromFloat(value))));
      continue;
    }
    ASSERT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(expected)) << bits;
    ASSERT_EQ(halfFromFloat(value), bits);
  }
}

TEST(Float16, FloatsRoundToNearestEven) {
  std::mt19937 random(1);
  auto check = [](float value) {
    if (std::isnan(value)) return;
    ASSERT_EQ(halfFromFloat(value), std::bit_cast<uint16_t>(_Float16(value))) << value;
  };
  for (int i = 0; i < 1000000; ++i) check(std::bit_cast<float>(uint32_t(random())));
  for (uint32_t bits = 0x33000000 - 5; bits < 0x33000000 + 5; ++bits) check(std::bit_cast<float>(bits));
  // Halfway points between neighbouring halves, and both sides of them.
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    float middle =
        (floatFromHalf(uint16_t(half)) + (half == 0x7bff ? 65536.0f : floatFromHalf(uint16_t(half + 1)))) / 2;
    for (float value : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)})
      check(value), check(-value);
  }
}

TEST(Float16, BfloatRoundsToNearestEven) {
  EXPECT_EQ(bfloatFromFloat(1.0f), 0x3f80);
  EXPECT_EQ(bfloatFromFloat(std::bit_cast<float>(0x3f808000u)), 0x3f80); // tie, even
  EXPECT_EQ(bfloatFromFloat(std::bit_cast<float>(0x3f818000u)), 0x3f82); // tie, odd
  EXPECT_EQ(bfloatFromFloat(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(floatFromBfloat(bfloatFromFloat(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Element, FloatToIntegerSaturates) {
  std::vector<float> from = {1.9f, -1.9f, 300.0f, -300.0f, NAN, INFINITY};
  std::vector<int8_t> to(from.size());
  convertElements(Element::f32, from.data(), Element::i8, to.data(), from.size());
  EXPECT_EQ(to, (std::vector<int8_t>{1, -1, 127, -128, 0, 127}));
  std::vector<uint64_t> wide(from.size());
  convertElements(Element::f32, from.data(), Element::u64, wide.data(), from.size());
  EXPECT_EQ(wide, (std::vector<uint64_t>{1, 0, 300, 0, 0, UINT64_MAX}));
}

TEST(Element, IntegersConvertByValue) {
  std::vector<int64_t> from = {-1, 127, 16777217};
  std::vector<float> floats(3);
  std::vector<int32_t> ints(3);
  convertElements(Element::i64, from.data(), Element::f32, floats.data(), 3);
  convertElements(Element::i64, from.data(), Element::i32, ints.data(), 3);
  EXPECT_EQ(floats, (std::vector<float>{-1, 127, 16777216}));
  EXPECT_EQ(ints, (std::vector<int32_t>{-1, 127, 16777217}));
}
