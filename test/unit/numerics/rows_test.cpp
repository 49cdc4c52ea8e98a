// Row ops: order of the lanes, agreement with plain double arithmetic, quantisation's bounds.
#include "compiler/reference/numerics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace ingot;

namespace {

std::vector<float> randomRow(size_t n, uint32_t seed, float width = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, width);
  std::vector<float> x(n);
  for (float &v : x) v = normal(random);
  return x;
}

TEST(Rows, SumRunsInSixteenLanesAndATree) {
  std::vector<float> x(32, 0.0f);
  x[0] = 1e8f, x[16] = -1e8f, x[1] = 0.25f; // lane 0 cancels before the tree meets lane 1
  EXPECT_EQ(numerics::rowSum(x.data(), x.size()), 0.25f);
  x[16] = 0, x[8] = -1e8f, x[4] = 3; // +8 comes before +4
  EXPECT_EQ(numerics::rowSum(x.data(), x.size()), 3.25f);
}

TEST(Rows, TailOfARowIsMasked) {
  auto x = randomRow(48, 1);
  std::vector<float> padded(x.begin(), x.begin() + 37);
  padded.resize(48, 0.0f);
  EXPECT_EQ(numerics::rowSum(x.data(), 37), numerics::rowSum(padded.data(), 48));
}

TEST(Rows, NormsAgreeWithDoubleArithmetic) {
  auto x = randomRow(172, 2, 3), gain = randomRow(172, 3), bias = randomRow(172, 4);
  double mean = 0, square = 0, variance = 0;
  for (float v : x) mean += v / 172.0, square += double(v) * v;
  for (float v : x) variance += (v - mean) * (v - mean) / 172.0;
  std::vector<float> rms(172), layer(172), l2(172);
  numerics::rmsNorm(x.data(), 172, gain.data(), 1e-5f, rms.data());
  numerics::layerNorm(x.data(), 172, gain.data(), bias.data(), 1e-5f, layer.data());
  numerics::l2Norm(x.data(), 172, nullptr, 1e-6f, l2.data());
  for (int k = 0; k < 172; ++k) {
    EXPECT_NEAR(rms[k], x[k] / std::sqrt(square / 172 + 1e-5) * gain[k], 3e-6);
    EXPECT_NEAR(layer[k], (x[k] - mean) / std::sqrt(variance + 1e-5) * gain[k] + bias[k], 5e-6);
    EXPECT_NEAR(l2[k], x[k] / std::sqrt(square + 1e-6), 1e-6);
  }
}

TEST(Rows, NormsWorkInPlace) {
  auto x = randomRow(50, 5), y = x;
  std::vector<float> z(50);
  numerics::layerNorm(x.data(), 50, nullptr, nullptr, 1e-5f, z.data());
  numerics::layerNorm(y.data(), 50, nullptr, nullptr, 1e-5f, y.data());
  EXPECT_EQ(y, z);
}

TEST(Rows, QuantisedValuesAreTheNearestSteps) {
  for (float width : {1e-30f, 1e-3f, 1.0f, 1e20f}) {
    auto x = randomRow(172, 6, width);
    std::vector<int8_t> a(172);
    std::vector<float> d(6);
    numerics::quantise(x.data(), 172, 32, a.data(), d.data());
    for (int k = 0; k < 172; ++k) {
      EXPECT_LE(std::abs(a[k]), 127);
      EXPECT_LE(std::fabs(a[k] * d[k / 32] - x[k]), d[k / 32] * 0.501f);
    }
  }
}

TEST(Rows, QuantisingZerosTinyAndNanGroups) {
  float x[96] = {};
  x[40] = 1e-38f, x[70] = std::nanf("");
  int8_t a[96];
  float d[3];
  numerics::quantise(x, 96, 32, a, d);
  for (int k = 0; k < 64; ++k) EXPECT_EQ(a[k], 0);
  EXPECT_EQ(d[0], 0);
  EXPECT_TRUE(std::isfinite(d[1]));
  EXPECT_TRUE(std::isnan(d[2]));
}

TEST(Rows, RopeTurnsPairsAndKeepsTheRest) {
  const float freq[2] = {1.0f, 0.1f};
  float angle[4], x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {1, 2, 3, 4, 5, 6};
  numerics::angles(7, freq, 2, 1.0f, angle);
  numerics::rope(x, angle, 2, false);
  numerics::rope(y, angle, 2, true);
  EXPECT_NEAR(x[0], 1 * std::cos(7.0) - 3 * std::sin(7.0), 1e-6);
  EXPECT_NEAR(x[2], 3 * std::cos(7.0) + 1 * std::sin(7.0), 1e-6);
  EXPECT_NEAR(y[0], 1 * std::cos(7.0) - 2 * std::sin(7.0), 1e-6);
  EXPECT_NEAR(y[3], 4 * std::cos(0.7) + 3 * std::sin(0.7), 1e-6);
  EXPECT_EQ(x[4], 5);
  EXPECT_EQ(y[5], 6);
}

TEST(Rows, AnglesAreScaled) {
  const float freq[1] = {0.25f};
  float angle[2];
  numerics::angles(3, freq, 1, 1.5f, angle);
  EXPECT_EQ(angle[0], numerics::cos(0.75f) * 1.5f);
  EXPECT_EQ(angle[1], numerics::sin(0.75f) * 1.5f);
}

} // namespace
