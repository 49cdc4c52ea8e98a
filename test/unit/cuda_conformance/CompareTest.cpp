// What the conformance runner takes for equal.
#include "test/cuda/pack.h"
#include <cstring>
#include <gtest/gtest.h>

using namespace ingot::conformance;

namespace {

template <typename T> Bytes bytes(std::initializer_list<T> values) {
  Bytes result(values.size() * sizeof(T));
  memcpy(result.data(), std::data(values), result.size());
  return result;
}

constexpr uint32_t one = 0x3f800000, zero = 0, minus_zero = 0x80000000, infinity = 0x7f800000, nan = 0x7fffffff;

} // namespace

TEST(Difference, BitsMustBeEqual) {
  Comparison bits;
  EXPECT_EQ(difference(bits, bytes({1u, 2u}), bytes({1u, 2u})), "");
  EXPECT_NE(difference(bits, bytes({1u, 2u}), bytes({1u, 3u})).find("word 1: 0x00000002, expected 0x00000003"),
            std::string::npos);
  EXPECT_NE(difference(bits, bytes({nan}), bytes({0xffffffffu})), "");
  EXPECT_NE(difference(bits, bytes({1u}), bytes({1u, 2u})), "");
}

TEST(Difference, ExactFloatsKnowNaNsAndSignsOfZero) {
  Comparison exact{Comparison::f32};
  EXPECT_EQ(difference(exact, bytes({nan}), bytes({0xff800001u})), "");
  EXPECT_NE(difference(exact, bytes({zero}), bytes({minus_zero})), "");
  EXPECT_NE(difference(exact, bytes({one}), bytes({one + 1})), "");
  EXPECT_NE(difference(exact, bytes({one}), bytes({nan})), "");
}

TEST(Difference, BoundsHoldForFiniteNumbersOnly) {
  Comparison close{Comparison::f32, 1.2e-7, 0};
  EXPECT_EQ(difference(close, bytes({one + 1}), bytes({one})), "");
  EXPECT_NE(difference(close, bytes({one + 2}), bytes({one})), "");
  EXPECT_NE(difference(close, bytes({infinity}), bytes({infinity - 1})), "");
  EXPECT_EQ(difference(close, bytes({infinity}), bytes({infinity})), "");
  EXPECT_NE(difference(close, bytes({1u}), bytes({zero})), "");
  EXPECT_EQ(difference({Comparison::f32, 0, 2e-45}, bytes({1u}), bytes({zero})), "");
}

TEST(Difference, EveryFormatIsRead) {
  EXPECT_EQ(difference({Comparison::f16, 0, 0.5}, bytes<uint16_t>({0x3c00}), bytes<uint16_t>({0x3e00})), "");
  EXPECT_NE(difference({Comparison::f16, 0, 0.49}, bytes<uint16_t>({0x3c00}), bytes<uint16_t>({0x3e00})), "");
  EXPECT_EQ(difference({Comparison::bf16, 0, 1}, bytes<uint16_t>({0x3f80}), bytes<uint16_t>({0x4000})), "");
  EXPECT_NE(difference({Comparison::bf16, 0, 0.9}, bytes<uint16_t>({0x3f80}), bytes<uint16_t>({0x4000})), "");
  EXPECT_EQ(difference({Comparison::f64, 0, 0.011}, bytes({1.0}), bytes({1.01})), "");
  EXPECT_NE(difference({Comparison::f64, 0, 0.001}, bytes({1.0}), bytes({1.01})), "");
}
