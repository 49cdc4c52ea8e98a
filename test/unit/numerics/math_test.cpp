// Accuracy of the elementary functions against long double, and their behaviour at the edges.
#include "compiler/reference/numerics.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace ingot;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// |got - want| in units of the last place of want's binade (subnormals: 2^-149).
double ulps(float got, long double want) {
  int exponent;
  std::frexp(want, &exponent);
  long double unit = std::ldexp(1.0L, std::max(exponent - 24, -149));
  return static_cast<double>(std::fabs(got - want) / unit);
}

// The largest error over floats of [low, high] and their negatives, `step` apart in their bits.
template <class F, class R> double worst(float low, float high, uint32_t step, bool negative, F f, R reference) {
  double largest = 0;
  for (uint32_t bits = std::bit_cast<uint32_t>(low); bits <= std::bit_cast<uint32_t>(high); bits += step) {
    float x = std::bit_cast<float>(bits);
    largest = std::max(largest, ulps(f(x), reference(static_cast<long double>(x))));
    if (negative) largest = std::max(largest, ulps(f(-x), reference(-static_cast<long double>(x))));
  }
  return largest;
}

TEST(Math, ExpIsWithinOneUlp) {
  EXPECT_LE(worst(1e-8f, 88.7f, 997, true, numerics::exp, [](long double x) { return std::exp(x); }), 1.0);
}

TEST(Math, ExpRoundsIntoSubnormalsAndSaturates) {
  EXPECT_LE(worst(
                88.0f, 103.0f, 31, true, [](float x) { return numerics::exp(-std::fabs(x)); },
                [](long double x) { return std::exp(-std::fabs(x)); }),
            1.0);
  EXPECT_EQ(numerics::exp(-infinity), 0.0f);
  EXPECT_EQ(numerics::exp(-200.0f), 0.0f);
  EXPECT_EQ(numerics::exp(89.0f), infinity);
  EXPECT_EQ(numerics::exp(infinity), infinity);
  EXPECT_EQ(numerics::exp(0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(numerics::exp(std::nanf(""))));
}

TEST(Math, LogIsWithinOneUlp) {
  EXPECT_LE(worst(0x1p-149f, 3e38f, 9973, false, numerics::log, [](long double x) { return std::log(x); }), 1.0);
  EXPECT_LE(worst(0.5f, 2.0f, 101, false, numerics::log, [](long double x) { return std::log(x); }), 1.0);
}

TEST(Math, LogAtItsEdges) {
  EXPECT_EQ(numerics::log(0.0f), -infinity);
  EXPECT_EQ(numerics::log(-0.0f), -infinity);
  EXPECT_EQ(numerics::log(infinity), infinity);
  EXPECT_EQ(numerics::log(1.0f), 0.0f);
  EXPECT_TRUE(std::isnan(numerics::log(-1.0f)));
  EXPECT_TRUE(std::isnan(numerics::log(std::nanf(""))));
}

TEST(Math, TanhIsWithinTwoUlps) {
  EXPECT_LE(worst(1e-30f, 20.0f, 997, true, numerics::tanh, [](long double x) { return std::tanh(x); }), 2.0);
  EXPECT_EQ(numerics::tanh(infinity), 1.0f);
  EXPECT_EQ(numerics::tanh(-infinity), -1.0f);
  EXPECT_EQ(numerics::tanh(0.0f), 0.0f);
  EXPECT_TRUE(std::isnan(numerics::tanh(std::nanf(""))));
}

TEST(Math, ErfIsWithinTwoUlps) {
  EXPECT_LE(worst(1e-30f, 10.0f, 997, true, numerics::erf, [](long double x) { return std::erf(x); }), 2.0);
  EXPECT_EQ(numerics::erf(infinity), 1.0f);
  EXPECT_TRUE(std::isnan(numerics::erf(std::nanf(""))));
}

// Rotary angles are large and only their absolute error matters.
TEST(Math, SinAndCosAreWithinTwoUnitsOfOne) {
  double largest = 0;
  for (uint32_t bits = std::bit_cast<uint32_t>(1e-6f); bits <= std::bit_cast<uint32_t>(0x1p21f); bits += 499) {
    float x = std::bit_cast<float>(bits);
    largest = std::max(largest, static_cast<double>(std::fabs(numerics::sin(x) - std::sin((long double)x))));
    largest = std::max(largest, static_cast<double>(std::fabs(numerics::cos(-x) - std::cos((long double)x))));
  }
  EXPECT_LE(largest, 0x1p-23);
  EXPECT_EQ(numerics::cos(0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(numerics::sin(0x1.1p21f)));
  EXPECT_TRUE(std::isnan(numerics::cos(infinity)));
}

TEST(Math, ActivationsFollowTheirDefinitions) {
  for (float x = -12; x <= 12; x += 0.0371f) {
    long double v = x;
    EXPECT_NEAR(numerics::sigmoid(x), 1 / (1 + std::exp(-v)), 2e-7);
    EXPECT_NEAR(numerics::silu(x), v / (1 + std::exp(-v)), 2e-6);
    EXPECT_NEAR(numerics::gelu(x), v / 2 * (1 + std::erf(v / std::sqrt(2.0L))), 2e-6);
    long double inner = std::sqrt(2 / std::acos(-1.0L)) * (v + 0.044715L * v * v * v);
    EXPECT_NEAR(numerics::geluTanh(x), v / 2 * (1 + std::tanh(inner)), 2e-6);
    EXPECT_NEAR(numerics::quickGelu(x), v / (1 + std::exp(-1.702L * v)), 2e-6);
    EXPECT_NEAR(numerics::softcap(x, 5.0f), 5 * std::tanh(v / 5), 2e-6);
    EXPECT_EQ(numerics::reluSquared(x), x > 0 ? x * x : 0.0f);
  }
}

TEST(Math, HalfRoundsToNearestEven) {
  EXPECT_EQ(numerics::roundToHalf(1.0f + 0x1p-11f), 1.0f);
  EXPECT_EQ(numerics::roundToHalf(1.0f + 0x1.8p-10f), 1.0f + 0x1p-9f);
  EXPECT_EQ(numerics::roundToHalf(65520.0f), infinity);
}

} // namespace
