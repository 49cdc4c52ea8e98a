// Linear layers: grids equal their dequantised matrix, int8 activations follow the contract's formula.
#include "compiler/reference/numerics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace ingot;

namespace {

numerics::Grid randomGrid(size_t rows, size_t cols, size_t group, bool minima, uint32_t seed) {
  std::mt19937 random(seed);
  numerics::Grid grid{rows, cols, group, {}, {}, {}};
  for (size_t i = 0; i < rows * cols; ++i) grid.quant.push_back(minima ? random() % 16 : int(random() % 16) - 8);
  for (size_t i = 0; i < rows * grid.groups(); ++i) {
    grid.scale.push_back(numerics::roundToHalf(0.01f + (random() % 1000) * 1e-5f));
    if (minima) grid.minimum.push_back(numerics::roundToHalf((int(random() % 1000) - 500) * 1e-4f));
  }
  return grid;
}

std::vector<float> randomRows(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float &v : x) v = normal(random);
  return x;
}

class Grids : public testing::TestWithParam<bool> {};

TEST_P(Grids, WithF32ActivationsEqualTheDequantisedMatrix) {
  auto grid = randomGrid(20, 172, 32, GetParam(), 1);
  auto x = randomRows(3 * 172, 2);
  std::vector<float> w(20 * 172), y(60), z(60);
  for (size_t n = 0; n < 20; ++n)
    for (size_t k = 0; k < 172; ++k) w[n * 172 + k] = grid.value(n, k);
  numerics::linear(x.data(), 3, grid, y.data());
  numerics::linear(x.data(), 3, w.data(), 20, 172, z.data());
  EXPECT_EQ(y, z);
}

TEST_P(Grids, WithInt8ActivationsStayCloseToTheExactProduct) {
  auto grid = randomGrid(20, 172, 32, GetParam(), 3);
  auto x = randomRows(2 * 172, 4);
  std::vector<int8_t> a(2 * 172);
  std::vector<float> d(2 * 6), y(40);
  for (size_t t = 0; t < 2; ++t) numerics::quantise(&x[t * 172], 172, 32, &a[t * 172], &d[t * 6]);
  numerics::linear(a.data(), d.data(), 2, grid, y.data());
  for (size_t t = 0; t < 2; ++t)
    for (size_t n = 0; n < 20; ++n) {
      double exact = 0;
      for (size_t k = 0; k < 172; ++k) exact += double(a[t * 172 + k]) * d[t * 6 + k / 32] * grid.value(n, k);
      EXPECT_NEAR(y[t * 20 + n], exact, 2e-5);
    }
}

INSTANTIATE_TEST_SUITE_P(SymmetricAndMinimum, Grids, testing::Bool());

TEST(Linear, ChainIsFusedAndAscending) {
  const float w[3] = {0x1.000002p0f, 1.0f, 0x1p-30f}, x[3] = {0x1.000002p0f, -0x1.000004p0f, 1.0f};
  float y;
  numerics::linear(x, 1, w, 1, 3, &y);
  EXPECT_EQ(y, std::fma(w[2], x[2], std::fma(w[1], x[1], w[0] * x[0])));
  EXPECT_NE(y, 0.0f);
}

} // namespace
