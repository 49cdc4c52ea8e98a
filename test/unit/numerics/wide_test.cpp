// The rarer functions (MathWide.h) against long double, and at their edges.
#include "compiler/reference/numerics.h"

#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace ingot;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan = std::nanf("");

double ulps(float got, long double want) {
  if (std::isinf(got)) return std::fabs(want) > 3.4028235e38L ? 0 : 1e30;
  int exponent;
  std::frexp(want, &exponent);
  return static_cast<double>(std::fabs(got - want) / std::ldexp(1.0L, std::max(exponent - 24, -149)));
}

using Function = float (*)(float);
using Exact = long double (*)(long double);

TEST(Wide, FunctionsAreWithinAnUlp) {
  struct Case {
    const char *name;
    Function f;
    Exact exact;
    float low, high;
    bool negative;
  } cases[] = {{"asin", numerics::asin, std::asin, 1e-20f, 1.0f, true},
               {"acos", numerics::acos, std::acos, 1e-20f, 1.0f, true},
               {"atan", numerics::atan, std::atan, 1e-20f, 1e20f, true},
               {"sinh", numerics::sinh, std::sinh, 1e-20f, 88.0f, true},
               {"cosh", numerics::cosh, std::cosh, 1e-20f, 88.0f, true},
               {"asinh", numerics::asinh, std::asinh, 1e-20f, 1e38f, true},
               {"acosh", numerics::acosh, std::acosh, 1.0001f, 1e38f, false},
               {"atanh", numerics::atanh, std::atanh, 1e-20f, 0.9999f, true}};
  for (const Case &test : cases) {
    double largest = 0;
    for (uint32_t bits = std::bit_cast<uint32_t>(test.low); bits <= std::bit_cast<uint32_t>(test.high); bits += 9973) {
      float x = std::bit_cast<float>(bits);
      largest = std::max(largest, ulps(test.f(x), test.exact(x)));
      if (test.negative) largest = std::max(largest, ulps(test.f(-x), test.exact(-x)));
    }
    EXPECT_LE(largest, 1.0) << test.name;
  }
}

TEST(Wide, SoftplusIsWithinAnUlp) {
  for (float x = -80; x < 100; x += 0.37f) {
    long double want = x > 0 ? x + std::log1p(std::exp(-static_cast<long double>(x)))
                             : std::log1p(std::exp(static_cast<long double>(x)));
    EXPECT_LE(ulps(numerics::softplus(x), want), 1.0) << x;
  }
}

TEST(Wide, PowIsWithinAnUlp) {
  double largest = 0;
  for (float x : {1e-30f, 1e-3f, 0.1f, 0.5f, 0.9999f, 1.0001f, 1.7f, 10.0f, 1e4f, 1e30f})
    for (float y = -6; y < 6; y += 0.137f)
      largest = std::max(largest,
                         ulps(numerics::pow(x, y), std::pow(static_cast<long double>(x), static_cast<long double>(y))));
  EXPECT_LE(largest, 1.0);
  for (int base = 2; base <= 10; ++base)
    for (int k = 0; k <= 6; ++k) EXPECT_EQ(numerics::pow(float(base), float(k)), std::pow(float(base), float(k)));
}

TEST(Wide, PowAtItsEdges) {
  EXPECT_EQ(numerics::pow(nan, 0), 1);
  EXPECT_EQ(numerics::pow(1, nan), 1);
  EXPECT_EQ(numerics::pow(-2, 3), -8);
  EXPECT_EQ(numerics::pow(-2, 2), 4);
  EXPECT_EQ(numerics::pow(-1, infinity), 1);
  EXPECT_EQ(numerics::pow(0, 2), 0);
  EXPECT_EQ(numerics::pow(0, -2), infinity);
  EXPECT_EQ(numerics::pow(infinity, 2), infinity);
  EXPECT_EQ(numerics::pow(infinity, -2), 0);
  EXPECT_EQ(numerics::pow(-infinity, 3), -infinity);
  EXPECT_EQ(numerics::pow(0.5f, infinity), 0);
  EXPECT_EQ(numerics::pow(2, -infinity), 0);
  EXPECT_TRUE(std::isnan(numerics::pow(-2, 0.5f)));
  EXPECT_TRUE(std::isnan(numerics::pow(nan, 2)));
  EXPECT_TRUE(std::isnan(numerics::pow(2, nan)));
}

TEST(Wide, OutsideTheirDomainsTheyAreNan) {
  EXPECT_TRUE(std::isnan(numerics::asin(1.5f)));
  EXPECT_TRUE(std::isnan(numerics::acos(-1.5f)));
  EXPECT_TRUE(std::isnan(numerics::acosh(0.5f)));
  EXPECT_TRUE(std::isnan(numerics::atanh(2.0f)));
  EXPECT_EQ(numerics::atanh(1.0f), infinity);
  EXPECT_EQ(numerics::atanh(-1.0f), -infinity);
  EXPECT_EQ(numerics::asinh(-infinity), -infinity);
  EXPECT_EQ(numerics::acosh(infinity), infinity);
  EXPECT_EQ(numerics::acosh(1.0f), 0.0f);
}

TEST(Wide, RowExtremesKeepNan) {
  float x[] = {1, nan, 3};
  EXPECT_TRUE(std::isnan(numerics::rowMax(x, 3)));
  EXPECT_TRUE(std::isnan(numerics::rowMin(x, 3)));
  EXPECT_EQ(numerics::rowMax(x + 2, 1), 3);
  EXPECT_EQ(numerics::rowProduct(x + 2, 1), 3);
}

} // namespace
